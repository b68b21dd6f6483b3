"""The executor judges on the newest that it or the validator knew."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest

from libs.schemas.decision import AssetFacts
from services.executor.domain.final import own_facts
from services.executor.domain.quote import Market, Quote
from tests import builders

VALIDATED = datetime(2026, 1, 5, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return VALIDATED + timedelta(seconds=seconds)


def seen(now: float, quoted: float | None, *, age: float = 10, stale: bool = False) -> tuple[AssetFacts, datetime]:
    """What the executor takes at `now` of an asset whose tick was `age` old at validation; its own quote is from
    `quoted`. Both in seconds after the validation."""
    known = builders.seen(bid=99, ask=101, atr_percent=2, long_atr_percent=3, age_seconds=age, stale=stale)
    quotes = {}
    if quoted is not None:
        quotes["BTCUSDT"] = Quote("BTCUSDT", D(105), D(104), None, D(106), after(quoted), 7)
    facts = builders.facts({"BTCUSDT": known}, correlated={"A|B": False}, account_version=3, as_of=VALIDATED)
    found = own_facts(facts, Market(quotes, {}, after(now)))
    assert (found.correlated, found.account_version) == (facts.correlated, 3)
    assert (found.assets["BTCUSDT"].atr_percent, found.assets["BTCUSDT"].long_atr_percent) == (2, 3)
    return found.assets["BTCUSDT"], found.as_of


@pytest.mark.parametrize(
    ("now", "quoted", "mark", "age"),
    [
        pytest.param(2, 1, 104, 1, id="a newer quote of its own"),
        pytest.param(2, -20, 100, 12, id="an older one"),
        pytest.param(2, None, 100, 12, id="none"),
        pytest.param(-5, None, 100, 10, id="a clock that is behind the validator's"),
    ],
)
def test_the_newest_price_counts(now: float, quoted: float | None, mark: float, age: float) -> None:
    found, as_of = seen(now, quoted)
    assert (found.mark, found.age_seconds) == (mark, age)
    assert as_of == max(after(now), VALIDATED)


def test_a_quote_brings_its_whole_book() -> None:
    found, _ = seen(2, 1)
    assert (found.last, found.bid, found.ask) == (105, None, 106)


@pytest.mark.parametrize(
    ("now", "quoted", "was_stale", "stale"),
    [
        pytest.param(2, None, False, False, id="fresh as validated"),
        pytest.param(61, None, False, True, id="validated a minute ago, and nothing since"),
        pytest.param(61, 60, False, False, id="validated a minute ago, quoted now"),
        pytest.param(2, 1, True, False, id="stale to the validator, quoted now"),
        pytest.param(2, None, True, True, id="stale to both"),
        pytest.param(62, -1, True, True, id="a quote of a minute ago mends nothing"),
    ],
)
def test_facts_go_stale_by_waiting_and_fresh_by_a_quote(
    now: float, quoted: float | None, was_stale: bool, stale: bool
) -> None:
    assert seen(now, quoted, stale=was_stale)[0].stale is stale
