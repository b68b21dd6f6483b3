"""The live feed over ccxt itself and the local fake. The same feed over scripted rows: tests/unit/feed/test_live.py."""

from datetime import UTC, datetime, timedelta

import pytest

from services.executor.adapters.ccxt.client import redirect
from services.feed.adapters.ccxt import CcxtMarket, open_exchange
from services.feed.ports import CannotFollow
from tests.contract.benches import CCXT, NO_CCXT, WallClock
from tests.fakes.exchange.server import Kind, exchange

needs_ccxt = pytest.mark.skipif(not CCXT, reason=NO_CCXT)


@needs_ccxt
@pytest.mark.parametrize("kind", ["aster", "binanceusdm"])
async def test_history_is_read_through_ccxt_and_the_forming_kline_is_left_out(kind: Kind) -> None:
    async with exchange(kind) as fake:
        now = datetime.now(UTC)
        minute = now.replace(second=0, microsecond=0)
        fake.skew_ms = int((minute - now).total_seconds() * 1_000)  # its minute has just begun
        for n in reversed(range(5)):
            opened = int((minute - n * timedelta(minutes=1)).timestamp() * 1_000)
            figures = ["100", "110", "90", "105", "7"]
            fake.klines.append([opened, *figures, opened + 59_999, "735", 3, "1", "105", "0"])

        def opener(venue: str) -> tuple[object, type[Exception]]:
            made, errors = open_exchange(venue)
            redirect(made, fake.url)  # type: ignore[arg-type]
            return made, errors

        live = CcxtMarket(kind, ("BTCUSDT",), WallClock(datetime.now(UTC)), 15, opener)  # type: ignore[arg-type]
        try:
            await live.open()
            found = await live.candles("BTCUSDT", "1m", minute - timedelta(minutes=10))
            assert [c.close_time for c in found] == [minute - n * timedelta(minutes=1) for n in (3, 2, 1, 0)]
        finally:
            await live.close()


@pytest.mark.skipif(CCXT, reason="ccxt is installed here")
async def test_without_ccxt_the_feed_says_what_to_install() -> None:
    live = CcxtMarket("aster", ("BTCUSDT",), WallClock(datetime.now(UTC)), 15)
    with pytest.raises(CannotFollow, match="needs ccxt: `make setup` installs it"):
        await live.open()
