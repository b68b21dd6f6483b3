"""What a replay passes over makes no difference, and the same input gives the same output."""

from dataclasses import replace

import pytest

from libs.schemas.account import Account
from replay.engine import Replay, ReplayInput, ReplayRules
from services.context.settings import Settings as ContextSettings
from services.executor.settings import Settings as ExecutorSettings
from tests.forms import sized
from tests.unit.replay.markets import Kept, account, market, wanted


def replayed(asked: ReplayInput, *, every: bool = False) -> tuple[Kept, int]:
    kept = Kept()
    looked = sum(1 for _ in Replay(asked, kept).steps(every=every))
    return kept, looked


ACCOUNTS = {
    "plain": account(),
    "moved": account(price_trigger_pct=0.3),
    "near funding": account(funding_near_min=7),
    "with a pause": account(min_seconds_between_decisions=200, price_trigger_pct=0.2),
    "cross": account(margin_mode="cross"),
    "slow": account(strategy_id="aggressive"),
}


@pytest.mark.parametrize("config", ACCOUNTS.values(), ids=ACCOUNTS.keys())
def test_only_moments_at_which_something_can_happen_are_looked_at(config: Account) -> None:
    gaps = config.price_trigger_pct is None
    asked = wanted(market(sized(220, 2_000), 130, gaps=gaps, wild=0.005), config)
    quick, few = replayed(asked)
    slow, all_of_them = replayed(asked, every=True)
    assert few < all_of_them
    assert quick.contexts == slow.contexts
    assert quick.ends == slow.ends
    assert quick.events == slow.events
    assert quick.contexts


def test_two_replays_are_the_same_and_trade() -> None:
    asked = wanted(market(330, 130, wild=0.005), account(), account(account_id="other", strategy_id="aggressive"))
    one, other = replayed(asked)[0], replayed(asked)[0]
    assert (one.contexts, one.proposals, one.ends, one.states, one.events) == (
        other.contexts,
        other.proposals,
        other.ends,
        other.states,
        other.events,
    )
    assert {context.account_id for context in one.contexts} == {"scalping", "other"}
    assert any(event.startswith("position.closed") for event in one.events)


def test_accounts_side_by_side_do_as_each_alone() -> None:
    played = market(200, 130)
    both = replayed(wanted(played, account(), account(account_id="other")))[0]
    alone = replayed(wanted(played, account()))[0]
    assert [context for context in both.contexts if context.account_id == "scalping"] == alone.contexts


def test_money_balances_after_each_write() -> None:
    kept, _ = replayed(wanted(market(sized(300, 2_000), 130, wild=0.005), account()))
    for state in kept.states:
        made = state.realised_total - state.fees_total + state.funding_total + state.insolvency_total
        assert state.wallet_balance == account().initial_balance + made
    assert kept.states[-1].funding_total != 0


def test_a_context_holds_nothing_of_later() -> None:
    """A market that ends early decides the same until there."""
    whole = market(290, 130)
    until = whole.starts + (whole.ends - whole.starts) / 2
    cut = replace(whole, ends=until)
    early, late = replayed(wanted(cut))[0], replayed(wanted(whole))[0]
    assert early.contexts == [context for context in late.contexts if context.timestamp < until][: len(early.contexts)]
    assert len(early.contexts) > 50


def test_rules_are_those_of_the_workers_where_nobody_sets_them() -> None:
    rules, context = ReplayRules(), ContextSettings()
    assert rules.bounds == context.bounds()
    assert rules.limits == context.limits()
    assert rules.trading.max_drawdown == ExecutorSettings().max_drawdown_pct
