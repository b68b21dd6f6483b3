"""What a provider's body says: any bytes are an answer or an error with its words, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.decider.domain.answering import reply_of
from services.decider.domain.completion import (
    BODY_LIMIT,
    FIELD,
    MARKS,
    WORDS_LIMIT,
    BodyFailure,
    Completion,
    as_body,
    understood,
)
from services.decider.domain.refusals import refusal
from services.decider.domain.replies import TEXT_LIMIT, Outcome


def completion(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


def said(value: Any, status: int = 200) -> Completion | BodyFailure:
    return understood(status, value if isinstance(value, bytes) else json.dumps(value).encode())


NESTED = [{"type": "text", "text": "a"}, "b", {"text": "c"}, {"type": "image_url", "url": "x"}, 7, None]
TEXTS: list[tuple[str, dict[str, Any], str | None, str | None]] = [
    ("a text", {"content": "hi"}, "hi", None),
    ("none", {"content": None}, None, None),
    ("parts of all kinds", {"content": NESTED}, "abc", None),
    ("no parts", {"content": []}, None, None),
    ("a part of thought", {"content": [{"type": "reasoning", "text": "t"}, {"type": "text", "text": "a"}]}, "a", "t"),
    ("a number", {"content": 12}, None, None),
    ("reasoning beside it", {"content": "a", "reasoning_content": "t"}, "a", "t"),
    ("reasoning by two names", {"content": "a", "reasoning": "r", "reasoning_content": "t"}, "a", "t"),
    ("reasoning of another kind", {"content": "a", "reasoning": {"summary": "t"}}, "a", None),
    ("an object that is no decision", {"content": {"ready": True}}, None, None),
    ("a text beyond all lengths", {"content": "x" * 200_000}, "x" * (TEXT_LIMIT + 1), None),
]


@pytest.mark.parametrize(("message", "text", "reasoning"), [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS])
def test_the_text_of_an_answer_is_found_in_what_its_content_is(
    message: dict[str, Any], text: str | None, reasoning: str | None
) -> None:
    found = said(completion(**message))
    assert isinstance(found, Completion)
    assert (found.text, found.reasoning) == (text, reasoning)


ERRORS: list[tuple[str, int, Any, int, str]] = [
    ("no JSON", 200, b"<html>Bad Gateway</html>", 502, "the answer is no JSON object: <html>"),
    ("nothing", 200, b"", 502, "empty"),
    ("a list", 200, [], 502, "no JSON object"),
    ("no choices", 200, {"choices": []}, 502, "odd shape"),
    ("no message", 200, {"choices": [{"text": "x"}]}, 502, "odd shape"),
    ("cut off", 200, b'{"choices": [{"message"', 502, "no JSON object"),
    ("nested deep", 200, b'{"choices":' * 20_000, 502, "no JSON object"),
    ("a million commas", 200, b"[" + b"0," * MARKS + b"0]", 502, "brackets and commas is not read"),
    ("OpenRouter's error", 429, {"error": {"message": "slow", "metadata": {"raw": "full"}}}, 429, "raw: full"),
    ("FastAPI's error", 422, {"detail": [{"loc": ["body"], "msg": "no"}]}, 422, '"msg":"no"'),
    ("an error as text", 400, {"error": "model requires more memory"}, 400, "model requires more memory"),
    ("an error as a page", 503, b"<h1>Service Unavailable</h1>", 503, "<h1>Service"),
    ("an error within 200", 200, {"error": {"code": 503, "message": "no"}}, 503, "no"),
    ("an error of an absurd code within 200", 200, {"error": {"code": 10**60, "message": "no"}}, 500, "no"),
    ("an error as a list within 200", 200, {"error": [1]}, 500, "error"),
    ("an error of a deep kind", 500, b'{"error":{"message":' + b"[" * 900 + b"]" * 900 + b"}}", 500, "error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "value", "code", "words"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_what_is_no_answer_is_an_error_with_its_words(status: int, value: Any, code: int, words: str) -> None:
    found = said(value, status)
    assert isinstance(found, BodyFailure)
    assert found.status == code
    assert words in found.words
    assert len(found.words) < WORDS_LIMIT + 100
    assert json.loads(as_body(found))["error"]["code"] == code


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "error"]), x)
        ),
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([200, 400, 500]),
)
def test_any_bytes_are_an_answer_or_an_error(body: bytes, status: int) -> None:
    found = understood(status, body)
    assert json.loads(as_body(found))
    if isinstance(found, Completion):
        told = json.loads(as_body(found))["choices"][0]["message"][FIELD]
        assert Completion.model_validate(told) == found
        assert reply_of("m", found).model_dump_json()


def test_a_body_of_the_longest_length_is_small_for_whoever_reads_on() -> None:
    body = json.dumps(completion(content="x" * 500_000, reasoning="y" * 500_000)).encode()
    assert len(body) <= BODY_LIMIT
    assert len(as_body(understood(200, body))) < 3 * TEXT_LIMIT


# status, what was said, what it means, and the part of the request that it is about
REFUSALS: list[tuple[int, str, Outcome, str | None]] = [
    (401, "No auth credentials found", Outcome.AUTH, None),
    (402, "Insufficient credits", Outcome.CREDIT, None),
    (403, "Key limit exceeded (total limit)", Outcome.CREDIT, None),
    (403, "Input was flagged", Outcome.REFUSED, None),
    (403, "forbidden", Outcome.AUTH, None),
    (400, "User location is not supported for the API use.", Outcome.POLICY, None),
    (404, "The model `x` does not exist", Outcome.NOT_FOUND, None),
    (404, "No endpoints found matching your data policy (Free model publication)", Outcome.POLICY, None),
    (404, "No endpoints found that can handle the requested parameters", Outcome.REFUSED, "response_format"),
    (400, "This model does not support JSON mode", Outcome.REFUSED, "response_format"),
    (400, "The `reasoning_content` in the thinking mode must be passed back", Outcome.REFUSED, "reasoning"),
    (400, "maximum context length is 8192 tokens", Outcome.REFUSED, None),
    (429, "Rate limit reached", Outcome.RATE_LIMITED, None),
    (429, "insufficient_quota", Outcome.CREDIT, None),
    (500, "json_schema is not supported", Outcome.UNAVAILABLE, None),
]


@pytest.mark.parametrize(("status", "words", "outcome", "without"), REFUSALS)
def test_a_refusal_means_what_its_words_say(status: int, words: str, outcome: Outcome, without: str | None) -> None:
    means = refusal(status, words)
    assert (means.outcome, means.without) == (outcome, without)
