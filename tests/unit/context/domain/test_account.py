"""Risk of open positions against calculations of their own."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.account import PositionSide
from libs.schemas.context import PositionSummary
from libs.schemas.decision import pair_key
from services.context.domain.account import account_section, correlation_risk, risk
from services.context.domain.correlations import Correlations
from tests.builders import account, position, state
from tests.fakes.context_values import strategy

NOTHING = Correlations()


def held(symbol: str, side: PositionSide, notional: float) -> PositionSummary:
    return PositionSummary(
        symbol=symbol,
        side=side,
        size=Decimal(1),
        entry_price=Decimal(str(notional)),
        mark_price=Decimal(str(notional)),
        unrealized_pnl=Decimal(0),
        percentage_pnl=0,
        notional=Decimal(str(notional)),
        margin=Decimal(10),
        leverage=Decimal(2),
        opened_at=datetime(2025, 5, 5, tzinfo=UTC),
        decision_id="dec-1",
    )


def known(**pairs: float) -> Correlations:
    return Correlations({key.replace("_", "|"): value for key, value in pairs.items()}, {})


@pytest.mark.parametrize(
    ("positions", "volatility", "correlations", "expected"),
    [
        pytest.param((held("A", "long", 100),), {"A": 1.0}, NOTHING, 0, id="one position shares its risk with none"),
        pytest.param(
            (held("A", "long", 100), held("B", "long", 100)), {"A": 1.0, "B": 1.0}, known(A_B=1.0), 100, id="as one"
        ),
        pytest.param(
            (held("A", "long", 100), held("B", "short", 100)), {"A": 1.0, "B": 1.0}, known(A_B=1.0), 0, id="hedged"
        ),
        pytest.param(
            (held("A", "long", 100), held("B", "long", 100)),
            {"A": 1.0, "B": 1.0},
            known(A_B=0.0),
            100 / np.sqrt(2),
            id="independent",
        ),
        pytest.param(
            (held("A", "long", 100), held("B", "long", 100)), {"A": 1.0, "B": 1.0}, NOTHING, 100, id="unknown is one"
        ),
        pytest.param(
            (held("A", "long", 100), held("B", "long", 300)),
            {"A": 3.0},
            known(A_B=0.5),
            100 * np.sqrt(100**2 + 300**2 + 2 * 0.5 * 100 * 300) / 400,
            id="without one volatility the notionals count",
        ),
    ],
)
def test_correlation_risk_of(
    positions: tuple[PositionSummary, ...], volatility: dict[str, float], correlations: Correlations, expected: float
) -> None:
    assert correlation_risk(positions, volatility, correlations) == pytest.approx(expected, abs=1e-9)


@given(
    st.lists(
        st.tuples(st.floats(1, 1e6), st.sampled_from(["long", "short"]), st.floats(0.01, 10)), min_size=2, max_size=6
    ),
    st.integers(0, 2**32 - 1),
)
def test_correlation_risk_is_the_quadratic_form_of_any_correlation_matrix(
    rows: list[tuple[float, PositionSide, float]], seed: int
) -> None:
    names = [f"S{n}" for n in range(len(rows))]
    matrix = np.atleast_2d(np.corrcoef(np.random.default_rng(seed).normal(size=(len(rows), 20))))
    pairs = {pair_key(a, b): float(matrix[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if i < j}
    positions = tuple(held(name, side, notional) for name, (notional, side, _) in zip(names, rows, strict=True))
    volatility = {name: v for name, (_, _, v) in zip(names, rows, strict=True)}
    w = np.array([n * v * (1 if side == "long" else -1) for n, side, v in rows])
    expected = 100 * np.sqrt(max(0.0, w @ matrix @ w)) / np.abs(w).sum()
    assert correlation_risk(positions, volatility, Correlations(pairs, {})) == pytest.approx(expected, abs=1e-4)


def test_value_at_risk_adds_up_without_hedges_and_the_rest_follows_the_marks() -> None:
    positions = (
        position(quantity=Decimal(2), margin=Decimal(100)),
        position("ETHUSDT", side="short", quantity=Decimal(1), entry_price=Decimal(120), margin=Decimal(60)),
    )
    marks = {"BTCUSDT": 111.0, "ETHUSDT": 111.0}
    section = account_section(account(), state(positions=positions), strategy(), marks)
    found = risk(section, {"BTCUSDT": 0.4, "ETHUSDT": 0.6}, NOTHING)
    assert found.var_95 == pytest.approx((222 * 0.004 + 111 * 0.006) * 1.645)
    assert (found.gross_exposure, found.net_exposure) == (333, 111)
    assert found.concentration_risk == pytest.approx(222 / 333 * 100)
    assert found.margin_ratio == pytest.approx(160 / (10_000 + 22 + 9))


@pytest.mark.parametrize(
    ("mark", "peak", "known", "shown"),
    [
        pytest.param(50, 12_000, 3.0, 25.0, id="an open loss is deeper than any that was closed"),
        pytest.param(100, 12_000, 3.0, 50 / 3, id="what was closed since the peak counts too"),
        pytest.param(100, 12_000, 60.0, 60.0, id="an older fall was deeper"),
        pytest.param(130, 10_000, 3.0, 3.0, id="an open profit is no fall"),
        pytest.param(50, None, 3.0, 3.0, id="an older executor does not say its peak"),
        pytest.param(50, 0, 3.0, 3.0, id="there never was anything"),
    ],
)
def test_the_drawdown_that_a_model_sees_counts_open_losses(
    mark: float, peak: int | None, known: float, shown: float
) -> None:
    held_now = position("BTCUSDT", quantity=Decimal(20), entry_price=Decimal(100))
    before = state(wallet_balance=Decimal(10_000), positions=(held_now,))
    performance = before.performance.model_copy(update={"max_drawdown": known})
    seen = before.model_copy(
        update={"performance": performance, "peak_equity": None if peak is None else Decimal(peak)}
    )
    section = account_section(account(), seen, strategy(), {"BTCUSDT": mark})
    assert section.recent_performance.max_drawdown == pytest.approx(shown)
    assert risk(section, {}, NOTHING).max_drawdown == pytest.approx(shown)
