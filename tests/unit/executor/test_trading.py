"""The state of trading: what moves it by itself, and what a new day ends."""

from decimal import Decimal as D

import pytest

from libs.schemas.account import TradingState
from services.executor.domain.trading import MoveCause, TradingBounds, Vitals, after_rollover, automatic

BOUNDS = TradingBounds(max_daily_loss=D(5), max_drawdown=D(30))


def vitals(equity: int = 10_000, **over: object) -> Vitals:
    made = {"day_open": D(10_000), "transfers": D(0), "peak": D(10_000), **over}
    return Vitals(equity=D(equity), **made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "now", "moved", "cause"),
    [
        ("active", vitals(9_501), None, None),
        ("active", vitals(9_500), "reducing", MoveCause.DAILY_LOSS),
        ("active", vitals(9_600, transfers=D(100)), "reducing", MoveCause.DAILY_LOSS),
        ("active", vitals(9_400, transfers=D(-200)), None, None),
        ("reducing", vitals(9_000), None, None),
        ("active", vitals(9_900, peak=D(14_200)), "halted", MoveCause.DRAWDOWN),
        ("reducing", vitals(7_000), "halted", MoveCause.DRAWDOWN),
        ("halted", vitals(1), None, None),
        ("active", vitals(venue_errors=4), None, None),
        ("active", vitals(venue_errors=5), "reducing", MoveCause.VENUE_ERRORS),
        ("active", vitals(0, day_open=D(0), peak=D(0)), None, None),
    ],
    ids=[
        "just above the daily loss",
        "the daily loss",
        "a deposit is no profit",
        "a withdrawal is no loss",
        "reducing already",
        "drawdown from the peak",
        "the strictest counts",
        "halted stays halted",
        "four errors",
        "five errors",
        "an account without money",
    ],
)
def test_what_moves_the_state(state: TradingState, now: Vitals, moved: str | None, cause: MoveCause | None) -> None:
    move = automatic(state, now, BOUNDS)
    assert (move.state if move else None, move.cause if move else None) == (moved, cause)


def test_without_bounds_nothing_moves() -> None:
    assert automatic("active", vitals(1), TradingBounds()) is None


@pytest.mark.parametrize(
    ("state", "moved_by", "after"),
    [
        ("reducing", "daily_loss", "active"),
        ("reducing", "venue_errors", "reducing"),
        ("reducing", "", "reducing"),
        ("halted", "drawdown", "halted"),
        ("active", "", "active"),
    ],
)
def test_a_new_day_ends_only_what_the_daily_loss_began(state: TradingState, moved_by: str, after: str) -> None:
    assert after_rollover(state, moved_by) == after
