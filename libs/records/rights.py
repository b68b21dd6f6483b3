"""Who may write which collection; all who use MongoDB may read all of them, but for the administrator's."""

from collections.abc import Mapping

from libs.records import collections as c

WRITES: Mapping[str, tuple[str, ...]] = {
    "executor": (c.ACCOUNTS, c.ORDER_PLANS, c.ORDER_INTENTS, c.LEASES),
    "ledger": (
        *(c.REQUESTS, c.CONTEXTS, c.DECISIONS, c.ORDERS, c.FILLS, c.POSITIONS, c.TRADES, c.EQUITY, c.AUDIT, c.ALERTS),
        *(c.DEAD_LETTERS, c.BODIES, c.OUTCOMES, c.SEALS),
    ),
    "gateway": (c.ALERTS,),  # an alert is acknowledged there
}
OF_ADMIN = (c.API_KEYS,)


def reads() -> tuple[str, ...]:
    return tuple(name for name in c.INDEXES if name not in OF_ADMIN)
