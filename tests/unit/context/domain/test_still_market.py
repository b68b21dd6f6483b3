"""RSI is gains against losses: where there was neither it is 50, and a price that moves is as TA-Lib says."""

import numpy as np
import pytest
import talib

from services.context.domain.indicators import compute


@pytest.mark.parametrize(
    ("closes", "newest"),
    [
        pytest.param([100.0] * 15, 50, id="as many candles as it needs, none of which moved"),
        pytest.param([0.0000123] * 250, 50, id="a small price that stood still for long"),
        pytest.param([100.0 + n for n in range(40)], 100, id="only gains"),
        pytest.param([100.0 - n for n in range(40)], 0, id="only losses"),
        pytest.param([100.0] * 30 + [99.0], 0, id="it stood still, then fell"),
        pytest.param([100.0] * 30 + [101.0] + [101.0] * 5, 100, id="it moved once, and stands still since"),
        pytest.param([100.0 + n % 2 for n in range(201)], 50, id="to and fro"),
    ],
)
def test_rsi_of_a_market_that_may_stand_still(closes: list[float], newest: float) -> None:
    column = np.array(closes)
    rsi = compute(column, column, column, column)["rsi_14"]
    assert rsi[-1] == pytest.approx(newest, abs=2)
    moved = np.abs(np.diff(column, prepend=column[0])).cumsum() > 0
    assert rsi[moved].tolist() == pytest.approx(talib.RSI(column, 14)[moved].tolist(), nan_ok=True)
    assert np.isnan(rsi[:14]).all()
