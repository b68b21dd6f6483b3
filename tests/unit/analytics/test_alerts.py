"""What a person is told of, and that it is told once."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.alerts import Watched, losing_streak, of_abstentions, of_dead_letter, of_trades
from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.reasons import DeadLetterCode
from tests.unit.analytics.samples import T0, trades

WATCHED = Watched("alpha", "steady", Decimal(10_000), max_drawdown_pct=20)

CASES: dict[str, tuple[Sequence[float], set[str]]] = {
    "nothing": ([], set()),
    "one win": ([1], set()),
    "one loss": ([-1], set()),
    "only wins": ([1] * 20, set()),
    "four losses in a row": ([1, -1, -1, -1, -1], set()),
    "five losses in a row": ([1, -1, -1, -1, -1, -1], {"consecutive_losses"}),
    "five losses with a zero between": ([-1, -1, 0, -1, -1, -1], set()),
    "a streak that has ended": ([-1] * 5 + [1], set()),
    "nine trades, none won": ([-1, -1, -1, 0, -1, -1, -1, 0, -1], set()),
    "three of ten won": ([1, -1, -1, -1, 1, -1, -1, -1, 1, -1], set()),
    "two of ten won": ([1, -1, -1, -1, 1, -1, -1, -1, 0, -1], {"performance_degradation"}),
    "a fall of a fifth": ([-2_000], set()),
    "a fall of more than a fifth": ([-2_001], {"drawdown_limit"}),
    "a fall after a gain": ([10_000, -4_001], {"drawdown_limit"}),
    "only losses": ([-300] * 12, {"consecutive_losses", "performance_degradation", "drawdown_limit"}),
}


@pytest.mark.parametrize("case", CASES)
def test_alerts_of_trades(case: str) -> None:
    profits, kinds = CASES[case]
    assert {alert.kind for alert in of_trades(WATCHED, trades(profits), T0)} == kinds


def test_a_streak_that_goes_on_is_one_alert_and_the_next_streak_another() -> None:
    ids = [
        alert.alert_id
        for profits in ([-1] * 5, [-1] * 6, [-1] * 6 + [1] + [-1] * 5)
        for alert in of_trades(WATCHED, trades(profits), T0)
        if alert.kind == "consecutive_losses"
    ]
    assert ids[0] == ids[1] != ids[2]


@given(st.permutations(trades([-1] * 12)))
def test_the_order_of_the_trades_does_not_matter(rows: list[object]) -> None:
    expected = of_trades(WATCHED, trades([-1] * 12), T0)
    assert of_trades(WATCHED, rows, T0) == expected  # type: ignore[arg-type]


@given(st.lists(st.integers(-3, 3), max_size=20))
def test_a_losing_streak_is_the_longest_tail_of_losses(profits: list[int]) -> None:
    tail = "".join("L" if pnl < 0 else "." for pnl in profits).rpartition(".")[2]
    assert len(losing_streak(trades(profits))) == len(tail)


@pytest.mark.parametrize(
    ("abstained", "ended", "told"),
    [(0, 0, False), (1, 2, False), (1, 5, False), (2, 5, True), (20, 100, False), (21, 100, True)],
)
def test_abstentions_above_a_fifth_of_an_hour_are_told(abstained: int, ended: int, told: bool) -> None:
    assert (of_abstentions("alpha", abstained, ended, T0) is not None) == told


def test_abstentions_are_told_once_an_hour() -> None:
    first, again, later = (of_abstentions("alpha", 9, 9, T0 + timedelta(minutes=m)) for m in (1, 59, 61))
    assert first
    assert again
    assert later
    assert first.alert_id == again.alert_id != later.alert_id


def letter(stream: str = "DECISIONS", durable: str = "validator-proposals", minutes: int = 0) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=f"{stream}:{minutes}:{durable}",
        subject="decision.proposed.alpha",
        body="{}",
        stream=stream,
        durable=durable,
        sequence=7,
        error=DeadLetterError(code=DeadLetterCode.MAX_DELIVERIES, message="eight deliveries"),
        deliveries=8,
        at=T0.replace(minute=0) + timedelta(minutes=minutes),
    )


@pytest.mark.parametrize(
    ("stream", "severity"), [("DECISIONS", "warning"), ("EXECUTION", "critical"), ("MARKET", "info")]
)
def test_a_dead_letter_is_told_with_where_to_look(stream: str, severity: str) -> None:
    alert = of_dead_letter(letter(stream))
    assert alert is not None
    assert (alert.kind, alert.severity, alert.account_id) == ("dead_letter", severity, None)
    assert "perpetua dead list" in alert.message and "eight deliveries" in alert.message


def test_many_dead_letters_of_a_durable_are_one_alert_an_hour() -> None:
    told = [of_dead_letter(letter(durable=durable, minutes=n)) for durable in ("a", "b") for n in (0, 1, 59, 60)]
    assert len({alert.alert_id for alert in told if alert}) == 4


@pytest.mark.parametrize("stream", ["AUDIT", "NOTICES"])
def test_nobody_is_told_by_a_way_that_it_failed(stream: str) -> None:
    assert of_dead_letter(letter(stream)) is None
