"""Keys of providers: what a check finds over HTTP, who hears of it, and switching to another model."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext
from pydantic import SecretStr

from cli.ask import models as command
from cli.errors import CliError
from cli.probe import get
from cli.runfile import RunFile, WorkerEntry
from libs.configuration.configuration import By, by_of
from libs.runtime.provision import provision_nats
from libs.schemas.analytics import Alert
from services.decider.adapters.keys import ProviderKeys
from services.decider.app import create_app, endpoints_of
from services.decider.domain.authentication import KeyVerdict
from services.decider.settings import Settings
from tests.fakes.decider_contexts import NOW
from tests.fakes.decider_hostile import bomb
from tests.fakes.model_server import Answer, Bytes, Drop, ModelServer, Raw, Script, Status, model_server
from tests.integration.decider_process import free_port, fresh, proposals, publish, started
from tests.integration.deciding import GPT, KEY, decision
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
OWN = "openai-compatible/scripted"
MODELS = Raw('{"object":"list","data":[{"id":"scripted"}]}')


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what a worker needs to reach a model stands in this environment."""
    for name in ("LLM_MODEL", "LLM_BASE_URL", "LLM_API_KEY", "OPENROUTER_API_KEY", "NATS_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(nats_url)
    stream = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(stream)
    yield stream
    await connection.close()


def settings(server: ModelServer, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "openrouter_api_base": server.url,
        "openrouter_api_key": SecretStr(KEY),
        "llm_base_url": server.url,
    }
    return Settings(**(given | {"llm_api_key": None} | more))


def key(**data: Any) -> Raw:
    return Raw(json.dumps({"data": {"label": "sk-or…", "limit": None, "limit_remaining": None, "usage": 1.5, **data}}))


CHECKS: list[tuple[str, str, Script, KeyVerdict, str]] = [
    ("a good key", "openrouter", key(), KeyVerdict.VALID, "HTTP 200"),
    ("a key with some of its limit left", "openrouter", key(limit_remaining=4.5), KeyVerdict.VALID, "4.50 USD"),
    ("a key whose limit is used up", "openrouter", key(limit_remaining=0), KeyVerdict.NO_CREDIT, "0.00 USD"),
    ("401", "openrouter", Status(401, "User not found."), KeyVerdict.REFUSED, "HTTP 401"),
    ("403", "openrouter", Status(403), KeyVerdict.REFUSED, "HTTP 403"),
    ("402", "openrouter", Status(402), KeyVerdict.NO_CREDIT, "HTTP 402"),
    ("a server in trouble", "openrouter", Status(503), KeyVerdict.UNPROVEN, "HTTP 503"),
    ("a page instead", "openrouter", Raw("<html>"), KeyVerdict.UNPROVEN, "not what this endpoint answers"),
    ("no answer", "openrouter", Drop(), KeyVerdict.UNREACHABLE, "no answer"),
    ("an own server", "openai-compatible", MODELS, KeyVerdict.VALID, "HTTP 200"),
    ("an own server without such an endpoint", "openai-compatible", Status(404), KeyVerdict.UNPROVEN, "HTTP 404"),
    ("a bomb", "openrouter", Bytes(bomb(), {"content-encoding": "gzip"}), KeyVerdict.UNREACHABLE, "is not read"),
    (
        "a body nested deep",
        "openrouter",
        Raw('{"data":' * 90_000),
        KeyVerdict.UNPROVEN,
        "not what this endpoint answers",
    ),
    ("a list without end", "openai-compatible", Bytes(b" " * 9_000_000), KeyVerdict.UNREACHABLE, "is not read"),
    ("an own server that wants a key", "openai-compatible", Status(401), KeyVerdict.REFUSED, "HTTP 401"),
]


@pytest.mark.parametrize(
    ("provider", "script", "verdict", "actual"), [c[1:] for c in CHECKS], ids=[c[0] for c in CHECKS]
)
async def test_a_check_proves_a_key_and_tells_all_of_it(
    server: ModelServer, provider: str, script: Script, verdict: KeyVerdict, actual: str
) -> None:
    server.key_answer = script
    keys = ProviderKeys(endpoints_of(settings(server)))
    check = await keys.validate_authentication(provider, [GPT], NOW)
    (request,) = server.key_requests
    assert request.path == ("/api/v1/key" if provider == "openrouter" else "/api/v1/models")
    assert check.verdict is verdict
    for part in (provider, verdict, GPT, "expected HTTP 200", actual, f"{NOW:%Y-%m-%d %H:%M:%S} UTC", check.url):
        assert part in check.line()
    assert check.fingerprint == (KEY[-4:] if provider == "openrouter" else None)
    assert KEY not in repr(check)


async def test_the_servers_own_words_are_kept_without_the_key(server: ModelServer) -> None:
    server.key_answer = Status(401, f"no user for {KEY}")
    check = await ProviderKeys(endpoints_of(settings(server))).validate_authentication("openrouter", [GPT], NOW)
    assert "no user for [key]" in check.excerpt
    assert "no user for [key]" in check.line()


async def test_a_missing_key_is_told_without_a_request(server: ModelServer) -> None:
    keys = ProviderKeys(endpoints_of(settings(server, openrouter_api_key=None)))
    check = await keys.validate_authentication("openrouter", [GPT], NOW)
    assert (check.verdict, check.hint, server.key_requests) == (KeyVerdict.NO_KEY, "set OPENROUTER_API_KEY", [])


async def alerts(js: JetStreamContext, count: int) -> list[Alert]:
    async with asyncio.timeout(60):
        while (await js.stream_info("AUDIT")).state.messages < count:  # noqa: ASYNC110 - a server's state
            await asyncio.sleep(0.02)
    found = [await js.get_msg("AUDIT", n + 1) for n in range((await js.stream_info("AUDIT")).state.messages)]
    return [Alert.model_validate_json(message.data or b"") for message in found]


async def test_a_refused_key_is_one_alert_though_the_check_and_the_calls_all_see_it(
    js: JetStreamContext, server: ModelServer, nats_url: str, redis_url: str
) -> None:
    server.key_answer = Status(401, "User not found.")
    server.then(*[Status(401, "User not found.")] * 3)
    given = settings(server, nats_url=nats_url, redis_url=redis_url, llm_model=GPT)
    worker = create_app(given)
    await worker.start()
    try:
        await alerts(js, 1)
        await publish(js, *(fresh(str(n)) for n in range(3)))
        found = await proposals(js, 3)
        health = worker.details()["models"]
    finally:
        await worker.stop()
    (alert,) = await alerts(js, 1)
    refused = sum(p.abstain_reason == "auth" for p in found)
    asked = sum(bool(p.calls) for p in found)
    assert refused >= asked >= 1  # those that come after the first answer are told what it was, and ask nobody
    assert {p.abstain_reason for p in found} <= {"auth", "unavailable"}
    assert (alert.kind, alert.severity, alert.account_id) == ("auth", "critical", None)
    for part in ("openrouter", "HTTP 401", f"key ending {KEY[-4:]}", "User not found.", "OPENROUTER_API_KEY", GPT):
        assert part in alert.message
    assert worker.registry.get_sample_value("perpetua_decider_key_valid", {"provider": "openrouter"}) == 0
    assert (health["healthy"], health["models"][GPT]["consecutive_failures"]) == (False, asked)
    assert health["authentication"][0]["status"] == 401
    assert worker.checks()["started"] is False  # it was stopped; the key had no part in being ready


async def test_a_switch_is_tried_first_takes_effect_at_once_and_is_audited(
    js: JetStreamContext, server: ModelServer, nats_url: str, redis_url: str
) -> None:
    given = settings(server, nats_url=nats_url, redis_url=redis_url, llm_model="builtin/trend")
    words = {"by": "ann", "why": "try the big one"}
    worker = create_app(given)
    await worker.start()
    try:
        configured = command.configured(None, given)
        server.then(Status(404, "no such model"))
        with pytest.raises(CliError, match=r"nothing was switched.*scripted does not answer"):
            await command.switch(nats_url, configured, command.chain_of(configured, [OWN]), words)
        assert await command.switched(nats_url) is None
        server.then(Answer('{"ready": true}'), Answer(decision(confidence=61)))
        await command.switch(nats_url, configured, command.chain_of(configured, [OWN, "builtin/trend"]), words)
        async with asyncio.timeout(60):
            while worker_chain(worker) != (OWN, "builtin/trend"):  # noqa: ASYNC110 - what the server tells
                await asyncio.sleep(0.02)
        await publish(js, fresh("1"))
        (found,) = await proposals(js, 1)
        written = await js.get_last_msg("KV_config", "$KV.config.models")
    finally:
        await worker.stop()
    assert [call.model_requested for call in found.calls] == [OWN]
    assert by_of(written.headers) == By("ann", "try the big one")  # the ledger makes the event of it
    assert server.requests[-2].body["max_tokens"] == 64


@asynccontextmanager
async def run_of(folder: Path, nats_url: str, redis_url: str, *deciders: dict[str, str]) -> AsyncIterator[None]:
    """A run of deciders, each a process with an environment of its own, that all answer."""
    async with AsyncExitStack() as stack:
        run = RunFile.of_this_process("up")
        for n, environment in enumerate(deciders, 1):
            port = free_port()
            places = {"NATS_URL": nats_url, "REDIS_URL": redis_url, "PERPETUA_OPS_PORT": str(port)}
            await stack.enter_async_context(started(places | environment))
            run.workers.append(WorkerEntry(f"decider-{n}", os.getpid(), port, "ready", 0))
        run.save(folder / "run.json")
        async with asyncio.timeout(PATIENCE_S * 4):
            while not all([await is_ready(entry.ops_port) for entry in run.workers]):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.1)
        yield


