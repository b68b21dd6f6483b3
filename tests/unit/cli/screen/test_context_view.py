"""The tables of `perpetua context show`."""

from datetime import timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from cli.ask.context import ShownContext
from cli.screen.context_view import complaints, render, seconds
from libs.schemas.context import TradingContext
from services.context.domain.assets import Studies
from services.context.domain.context import Subject, build
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from tests.builders import account, position, state
from tests.fakes.context_values import at, candle, request, strategy, tick

NOW = at(1_500 * 60 + 5)


@pytest.fixture
def context() -> TradingContext:
    """BTC fresh, ETH stale but held, SOL unknown."""
    market = MarketState(Bounds())
    market.use(["5m", "1h"])
    for minute in range(1_400, 1_500):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            market.on_candle(candle(minute, 100 + minute % 7, symbol=symbol), Source.FEED)
    market.on_tick(tick(1_500 * 60 + 1, 103_245.2, mark_price=103_240.0), 1)
    market.on_tick(tick(1_500 * 60 - 70, 111, symbol="ETHUSDT"), 2)
    subject = Subject(
        account(symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT")),
        strategy("5m", "1h"),
        state(version=7, positions=(position("ETHUSDT", stop_loss=Decimal(90)),)),
    )
    made = build(request(NOW), subject, market, Studies(market), NOW)
    assert isinstance(made, TradingContext)
    return made


def drawn(shown: ShownContext) -> list[str]:
    console = Console(width=140, color_system=None)
    with console.capture() as captured:
        console.print(render(shown, {}))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_every_age_and_everything_that_is_missing_is_shown(context: TradingContext) -> None:
    lines = drawn(ShownContext(context, NOW, fresh=True))
    assert lines[0] == "acc1  trend@1  5m 1h  2025-05-06 01:00:05 UTC  built now, for this look alone"
    assert "account version 7, last changed 25 h before" in lines
    (btc,) = [line for line in lines if "103,245.20" in line]
    (eth,) = [line for line in lines if "111.000" in line]
    assert btc.split()[:4] == ["BTCUSDT", "103,245.20", "4", "s"] and "5 s 20" in btc
    assert eth.split()[:4] == ["ETHUSDT", "111.000", "75", "s"] and eth.endswith("degraded")
    (held,) = [line for line in lines if line.startswith("ETHUSDT long")]
    assert held.split()[2:7] == ["2", "100", "111", "+22.00", "90"]
    assert "ETHUSDT: stale; only what reduces risk may pass" in lines
    assert "left out: SOLUSDT" in lines
    assert any(line.startswith("SOLUSDT: unknown_symbol: no tick has come") for line in lines)
    assert any(line.startswith("BTCUSDT 1h: warm_up: ") for line in lines)


def test_a_stored_context_says_how_old_it_is(context: TradingContext) -> None:
    shown = ShownContext(context, NOW + timedelta(minutes=12), fresh=False)
    assert drawn(shown)[0].endswith(f"{context.context_id}, 12 min old")
    assert shown.age_s == 720


def test_whoever_lacks_nothing_hears_no_complaint(context: TradingContext) -> None:
    whole = context.model_copy(update={"errors": (), "degraded": (), "missing_symbols": ()})
    assert complaints(whole) == []


@pytest.mark.parametrize(
    ("age", "shown"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h"), (2e5, "2 d")]
)
def test_an_age_has_one_unit(age: float, shown: str) -> None:
    assert seconds(age) == shown
