"""Every collection with its indexes, and the fields that lists of it are sorted by: spelled once.

Pure, as libs/schemas/subjects.py is for the bus: the domain of the ledger names collections too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The executor's.
ACCOUNTS = "accounts"
ORDER_PLANS = "order_plans"
ORDER_INTENTS = "order_intents"
LEASES = "leases"
# The ledger's: read models of the log.
REQUESTS = "requests"
CONTEXTS = "contexts"
DECISIONS = "decisions"
ORDERS = "orders"
FILLS = "fills"
POSITIONS = "positions"
TRADES = "trades"
OUTCOMES = "outcomes"
EQUITY = "equity"
AUDIT = "audit"
ALERTS = "alerts"
DEAD_LETTERS = "dead_letters"
BODIES = "bodies"
SEALS = "seals"  # of what was decided and ordered; never archived
API_KEYS = "api_keys"  # of earlier versions: `perpetua up` brings them to KV `keys`, and nobody else sees them

RANK = "rank"
# The ledger makes a document and then fills it: between the two there is nothing to show.
FILLED: Mapping[str, Any] = {RANK: {"$exists": True}}
# The time by which lists are shown, newest first, `_id` deciding between equal times.
LISTED_BY: Mapping[str, str] = {
    DECISIONS: "created_at",
    ORDERS: "created_at",
    TRADES: "closed_at",
    EQUITY: "at",
    AUDIT: "at",
    ALERTS: "created_at",
}


@dataclass(frozen=True, slots=True)
class Index:
    """`-` before a field: descending. `options` are MongoDB's."""

    fields: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def _index(*fields: str, **options: Any) -> Index:
    return Index(fields, options)


# What the history may be filtered by: each filter alone and with an account has its index, which finds a page in as
# many steps as it has entries, and an empty one in none. The rarer come first: of several the first is looked up.
FILTERS = ("actions", "status", "model_used", "strategy.id", "symbols")
HISTORY_INDEXES: tuple[tuple[str, ...], ...] = (
    (),
    ("account_id",),
    *((name,) for name in FILTERS),
    *(("account_id", name) for name in FILTERS),
)

INDEXES: Mapping[str, tuple[Index, ...]] = {
    ACCOUNTS: (_index("partition"),),
    ORDER_PLANS: (_index("account_id", "-planned_at"),),
    ORDER_INTENTS: (_index("account_id", "state"), _index("decision_id")),
    LEASES: (),
    REQUESTS: (
        _index("account_id", "-requested_at"),
        _index("-requested_at"),
        _index("decision_id"),
        _index("answered_by"),
    ),
    CONTEXTS: (_index("account_id", "-at"), _index("at")),
    DECISIONS: (
        *(_index(*fields, "-created_at", "-_id") for fields in HISTORY_INDEXES),
        _index("request_id"),
        _index("calls.user_prompt_sha256"),
        _index("arm.experiment", "-created_at", partialFilterExpression={"arm.experiment": {"$exists": True}}),
    ),
    ORDERS: (_index("decision_id"), _index("account_id", "-created_at", "-_id"), _index("created_at")),
    FILLS: (_index("decision_id"), _index("account_id", "-at"), _index("at")),
    POSITIONS: (_index("account_id", "-at"), _index("decision_id"), _index("at")),
    TRADES: (
        _index("account_id", "-closed_at", "-_id"),
        _index("-closed_at"),
        _index("decision_id"),
        _index("symbol", "path_known", "closed_at"),
    ),
    OUTCOMES: (
        _index("due.asset", "due.at"),
        _index("account_id", "-judged_at"),
        _index("-judged_at"),
    ),
    EQUITY: (_index("account_id", "-at", "-_id"), _index("at")),
    AUDIT: (
        _index("-at", "-_id"),
        _index("subject", "-at", "-_id"),
        _index("who", "-at", "-_id"),
        _index("kind", "-at", "-_id"),
    ),
    ALERTS: (_index("-created_at", "-_id"),),
    DEAD_LETTERS: (_index("-at"),),
    BODIES: (),
    SEALS: (_index("account_id", "-number"), _index("told")),
    API_KEYS: (_index("hash", unique=True),),
}
