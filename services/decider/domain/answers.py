"""What the gate's scripts answered, in the words of people and in alerts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.schemas.analytics import Alert
from services.decider.domain import budget
from services.decider.domain.budget import Amount
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.local_gate import Closed
from services.decider.domain.replies import Outcome

REBUILDING = "the counters of the budgets were lost with Redis and are being read from the log: try again soon"
US = 1_000_000
KEY_CAUSES = {Outcome.AUTH.value: "refuses the key", Outcome.CREDIT.value: "has no credit left for the key"}
KEYS = {"openrouter": "OPENROUTER_API_KEY", "openai-compatible": "LLM_API_KEY"}


def denial_of(answer: Mapping[str, Any], want: Amount) -> Denied:
    """An answer of the script `admit` that holds `denied`."""
    match answer["denied"]:
        case "breaker":
            return closed(Closed(answer["which"], int(answer["wait"]), answer["cause"]))
        case "rate":
            return closed(Closed(answer["which"], int(answer["wait"])))
        case "budget":
            limit, used, bound = answer["limit"], int(answer["used"]), int(answer["bound"])
            detail = budget.complaint(answer["which"], limit, used, bound, budget.wanted(limit, want))
            if part := answer.get("part"):
                detail = f"a shadow arm may use {part:.0%} of a budget: {detail}"
            return Denied(Denial.BUDGET, detail, int(answer["wait"]) / US)
    return Denied(Denial.BUDGET_UNAVAILABLE, REBUILDING, 1.0)


def closed(one: Closed) -> Denied:
    """A circuit or a bucket that lets nobody pass for now. Only a circuit has a cause."""
    seconds = one.wait_us / US
    kind, _, name = one.which.partition(":")
    if one.cause in KEY_CAUSES:
        said = (
            f"{name} {KEY_CAUSES[one.cause]}: check {KEYS.get(name, 'its key')}; it is asked again in {seconds:.0f} s"
        )
        return Denied(Denial.KEY_REFUSED, said, seconds)
    if one.cause:
        detail = f"the breaker of {kind} {name} is open for {seconds:.1f} s more after: {one.cause}"
        return Denied(Denial.BREAKER_OPEN, detail, seconds)
    setting = "PERPETUA_PROVIDER_RATE" if kind == "provider" else "the account's rate_limit"
    detail = f"{kind} {name} has used its calls of this minute: the next one in {seconds:.1f} s, or raise {setting}"
    return Denied(Denial.RATE_LIMITED, detail, seconds)


def alert_of(warned: Mapping[str, Any], now: datetime) -> Alert:
    """A budget that is nearly used up. Its id is the same from every worker, and new in each period."""
    scope, limit, used, bound = warned["scope"], warned["limit"], int(warned["used"]), int(warned["bound"])
    dollars = limit.startswith("usd")
    text = f"{budget.owner(scope)}: {budget.shown(limit, used)} of {budget.shown(limit, bound)} on models are spent or "
    return Alert(
        alert_id=f"budget:{scope}:{limit}:{warned['period']}",
        account_id=None if scope == budget.GLOBAL else scope.removeprefix("account:"),
        kind="budget",
        severity="warning",
        message=text + f"reserved {budget.UNITS[limit]}; at the limit paid models abstain",
        threshold=bound / budget.NANO if dollars else bound,
        value=used / budget.NANO if dollars else used,
        created_at=now,
    )
