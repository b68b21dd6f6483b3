"""One valid value of each wire type, for tests and measurements; whatever matters to a test stands at its call."""

from tests.builders.accounts import account, act, control, open_order, performance, position, state, strategy
from tests.builders.contexts import account_context, context, request, risk_metrics
from tests.builders.decisions import decision, entry, facts, proposal, row, seen
from tests.builders.market import T0, candle, tick, venue
from tests.builders.verdicts import fill, intent, position_event, validated

__all__ = [
    "T0",
    "account",
    "account_context",
    "act",
    "candle",
    "context",
    "control",
    "decision",
    "entry",
    "facts",
    "fill",
    "intent",
    "open_order",
    "performance",
    "position",
    "position_event",
    "proposal",
    "request",
    "risk_metrics",
    "row",
    "seen",
    "state",
    "strategy",
    "tick",
    "validated",
    "venue",
]
