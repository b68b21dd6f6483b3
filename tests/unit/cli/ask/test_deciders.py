"""The command tells what the workers of a run have, not what its own environment says."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.ask.deciders import NOTHING_RUNS, Silence, ask, ask_all
from cli.commands.root import app
from cli.run.doctor import deciders
from cli.runfile import RunFile, WorkerEntry
from services.decider.domain import told
from services.decider.domain.catalogue import Catalogue, CatalogueEntry

GPT = CatalogueEntry.model_validate({
    "id": "openrouter/openai/gpt-5", "provider": "openrouter", "context_tokens": 400_000,
    "price": {"input": 1.25, "output": 10}, "capabilities": ["json_schema"],
    "params": {"max_tokens": 9_000, "user": "not for everybody"},
})  # fmt: skip
RULE = CatalogueEntry.model_validate({"id": "builtin/trend", "provider": "builtin", "context_tokens": 100_000})
CATALOGUE = Catalogue({each.id: each for each in (GPT, RULE)})
CHECK = {
    "provider": "openrouter", "models": [GPT.id], "verdict": "refused", "expected": "HTTP 200", "actual": "HTTP 401",
    "at": "2026-05-04T11:58:00+00:00", "url": "https://x.test/key", "fingerprint": "wxyz", "status": 401, "excerpt": "",
    "latency_ms": 3.0, "hint": "set OPENROUTER_API_KEY for the workers",
}  # fmt: skip


def health(chain: tuple[str, ...] = (GPT.id,), by: str | None = GPT.id, *checks: dict[str, Any]) -> dict[str, Any]:
    return {"decides": told.section(CATALOGUE, by, chain), "models": {"authentication": list(checks)}}


@asynccontextmanager
async def port_of(body: str) -> AsyncIterator[int]:
    """The operations port of a worker."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def run_of(folder: Path, *answers: Any) -> AsyncIterator[None]:
    """A run in `folder` whose deciders say this."""
    async with AsyncExitStack() as stack:
        run = RunFile.of_this_process("up")
        for n, body in enumerate(answers, 1):
            port = await stack.enter_async_context(port_of(body if isinstance(body, str) else json.dumps(body)))
            run.workers.append(WorkerEntry(f"decider-{n}", os.getpid(), port, "ready", 0))
        run.save(folder / "run.json")
        yield


async def say(folder: Path, *words: str) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--state-dir", str(folder)])
    return result.exit_code, result.output


def test_what_a_decider_says_is_read_as_what_it_has_without_its_parameters() -> None:
    said = json.loads(json.dumps(told.section(CATALOGUE, None, (RULE.id, GPT.id))))
    read = told.read(said)
    assert "not for everybody" not in str(said)
    assert (read.chain, said["by"]) == ((RULE.id, GPT.id), "chain of models.yaml")
    assert read.entries[RULE.id] == RULE
    assert read.entries[GPT.id] == GPT.model_copy(update={"params": {"max_tokens": 9_000}})


@pytest.mark.parametrize(
    ("chain", "by", "said"),
    [
        ((GPT.id,), GPT.id, "decides: openrouter/openai/gpt-5  (LLM_MODEL)"),
        ((RULE.id,), None, "decides: builtin/trend  (chain of models.yaml)"),
        ((GPT.id, RULE.id), None, "decides: openrouter/openai/gpt-5, builtin/trend  (chain of models.yaml)"),
        ((RULE.id, GPT.id), "x", "decides: builtin/trend, openrouter/openai/gpt-5  (LLM_MODEL)"),
        (("gpt-99",), "gpt-99", "decides: gpt-99  (LLM_MODEL)"),  # it abstains then: that is the truth
    ],
)
async def test_models_list_tells_the_worker_s_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: tuple[str, ...], by: str | None, said: str
) -> None:
    monkeypatch.setenv("LLM_MODEL", "openrouter/of/this-environment")
    monkeypatch.delenv("NATS_URL", raising=False)
    async with run_of(tmp_path, health(chain, by)):
        code, text = await say(tmp_path, "models", "list")
    assert code == 0, text
    assert text.startswith(f"{said}\nas decider-1 has it\n")


async def test_models_check_tells_the_worker_s_last_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "of-this-environment-0000")
    monkeypatch.delenv("NATS_URL", raising=False)
    async with run_of(tmp_path, health((GPT.id,), None, CHECK)):
        code, text = await say(tmp_path, "models", "check")
        other = await say(tmp_path, "models", "check", RULE.id)
    assert code == 1
    assert text.startswith("as decider-1 has it\nopenrouter: refused (key ending wxyz)")
    assert "at 2026-05-04 11:58:00 UTC" in text
    assert "0000" not in text
    assert "builtin: unproven" in other[1]
    assert "decider-1 checks the keys of models that decide by default" in other[1]


@pytest.mark.parametrize(
    "answer", ["", "{}", "[1]", "not json", json.dumps({"decides": {"chain": []}}), json.dumps({"decides": 5})]
)
async def test_what_is_no_decider_s_word_is_not_taken_for_it(tmp_path: Path, answer: str) -> None:
    async with run_of(tmp_path, answer):
        found = await ask(tmp_path)
    assert isinstance(found, Silence)
    assert "no decider of the run answers" in found.why


async def test_where_nothing_runs_it_says_that_it_speaks_of_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MODEL", "builtin/trend")
    monkeypatch.delenv("NATS_URL", raising=False)
    code, text = await say(tmp_path, "models", "list")
    assert code == 0
    assert f"decides: builtin/trend  (LLM_MODEL)\nof this environment: {NOTHING_RUNS}\n" in text
    code, text = await say(tmp_path, "models", "check")
    assert text.startswith(f"of this environment: {NOTHING_RUNS}\n")


async def test_the_doctor_tells_what_each_decider_has_and_that_they_differ(tmp_path: Path) -> None:
    async with run_of(tmp_path, health((GPT.id,), GPT.id, CHECK), health((RULE.id,), None), "{}"):
        lines = [finding.line() for finding in deciders(await ask_all(tmp_path))]
    assert lines == [
        "ok    decider-1    decides by default: openrouter/openai/gpt-5 (LLM_MODEL)",
        "fail  keys         openrouter: refused, HTTP 401: set OPENROUTER_API_KEY for the workers",
        "ok    decider-2    decides by default: builtin/trend (chain of models.yaml)",
        "fail  deciders     the deciders of this run have different models: start the run anew, so that all read one "
        "models.yaml",
    ]
    (silent,) = deciders(Silence("no decider of the run answers"))
    assert silent.level == "warn"
