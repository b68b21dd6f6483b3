"""What is doubtful is an error in the context while it is recent, and an alert once."""

import pytest

from libs.perps.admission import Admission, AdmissionRules, Doubt, DoubtKind
from libs.schemas.reasons import ContextErrorCode
from services.context.domain.assets import Studies, read
from services.context.domain.doubts import alert_of
from services.context.domain.market import Bounds, MarketState
from tests.fakes.context_values import at, tick

MINUTES = 40


def played(wrong: dict[int, float], source: dict[int, str] | None = None) -> MarketState:
    """A market that hardly moves, a tick each 15 s; `wrong` are other prices by the number of the tick."""
    market = MarketState(Bounds())
    admission = Admission(AdmissionRules(), market.doubts.put)
    market.go_live()
    for n in range(4 * MINUTES + 1):
        price = wrong.get(n, 100 + (n % 4) / 20)
        given = tick(15 * n, price, source=(source or {}).get(n, "feed"))
        for admitted, sequence in admission.admit(given, n):
            market.on_tick(admitted, sequence)
    market.close_due(at(60 * MINUTES + 2))
    return market


@pytest.mark.parametrize(
    ("wrong", "source"),
    [
        pytest.param({}, {}, id="nothing is wrong"),
        pytest.param({150: 8_700.0}, {}, id="M21: far beyond the price"),
        pytest.param({150: 1.0}, {}, id="a hundredth of it"),
        pytest.param({150: 12.5}, {}, id="Bitcoin at Binance.US, 21 October 2021: an eighth, once"),
        pytest.param({148: 130.0, 152: 70.0}, {}, id="twice, either way"),
        pytest.param({n: 100.8 for n in range(141, 161, 2)}, {n: "b" for n in range(141, 161, 2)}, id="two publishers"),
        pytest.param({155: 60.0}, {155: "unknown"}, id="a price without a source"),
    ],
)
def test_figures_hold_and_the_asset_is_told_as_doubtful(wrong: dict[int, float], source: dict[int, str]) -> None:
    market, now = played(wrong, source), at(60 * MINUTES + 3)
    found = read(Studies(market), market, ("BTCUSDT",), (), ("1m",), now)
    atr = found.data["BTCUSDT"].atr_percent
    assert atr is not None and atr < 0.2
    doubts = [error for error in found.errors if error.code is ContextErrorCode.DOUBTFUL]
    assert len(doubts) == bool(wrong)
    assert found.absent == []
    alerts = [alert_of(doubt, now) for doubt in market.doubts.take()]
    assert [alert.kind for alert in alerts] == ["doubt"] * bool(wrong)
    assert all(alert.message.startswith("BTCUSDT: ") and alert.account_id is None for alert in alerts)
    assert market.doubts.take() == []


@pytest.mark.parametrize(("seconds", "told"), [(0, 1), (1, 1), (299, 1), (300, 1), (301, 0), (-60, 1)])
def test_a_doubt_is_told_while_it_is_recent(seconds: float, told: int) -> None:
    market = MarketState(Bounds())
    market.doubts.put(Doubt("BTCUSDT", DoubtKind.PRICE, at(0), "a price of 1"))
    market.doubts.put(Doubt("ETHUSDT", DoubtKind.PRICE, at(0), "of another one"))
    assert len(market.doubts.recent("BTCUSDT", at(seconds))) == told
    assert market.doubts.take() == []  # of history nobody is alerted


def test_alerts_that_could_not_be_told_come_first_later() -> None:
    market = MarketState(Bounds())
    market.go_live()
    first = Doubt("A", DoubtKind.PRICE, at(0), "1")
    market.doubts.put(first)
    taken = market.doubts.take()
    market.doubts.put(Doubt("B", DoubtKind.PRICE, at(0), "2"))
    market.doubts.put_back(taken)
    assert [doubt.symbol for doubt in market.doubts.take()] == ["A", "B"]