async def is_ready(port: int) -> bool:
    answer = await get(port, "/ready")
    return answer is not None and answer[0] == 200


async def test_models_are_tried_by_the_deciders_of_the_run_and_not_by_this_environment(
    js: JetStreamContext, server: ModelServer, nats_url: str, redis_url: str, tmp_path: Path, no_models: None
) -> None:
    words = {"by": "ann", "why": "the one that the workers reach"}
    async with run_of(tmp_path, nats_url, redis_url, {"LLM_MODEL": OWN, "LLM_BASE_URL": server.url}):
        seen = await command.looked(nats_url, tmp_path)
        chain = command.chain_of(seen, [OWN])
        server.then(Status(404, "no such model"))
        with pytest.raises(CliError, match=r"nothing was switched.*scripted does not answer"):
            await command.switch(nats_url, seen, chain, words)
        server.then(Answer('{"ready": true}'))
        await command.switch(nats_url, seen, chain, words)
        before = len(server.requests)
        began = datetime.now(UTC)
        (check,) = await command.check(seen, chain, nats_url)
    chosen = await command.switched(nats_url)
    assert chosen is not None and chosen.chain == (OWN,)
    assert check.verdict is KeyVerdict.VALID and check.at >= began
    assert len(server.requests) == before, "a check of keys asks no model"


