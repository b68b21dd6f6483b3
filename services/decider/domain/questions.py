"""What the gate's scripts are asked, as plain values (adapters/lua says what each of them reads)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from libs.schemas.account import Account
from services.decider.domain import breaker, bucket, budget
from services.decider.domain.breaker import CallVerdict, Guard
from services.decider.domain.bucket import TokenBucket
from services.decider.domain.budget import Amount, BudgetScope
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.gate_rules import YIELD_PART, GateRules
from services.decider.domain.replies import Outcome

Question = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenReservation:
    """A reservation that is not settled yet; `nonce` tells this call from another try at it."""

    nonce: str
    call_id: str
    amount: Amount
    scopes: tuple[BudgetScope, ...]


def guards(entry: CatalogueEntry, rules: GateRules) -> tuple[Guard, ...]:
    found = breaker.guards(entry, rules.breaker)
    return tuple(replace(guard, id=f"shadow {guard.id}") for guard in found) if rules.yields else found


def buckets(
    account: Account | None, entry: CatalogueEntry, rules: GateRules, share: int = 1
) -> tuple[TokenBucket, ...]:
    """The rates that a call goes by, divided by `share`."""
    rates = [(f"provider:{entry.provider}", rules.provider_rate)]
    if account is not None:
        rates.append((budget.scope_of(account.account_id), account.rate_limit))
    kept = YIELD_PART if rules.yields else 0.0
    return tuple(TokenBucket(name, bucket.per_minute(max(1, rate // share), kept)) for name, rate in rates if rate)


def admit(held: OpenReservation, account: Account | None, entry: CatalogueEntry, rules: GateRules) -> Question:
    """`patient`: an answer "crowded" is welcome."""
    ask: Question = {
        "nonce": held.nonce,
        "call": held.call_id,
        "rules": _rules(rules),
        "patient": rules.patience_s > 0,
        "circuits": [{"id": guard.id, "failures": guard.failures} for guard in guards(entry, rules)],
        "buckets": [
            {"id": one.id, "interval": one.rate.interval_us, "slack": one.rate.slack_us}
            for one in buckets(account, entry, rules)
        ],
    }
    if rules.yields:
        ask["part"] = 1 - YIELD_PART
    return ask if entry.is_free else ask | {"budget": _money(held.amount, held.scopes)}


def settle(
    held: OpenReservation, epoch: str, entry: CatalogueEntry, rules: GateRules, amount: Amount, said: Outcome
) -> Question:
    """The end of a call that this process made."""
    told = [(guard, breaker.verdict(said, guard)) for guard in guards(entry, rules)]
    return _settle(held, epoch, rules, amount, [(guard, verdict, said.value) for guard, verdict in told])


def give_back(held: OpenReservation, entry: CatalogueEntry, rules: GateRules) -> Question:
    """A call that was not made after all."""
    told = [(guard, CallVerdict.RELEASED, "") for guard in guards(entry, rules)]
    return _settle(held, "", rules, Amount(0, 0), told)


def settle_kept(call_id: str, amount: Amount, scopes: Sequence[BudgetScope], rules: GateRules) -> Question:
    """The cost of an answer that an earlier delivery has paid for and not told of."""
    return _settle(OpenReservation("", call_id, amount, tuple(scopes)), "", rules, amount, [])


def orphan(held: OpenReservation, amount: Amount, *, ended: bool) -> Question:
    names = [scope.id for scope in held.scopes]
    ask: Question = {"nonce": held.nonce, "call": held.call_id, "usd": amount.usd, "tokens": amount.tokens}
    return ask | {"ended": ended, "scopes": names}


def _settle(
    held: OpenReservation, epoch: str, rules: GateRules, amount: Amount, told: Sequence[tuple[Guard, CallVerdict, str]]
) -> Question:
    ask: Question = {
        "nonce": held.nonce,
        "call": held.call_id,
        "epoch": epoch,
        "rules": _rules(rules),
        "circuits": [
            {"id": guard.id, "failures": guard.failures, "verdict": verdict.value, "cause": cause}
            for guard, verdict, cause in told
        ],
    }
    return ask | {"budget": _money(amount, held.scopes)} if held.scopes else ask


def _rules(rules: GateRules) -> dict[str, int]:
    of = rules.breaker
    return {"lease": of.lease_ms, "proven": of.proven_ms, "open": of.open_ms, "longest": of.longest_ms}


def _money(amount: Amount, scopes: Sequence[BudgetScope]) -> Question:
    found = [{"id": scope.id, "limits": dict(scope.limits)} for scope in scopes]
    return {"usd": amount.usd, "tokens": amount.tokens, "scopes": found}
