"""`perpetua prompt show` and `perpetua decide --again` against real servers, LiteLLM and a scripted provider."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.root import app
from cli.connection import connected
from cli.errors import CliError
from cli.run.seed import read_all, seed
from libs.configuration.mirror import ConfigMirror
from libs.records.provision import provision
from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from libs.schemas.decision import DecisionProposed
from libs.schemas.subjects import DECISIONS, context_built
from services.decider.application.deciding import decide
from services.decider.domain.catalogue import CatalogueEntry
from services.ledger.adapters.mongo import MongoStore
from services.ledger.domain.project import project
from tests.fakes.decider_contexts import NOW, account, asset, context, strategy
from tests.fakes.model_server import Answer, ModelServer, model_server
from tests.integration.deciding import GPT, KEY, SYMBOLS, asking, decision

pytestmark = pytest.mark.integration
MADE = context(
    {symbol: asset(symbol) for symbol in SYMBOLS},
    account_state=account(active_strategy=strategy(prompt_template="At {{ strategy.risk_parameters.max_leverage }}x.")),
)


@dataclass
class Run:
    """A run with one decision in it, made by a model that had to repair its answer."""

    bus: Bus
    server: ModelServer
    recorded: DecisionProposed
    folder: Path

    async def say(self, *words: str, code: int = 0) -> str:
        def invoke() -> str:
            result = CliRunner().invoke(app, [*words, "--state-dir", str(self.folder)])
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            assert result.exit_code == code, result.output
            return result.output

        return await asyncio.to_thread(invoke)


@pytest.fixture
async def run(
    nats_url: str, mongo_url: str, mongo_db_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Run]:
    urls = (nats_url, mongo_url, mongo_db_name)
    async with model_server() as server, _made(server, urls, tmp_path, monkeypatch) as made:
        yield made


@asynccontextmanager
async def _made(
    server: ModelServer, urls: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Run]:
    nats_url, mongo_url, mongo_db_name = urls
    for name, value in {
        "NATS_URL": nats_url, "MONGODB_URL": mongo_url, "PERPETUA_MONGODB_DB": mongo_db_name, "LLM_MODEL": GPT,
        "OPENROUTER_API_BASE": server.url, "OPENROUTER_API_KEY": KEY,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    connection = client(mongo_url)
    db = connection[mongo_db_name]
    await provision(db)
    async with connected(nats_url) as bus, asking(server) as deps:
        await provision_nats(bus.js)
        await seed(bus, read_all(SYMBOLS), tmp_path / "seeded.json")
        mirror = ConfigMirror(bus)
        await mirror.start()
        server.then(Answer("I would rather not say."), Answer(decision()))
        recorded = await decide(replace(deps, accounts=mirror, tokens=deps.models), MADE)  # type: ignore[arg-type]
        for body in (MADE, recorded):
            await MongoStore(db).apply(project(body, NOW))
        await bus.publish(Emit(context_built(MADE.account_id), MADE))
        yield Run(bus, server, recorded, tmp_path)
        await mirror.stop()
    await connection.close()


async def test_what_is_shown_is_what_was_sent(run: Run) -> None:
    sent: list[dict[str, Any]] = run.server.requests[0].body["messages"]
    shown = json.loads(await run.say("prompt", "show", "--account", "scalper", "--json"))
    assert shown["messages"] == sent
    call = run.recorded.calls[0]
    assert (shown["prompt_sha256"], shown["prompt_version"]) == (call.prompt_sha256, call.prompt_version)
    assert (shown["prompt_tokens"], shown["model"]) == (call.prompt_tokens, GPT)
    assert shown["catalogue"] == "of this environment: nothing runs here that could be asked"
    text = await run.say("prompt", "show", "--account", "scalper")
    assert all(message["content"] in text for message in sent)
    assert f"tokens   {call.prompt_tokens:,} of at most 345,600" in text
    assert "<data>" in await run.say("prompt", "show", "--account", "scalper", "--model", "builtin/trend")
    with pytest.raises(CliError, match="account nobody has no stored context"):
        await run.say("prompt", "show", "--account", "nobody")
    with pytest.raises(CliError, match="the catalogue has no model"):
        await run.say("prompt", "show", "--account", "scalper", "--model", "gpt-99")


async def test_a_stored_decision_comes_out_again_with_the_same_bytes(run: Run) -> None:
    assert [call.outcome for call in run.recorded.calls] == ["invalid", "repaired"]
    asked = len(run.server.requests)
    text = await run.say("decide", "--again", run.recorded.decision_id)
    assert text.endswith("the same bytes as recorded\n")
    both = json.loads(await run.say("decide", "--again", run.recorded.decision_id, "--json"))
    assert both["recorded"] == both["now"] == json.loads(run.recorded.model_dump_json())
    assert len(run.server.requests) == asked


async def test_another_model_and_another_prompt_are_compared_on_the_same_context(run: Run, tmp_path: Path) -> None:
    template = tmp_path / "other.txt"
    template.write_text("{% set columns = ['rsi14'] %}Do nothing.")
    run.server.then(Answer(decision(confidence=71), cost=0.25))
    words = ("--model", "openrouter/x-ai/grok-4", "--template", str(template))
    lines = (await run.say("decide", "--again", run.recorded.decision_id, *words)).splitlines()
    assert ["models", "asked", f"{GPT},", GPT, "openrouter/x-ai/grok-4", "*"] in [line.split() for line in lines]
    assert any(line.split() == ["BTCUSDT", "confidence", "60", "71", "*"] for line in lines)
    assert any(line.split()[0] == "cost" and line.split()[-3:] == ["0.250000", "USD", "*"] for line in lines)
    sent = run.server.requests[-1].body["messages"]
    assert sent[0]["content"].endswith("Do nothing.")
    assert "oldest → newest: time rsi14\n" in sent[1]["content"]
    stream = await run.bus.js.stream_info(DECISIONS.name)
    assert stream.state.messages == 0  # nothing is ever published


async def test_what_cannot_be_made_again_says_why(run: Run, tmp_path: Path) -> None:
    known = run.recorded.decision_id
    for words, said in (
        (("dec-nope",), "there is no decision dec-nope"),
        ((known, "--prompt", "99"), "strategy scalping has no version 99"),
        ((known, "--prompt", "newest"), "--prompt newest is no version"),
        ((known, "--template", str(tmp_path / "none.txt")), "holds no template"),
        ((known, "--model", "gpt-99"), "the catalogue has no model"),
        ((known, "--prompt", "1", "--template", "x"), "exclude each other"),
    ):
        with pytest.raises(CliError, match=said):
            await run.say("decide", "--again", *words)


async def test_tokens_are_counted_without_network_for_models_of_any_maker() -> None:
    """LiteLLM would ask a hub for the tokenizer of a Llama, in the event loop, for 24 s."""
    text = "BTCUSDT 94230.2 0.12 <|endoftext|> </notes>\n" * 400
    async with model_server() as server, asking(server) as deps:
        counts = {
            name: deps.models.count(  # type: ignore[attr-defined]
                CatalogueEntry(id=name, provider="openai-compatible", context_tokens=100_000),
                [{"role": "user", "content": text}],
            )
            for name in ("openai-compatible/llama-3-70b", "openai-compatible/command-r", GPT, "openrouter/x/llama-2")
        }
    assert len(set(counts.values())) == 1
    assert len(text) / 4 < counts[GPT] < len(text)
