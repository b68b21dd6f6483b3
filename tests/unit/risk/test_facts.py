"""Facts of now with what the proposal saw."""

from libs.risk.facts import facts_of, known, symbols_of
from libs.schemas.decision import Facts
from tests.fakes.validator_ports import FakeMarks
from tests.fakes.validator_values import ask, long_position, proposal, seconds, seen, state


def marks() -> FakeMarks:
    made = FakeMarks()
    made.put("BTCUSDT", 100_500, 2)
    made.put("ETHUSDT", 2_510, -60)
    return made


def test_prices_and_age_are_of_now_and_atr_and_correlations_of_the_proposal() -> None:
    given = proposal()
    facts = facts_of(given, state(), marks().marks, seconds(3), 45)
    btc = facts.assets["BTCUSDT"]
    assert (btc.mark, btc.age_seconds, btc.stale, btc.atr_percent) == (100_500, 1.0, False, 0.4)
    assert (facts.as_of, facts.account_version) == (seconds(3), 7)
    assert facts.correlations == given.facts.correlations


def test_an_old_tick_makes_an_asset_stale() -> None:
    facts = facts_of(proposal(), state(), marks().marks, seconds(3), 45)
    assert (facts.assets["ETHUSDT"].stale, facts.assets["ETHUSDT"].age_seconds) == (True, 63.0)


def test_a_tick_slightly_ahead_of_the_clock_has_no_negative_age() -> None:
    assert facts_of(proposal(), state(), marks().marks, seconds(1), 45).assets["BTCUSDT"].age_seconds == 0


def test_an_asset_that_the_proposal_did_not_see_has_no_indicators() -> None:
    given = proposal(facts=Facts(assets={"BTCUSDT": seen()}, account_version=7, as_of=seconds(0)))
    facts = facts_of(given, state(), marks().marks, seconds(3), 45)
    assert facts.assets["BTCUSDT"].has_indicators
    assert (facts.assets["ETHUSDT"].has_indicators, facts.assets["ETHUSDT"].atr_percent) == (False, None)


def test_everything_that_verdicts_may_depend_on_is_looked_up_once() -> None:
    held = state(positions=(long_position("SOLUSDT"), long_position("BTCUSDT")))
    found = symbols_of(proposal(ask("XRPUSDT", "hold"), ask("BTCUSDT")), held)
    assert sorted(found) == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]


def test_a_symbol_without_a_tick_is_left_out() -> None:
    assert set(known(marks().get, ("BTCUSDT", "NONE"))) == {"BTCUSDT"}
