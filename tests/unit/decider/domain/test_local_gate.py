"""The gate of one process: the shared rules, at a quarter of each rate."""

from services.decider.domain import answers, questions
from services.decider.domain.breaker import BreakerRules
from services.decider.domain.gate import Denial
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.local_gate import SHARE, Closed, LocalGate
from services.decider.domain.replies import Outcome
from tests.fakes.decider_spending import FREE, account

RULES = GateRules()
GUARDS = questions.guards(FREE, RULES)
NOW = 1_795_176_000_000_000


def test_a_process_alone_takes_a_quarter_of_an_accounts_rate() -> None:
    local, buckets = LocalGate(RULES.breaker), questions.buckets(account(rate_limit=8), FREE, RULES, SHARE)
    found = [local.enter(f"n{n}", GUARDS, buckets, NOW) for n in range(3)]
    assert found[:2] == [False, False]
    assert found[2] == Closed("account:scalper", 30_000_000)


def test_five_failures_open_it_and_a_probe_closes_it() -> None:
    local = LocalGate(BreakerRules())
    for n in range(5):
        assert local.enter(f"n{n}", GUARDS, (), NOW) is False
        local.leave(f"n{n}", GUARDS, Outcome.UNAVAILABLE, NOW)
    shut = local.enter("n5", GUARDS, (), NOW + 1_000_000)
    assert isinstance(shut, Closed)
    denied = answers.closed(shut)
    assert (denied.why, denied.retry_after_s) == (Denial.BREAKER_OPEN, 59.0)
    assert denied.detail == ("the breaker of model openai-compatible/own is open for 59.0 s more after: unavailable")
    assert local.enter("n6", GUARDS, (), NOW + 60_000_000) is True
    local.leave("n6", GUARDS, Outcome.ANSWERED, NOW + 61_000_000)
    assert local.enter("n7", GUARDS, (), NOW + 61_000_000) is False


def test_what_is_denied_has_taken_nothing() -> None:
    local = LocalGate(RULES.breaker)
    both = (
        *questions.buckets(account(rate_limit=8), FREE, RULES),
        *questions.buckets(account("b", rate_limit=1), FREE, RULES),
    )
    assert local.enter("n0", GUARDS, both, NOW) is False
    before = dict(local.full_at)
    assert isinstance(local.enter("n1", GUARDS, both, NOW), Closed)
    assert local.full_at == before
