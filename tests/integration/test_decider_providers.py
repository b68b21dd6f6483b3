"""Providers as they are: LiteLLM over HTTP against a server that answers as they do."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.schemas.decision import DecisionProposed
from services.decider.application.deciding import decide
from tests.fakes.decider_contexts import context
from tests.fakes.model_server import USAGE, Answer, ModelServer, Raw, Script, Status, model_server
from tests.integration.deciding import GPT, asking, decision, outcomes

pytestmark = pytest.mark.integration
OWN = "openai-compatible/scripted"
BOTH = pytest.mark.parametrize("model", [GPT, OWN])


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


def body(finish: str = "stop", usage: Any = USAGE, error: Any = None, **message: Any) -> Raw:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    if error is not None:
        choice["error"] = error
    return Raw(json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}))


async def decided(server: ModelServer, model: str, *script: Script) -> DecisionProposed:
    server.then(*script)
    async with asking(server) as real:
        return await decide(real, context(model=model))


MISTRAL = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": decision(61)}]
READ: list[tuple[str, Script]] = [
    ("content as a list of parts", body(content=[{"type": "text", "text": decision(61)}])),
    ("content in pieces", body(content=[{"type": "text", "text": decision(61)[:90]},
                                        {"type": "text", "text": decision(61)[90:]}])),
    ("thoughts as a part (Mistral)", body(content=MISTRAL)),
    ("content as the object itself", body(content=json.loads(decision(61)))),
    ("C18: blanks before the body", Raw("\n" * 400 + body(content=decision(61)).body)),
    ("an error that says that there is none", Raw(body(content=decision(61)).body[:-1] + ', "error": {"code": 0}}')),
    ("no usage", body(content=decision(61), usage=None)),
    ("absurd usage", body(content=decision(61), usage={"prompt_tokens": -3, "completion_tokens": 8e17})),
    ("usage of words", body(content=decision(61), usage="unlimited")),
    ("usage that is no JSON", Raw(body(content=decision(61), usage={"cost": "COST"}).body.replace('"COST"', "NaN"))),
    ("half a character in the body", Raw(body(content=decision(61), reasoning="x").body.replace('"x"', '"\\udc00"'))),
    ("the Harmony fields of gpt-oss", body(content=decision(61), reasoning="r", reasoning_details=[{"type": "x"}] * 9)),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("answer", [r[1] for r in READ], ids=[r[0] for r in READ])
async def test_a_good_answer_is_read_whatever_it_is_wrapped_in_and_asked_for_once(
    server: ModelServer, model: str, answer: Script
) -> None:
    proposal = await decided(server, model, answer)
    assert outcomes(proposal) == ["ok"], proposal.abstain_detail
    assert len(server.requests) == 1
    assert proposal.decision is not None
    assert proposal.decision.decisions[0].confidence == 61


THOUGHT = USAGE | {"completion_tokens_details": {"reasoning_tokens": 180}}
ENDED: list[tuple[str, list[Script], str, str, str]] = [
    ("a refusal in its own field", [body(content=None, refusal="I won't pick trades.")], "refused", "refused",
     "the model refused: I won't pick trades."),
    ("a finish by error", [body("error", content='{"decisions"')] * 3, "unavailable", "unavailable", "failed while it"),
    ("an error within the choice", [body("error", content="{", error={"code": 529, "message": "overloaded"})] * 3,
     "unavailable", "unavailable", "overloaded"),
    ("an answer eaten by reasoning", [body(content="", usage=THOUGHT)], "invalid", "invalid",
     "all of it went into reasoning (180 tokens): lower reasoning_effort"),
    ("a cut answer eaten by reasoning", [body("length", content=None, reasoning_content="so long")] * 2, "invalid",
     "invalid", "all of it went into reasoning (7 signs)"),
    ("a filter by Gemini's name", [body("SAFETY", content="")], "refused", "refused", "content filter"),
    ("a host kept back by settings", [Status(404, "No endpoints available matching your guardrail restrictions and "
     "data policy")], "refused", "refused", "the settings of your account at the provider leave no host"),
    ("a provider list that leaves none", [Status(404, "No allowed providers are available for the selected model.")],
     "refused", "refused", "the settings of your account"),
    ("a country that is not served", [Status(403, "Country, region, or territory not supported")], "refused", "refused",
     "does not serve the place"),
    ("a model that is no model", [Status(400, "scripted-9 is not a valid model ID")], "unknown_model", "unavailable",
     "not a valid model"),
    ("a quota behind a 429", [Status(429, "You exceeded your current quota, check plan and billing")], "auth", "auth",
     "credit is used up"),
    ("a quota in a body of 200 by its name",
     [Raw(json.dumps({"error": {"code": "insufficient_quota", "message": "no"}}))], "auth", "auth", "credit is used"),
    ("C11: a 429 in a body of 200 beside an empty choice",
     [Raw(body(content=None).body[:-1] + ', "error": {"code": "429", "message": "busy"}}')] * 2, "rate_limited",
     "rate_limited", "busy"),
    ("C21: a prompt that Ollama has cut", [Answer(decision(), usage=USAGE | {"prompt_tokens": 3_580})], "invalid",
     "invalid", "has read 3580 tokens of a prompt of about"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("script", "reason", "recorded", "words"), [e[1:] for e in ENDED], ids=[e[0] for e in ENDED])
async def test_what_is_no_answer_is_named_for_what_it_is(
    server: ModelServer, model: str, script: list[Script], reason: str, recorded: str, words: str
) -> None:
    proposal = await decided(server, model, *script)
    assert (proposal.abstain_reason, outcomes(proposal)) == (reason, [recorded] * len(script))
    assert len(server.requests) == len(script)
    assert words in (proposal.abstain_detail or "")
    assert "Traceback" not in proposal.model_dump_json()


NO_FORMAT = [
    ("C13: a plain refusal", Status(400, "`response_format` is not supported by this model")),
    ("LM Studio's words", Status(400, "'response_format.type' must be 'json_schema' or 'text'")),
    ("a gateway's words", Status(422, "Unsupported parameter: response_format")),
    ("OpenRouter's words for it", Status(404, "No endpoints found that can handle the requested parameters.")),
    ("Groq, where the model does not keep to it", Status(400, "json_validate_failed: Failed to generate JSON")),
]


@BOTH
@pytest.mark.parametrize("refusal", [n[1] for n in NO_FORMAT], ids=[n[0] for n in NO_FORMAT])
async def test_a_server_without_response_format_is_asked_again_with_the_schema_in_the_prompt(
    server: ModelServer, model: str, refusal: Status
) -> None:
    proposal = await decided(server, model, refusal, Answer("hm"), Answer(decision()))
    assert outcomes(proposal) == ["refused", "invalid", "repaired"]
    assert [("response_format" in request.body) for request in server.requests] == [True, False, False]
    assert all("follows this schema" in call.system_prompt for call in proposal.calls)
    assert [call.params["structured_output"] for call in proposal.calls][1:] == ["prompt", "prompt"]
    assert (proposal.calls[0].cost_usd, proposal.calls[0].cost_source) == (0, "refused")
    assert "config/models.yaml" in (proposal.calls[0].error or "")


async def test_a_server_that_refuses_the_form_twice_is_not_asked_for_ever(server: ModelServer) -> None:
    proposal = await decided(server, OWN, *[Status(400, "response_format is not supported")] * 3)
    assert (proposal.abstain_reason, outcomes(proposal)) == ("refused", ["refused"] * 2)


@BOTH
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_goes_back_with_a_repair_under_the_name_that_it_came_by(
    server: ModelServer, model: str, field: str
) -> None:
    proposal = await decided(server, model, body(content="hm", **{field: "step by step"}), Answer(decision()))
    assert outcomes(proposal) == ["invalid", "repaired"]
    assert server.requests[1].body["messages"][2] == {"role": "assistant", "content": "hm", field: "step by step"}


async def test_reasoning_that_a_server_does_not_want_back_is_left_out(server: ModelServer) -> None:
    refusal = Status(400, "messages[2]: `reasoning_content` is not permitted")
    proposal = await decided(server, OWN, body(content="hm", reasoning_content="s"), refusal, Answer(decision()))
    assert outcomes(proposal) == ["invalid", "refused", "repaired"]
    assert server.requests[2].body["messages"][2] == {"role": "assistant", "content": "hm"}


@pytest.mark.parametrize("status", [401, 402, 403, 429])
async def test_a_refused_call_cost_nothing_and_says_so(server: ModelServer, status: int) -> None:
    proposal = await decided(server, GPT, *[Status(status)] * 2)
    assert {(call.cost_usd, call.cost_source) for call in proposal.calls} == {(0, "refused")}


async def test_figures_that_were_not_believed_are_in_the_record(server: ModelServer) -> None:
    usage = {"prompt_tokens": 1e16, "completion_tokens": 200, "cost": -4}
    proposal = await decided(server, GPT, Answer(decision(), usage=usage))
    (call,) = proposal.calls
    assert (call.outcome, call.usage, call.cost_usd, call.cost_source) == ("ok", None, None, "unknown")
    assert [note.partition(" of ")[0] for note in call.notes] == ["books: prompt_tokens", "books: cost"]
    assert call.called_at is not None
