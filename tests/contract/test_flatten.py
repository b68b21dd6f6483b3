"""`perpetua flatten --direct` over every venue."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.ask.flatten import Way, close_all, find_way
from cli.errors import CliError
from services.executor.application.flatten import flatten
from services.executor.domain.replies import Placed
from tests.contract.benches import CCXT, NO_CCXT, OPENERS, SECRET, Bench
from tests.contract.orders import order
from tests.fakes.exchange.server import Fault, exchange


@pytest.fixture(params=list(OPENERS))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    opener, kind = OPENERS[request.param]
    async with opener(kind) as made:
        yield made


async def trading(bench: Bench) -> None:
    """A long with its stop and target, and an entry that rests."""
    for one in (
        order(1),
        order(2, "sell", "stop_market", leg="stop", stop="58000"),
        order(3, "sell", "take_profit_market", leg="target", stop="63000"),
        order(4, kind="limit", price="50000"),
    ):
        assert isinstance(await bench.venue.submit(one), Placed)


async def test_everything_is_cancelled_and_closed_and_the_stop_goes_last(bench: Bench) -> None:
    await trading(bench)
    lines: list[str] = []
    left = await flatten(bench.venue, "main", datetime.now(UTC), lines.append)
    assert left.flat
    assert await bench.venue.positions() == []
    assert await bench.venue.open_orders() == []
    closed = next(n for n, line in enumerate(lines) if line.endswith("closed"))
    assert [("cancelled" in line) for line in lines].index(True) < closed < len(lines) - 2, lines
    (last,) = [a for a in bench.exchange.requests("order", "POST") if a.query.get("reduceOnly") == "true"][-1:]
    assert last.query["type"] == "MARKET"


async def test_a_closing_order_that_got_no_answer_is_not_closed_twice(bench: Bench) -> None:
    await trading(bench)
    bench.exchange.fault("POST order", Fault(503, "sorry", accepted=True))
    left = await flatten(bench.venue, "main", datetime.now(UTC), lambda line: None)
    assert left.flat
    assert not bench.exchange.book.positions["BTCUSDT"].amount, "not flipped to the other side"


async def test_what_cannot_be_closed_is_named(bench: Bench) -> None:
    await trading(bench)
    bench.exchange.fault("POST order", *(Fault(400, '{"code": -4400, "msg": "Futures are closed to you"}'),) * 20)
    left = await flatten(bench.venue, "main", datetime.now(UTC), lambda line: None)
    assert left.positions == ("BTCUSDT",)
    assert left.refusals


@pytest.mark.parametrize("kind", ["aster", "binanceusdm"])
async def test_the_command_works_from_credentials_alone_and_logs_no_secret(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    if not CCXT:
        pytest.skip(NO_CCXT)
    caplog.set_level(logging.DEBUG)
    async with exchange(kind) as fake:  # type: ignore[arg-type]
        env = {
            **{"PERPETUA_CREDENTIAL_MAIN_KEY": SECRET, "PERPETUA_CREDENTIAL_MAIN_SECRET": "hush-hush"},
            "PERPETUA_VENUE_URL": fake.url,
        }
        lines: list[str] = []
        assert (await close_all(Way("main", kind, "main"), env, lines.append)).flat
    assert not any(secret in "".join((*lines, caplog.text)) for secret in (SECRET, SECRET[2:], "hush-hush"))


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (Way("main", "aster", "main"), "set PERPETUA_CREDENTIAL_MAIN_KEY"),
        (Way("main", "okx", "main"), "okx is not a venue for live trading; take one of aster, binanceusdm"),
        (Way("main", "aster", "main", demo=True), "aster has no demo trading"),
    ],
)
async def test_the_command_says_what_keeps_it_from_the_venue(way: Way, says: str) -> None:
    with pytest.raises(CliError, match=says):
        await close_all(way, {}, print)


def test_venue_and_credential_come_from_the_options_or_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "accounts.yaml").write_text("accounts: [{account_id: main, venue: aster, credential: one}]")
    assert find_way("main", None, None, False, tmp_path) == Way("main", "aster", "one")
    assert find_way("main", "binanceusdm", "two", True, tmp_path) == Way("main", "binanceusdm", "two", True)
    with pytest.raises(CliError, match="nothing says where account other trades"):
        find_way("other", None, None, False, tmp_path)
    (tmp_path / "accounts.yaml").write_text("[broken")
    assert find_way("main", "aster", "one", False, tmp_path) == Way("main", "aster", "one")
