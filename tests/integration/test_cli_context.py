"""`perpetua context show` beside a running worker, and without one."""

import json

import pytest

from cli.ask.context import fresh, stored
from cli.errors import CliError
from libs.schemas import subjects
from libs.schemas.names import key_of
from tests.builders import account, position, state
from tests.integration.market import HISTORY, market_at, running, until, workers

pytestmark = pytest.mark.integration


async def test_a_context_of_now_equals_that_of_a_worker_and_leaves_no_trace(nats_url: str) -> None:
    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        await market.put("state", "acc1", state("acc1", version=4, positions=(position(),)))
        shown = await fresh(nats_url, "acc1")
        found = shown.context
        assert shown.fresh and shown.age_s == 0
        assert (found.account_version, found.symbols, found.timeframes) == (4, ("BTCUSDT", "ETHUSDT"), ("1m", "5m"))
        assert {a.technical_indicators.interval.candles_used for a in found.market_data.assets.values()} == {
            HISTORY - 1
        }
        assert found.account_state.open_positions[0].symbol == "BTCUSDT"
        with pytest.raises(CliError, match="no context of acc1 was built within 24 hours"):
            await stored(nats_url, "acc1")
        for stream in ("REQUESTS", "CONTEXTS", "DECISIONS", "DEAD"):
            assert (await market.js.stream_info(stream)).state.messages == 0, stream
        async with running(market.run), workers(nats_url, 1):

            async def some() -> bool:
                return bool((await market.js.stream_info("CONTEXTS")).state.messages)

            await until(some)
            last = await stored(nats_url, "acc1")
            now = await fresh(nats_url, "acc1")
        assert last.context in await market.contexts()
        assert not last.fresh and json.loads(last.as_json())["age_seconds"] == pytest.approx(last.age_s)
        assert now.context.timestamp > last.context.timestamp
        assert now.context.errors == last.context.errors


async def test_why_a_model_would_be_told_nothing_is_said(nats_url: str) -> None:
    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        await market.put("config", subjects.account_key(key_of("lost")), account("lost", strategy_id="gone"))
        await market.put("config", subjects.account_key(key_of("new")), account("new"))
        await market.put("config", subjects.account_key(key_of("far")), account("far", symbols=("SOLUSDT",)))
        await market.put("state", "far", state("far"))
        await market.js.publish("$KV.config.account.torn", b"{", stream="KV_config")
        for name, said in {
            "nobody": "no account nobody is configured",
            "torn": "no account torn is configured",
            "lost": "lost has no strategy: gone is not configured",
            "new": "the executor has not published the state of new",
            "far": "no model would be asked: no_market: no asset is fresh: SOLUSDT: no tick has come",
        }.items():
            with pytest.raises(CliError) as raised:
                await fresh(nats_url, name)
            assert raised.value.message.startswith(said) and raised.value.hint
    with pytest.raises(CliError, match="does not answer"):
        await fresh("nats://127.0.0.1:1", "acc1")