async def test_a_decider_that_cannot_is_named_where_the_others_can(
    js: JetStreamContext, server: ModelServer, nats_url: str, redis_url: str, tmp_path: Path, no_models: None
) -> None:
    able, unable = {"LLM_MODEL": OWN, "LLM_BASE_URL": server.url}, {"LLM_MODEL": OWN}
    async with run_of(tmp_path, nats_url, redis_url, able, unable):
        seen = await command.looked(nats_url, tmp_path)
        chain = command.chain_of(seen, [OWN])
        server.then(Answer('{"ready": true}'))
        with pytest.raises(CliError, match=r"nothing was switched: decider-2: .*LLM_BASE_URL"):
            await command.switch(nats_url, seen, chain, {"by": "ann", "why": "x"})
        verdicts = {check.verdict for check in await command.check(seen, chain, nats_url)}
    assert verdicts == {KeyVerdict.VALID, KeyVerdict.NO_KEY}
    assert await command.switched(nats_url) is None


def worker_chain(worker: Any) -> tuple[str, ...] | None:
    mirror = next(service for service in worker._services if hasattr(service, "venue_symbols"))
    return mirror.models.chain if mirror.models else None


def test_a_model_that_is_not_in_the_catalogue_is_refused_by_name() -> None:
    with pytest.raises(CliError, match="no model 'gpt-99'"):
        command.chain_of(command.configured(None, Settings()), ["gpt-99"])
