"""Every subject, stream, durable consumer and KV bucket, spelled once.

Durable names are an operations interface: autoscalers and runbooks use them. Provisioning creates what is listed here
and every service asserts at start that the server's live configuration is this one.
"""

from functools import lru_cache

from libs.schemas.ids import PARTITIONS
from libs.schemas.names import ANY, Key, key_of
from libs.schemas.topology import Bucket, Durable, Stream, StreamIntake

TICK_ANY = "market.tick"
MAX_TICK_BYTES = 16 * 1024
MAX_MESSAGE_BYTES = 1024 * 1024
LONG_WINDOW_S = 7_200  # where a repetition after an outage would be a second decision or a second order

DAY = 86_400
MIB = 1024 * 1024
GIB = 1024 * MIB


@lru_cache(maxsize=4096)  # symbols recur
def _part(symbol: str) -> str:
    """A symbol as a part of a subject. Raises ValueError for a text that is none."""
    return symbol if symbol == ANY else key_of(symbol)


def tick(symbol: str) -> str:
    return f"market.tick.{_part(symbol)}"


def funding(symbol: str) -> str:
    return f"market.funding.{_part(symbol)}"


def note(symbol: str | None) -> str:
    return f"market.note.{_part(symbol or 'all')}"


def candle(symbol: str, timeframe: str) -> str:
    return f"market.candle.{_part(symbol)}.{timeframe}"


def decision_requested(account: Key) -> str:
    return f"decision.requested.{account}"


def context_built(account: Key) -> str:
    return f"context.built.{account}"


def context_shadowed(account: Key) -> str:
    """The same context once more, where an experiment has shadow arms for it."""
    return f"context.shadowed.{account}"


def decision_proposed(account: Key) -> str:
    return f"decision.proposed.{account}"


def decision_validated(account: Key) -> str:
    return f"decision.validated.{account}"


def decision_rejected(account: Key) -> str:
    return f"decision.rejected.{account}"


def decision_answered(account: Key) -> str:
    return f"decision.answered.{account}"


def decision_evaluated(account: Key) -> str:
    return f"decision.evaluated.{account}"


def decisions_of(account: Key) -> str:
    """Filter over every decision event of one account."""
    return f"decision.*.{account}"


def order_event(kind: str, account: Key) -> str:
    return f"order.{kind}.{account}"


def position_event(kind: str, account: Key) -> str:
    return f"position.{kind}.{account}"


def control_requested(scope: Key) -> str:
    return f"control.requested.{scope}"


def account_changed(account: Key) -> str:
    return f"account.changed.{account}"


def strategy_changed(strategy: Key) -> str:
    return f"strategy.changed.{strategy}"


def config_changed(key: str) -> str:
    return f"config.changed.{key}"


def letter_replayed(stream: str) -> str:
    """A dead letter of a stream was published again."""
    return f"letter.replayed.{stream}"


def alert_raised(account: Key | None) -> str:
    return f"alert.raised.{account or 'global'}"


def notice_requested(route: Key) -> str:
    return f"notice.requested.{route}"


def notice_settled(route: Key) -> str:
    return f"notice.settled.{route}"


def dead(stream: str, durable: str) -> str:
    return f"dead.{stream}.{durable}"


# Only a stream of things that its producer can publish again is stored without waiting for the disk.
MARKET = Stream(
    "MARKET",
    (TICK_ANY, "market.tick.*", "market.funding.*", "market.note.*"),
    max_age_s=DAY,
    max_bytes=2 * GIB,
    discard="old",
    persist_async=True,
)
CANDLES = Stream("CANDLES", ("market.candle.*.*",), max_per_subject=1_500, discard="old", persist_async=True)
REQUESTS = Stream(
    "REQUESTS", ("decision.requested.*",), max_age_s=7 * DAY, max_bytes=1 * GIB, duplicate_window_s=LONG_WINDOW_S
)
CONTEXTS = Stream(
    "CONTEXTS", ("context.built.*", "context.shadowed.*"), max_age_s=DAY, max_bytes=2 * GIB, discard="old"
)
DECISIONS = Stream(
    "DECISIONS",
    (
        "decision.proposed.*",
        "decision.validated.*",
        "decision.rejected.*",
        "decision.answered.*",
        "decision.evaluated.*",
    ),
    max_age_s=30 * DAY,
    max_bytes=8 * GIB,
    duplicate_window_s=LONG_WINDOW_S,
)
EXECUTION = Stream(
    "EXECUTION",
    max_age_s=7 * DAY,
    max_bytes=2 * GIB,
    sources=(
        StreamIntake(
            "DECISIONS",
            "decision.validated.*",
            f"execute.{{{{partition({PARTITIONS},1)}}}}.validated.{{{{wildcard(1)}}}}",
        ),
        StreamIntake(
            "AUDIT", "control.requested.*", f"execute.{{{{partition({PARTITIONS},1)}}}}.control.{{{{wildcard(1)}}}}"
        ),
    ),
)
ORDERS = Stream(
    "ORDERS", ("order.*.*", "position.*.*"), max_age_s=90 * DAY, max_bytes=8 * GIB, duplicate_window_s=LONG_WINDOW_S
)
AUDIT = Stream(
    "AUDIT",
    (
        "account.changed.*",
        "control.requested.*",
        "strategy.changed.*",
        "config.changed.>",
        "letter.replayed.*",
        "alert.raised.*",
    ),
    max_age_s=365 * DAY,
    max_bytes=4 * GIB,
)
NOTICES = Stream("NOTICES", ("notice.*.*",), max_age_s=30 * DAY, max_bytes=256 * MIB, discard="old")
DEAD = Stream("DEAD", ("dead.*.*",), max_age_s=90 * DAY, max_bytes=1 * GIB, discard="old")
ADVISORIES = Stream(
    "ADVISORIES",
    ("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",),
    max_age_s=7 * DAY,
    max_bytes=256 * MIB,
    discard="old",
)

STREAMS = (MARKET, CANDLES, REQUESTS, CONTEXTS, DECISIONS, AUDIT, EXECUTION, ORDERS, NOTICES, DEAD, ADVISORIES)

CONTEXT_REQUESTS = Durable("context-requests", "REQUESTS", ("decision.requested.*",))
CONTEXT_ENDS = Durable(
    "context-ends", "DECISIONS", ("decision.validated.*", "decision.rejected.*", "decision.evaluated.*")
)
DECIDER_CONTEXTS = Durable("decider-contexts", "CONTEXTS", ("context.built.*",), max_ack_pending=1024)
DECIDER_SHADOWS = Durable("decider-shadows", "CONTEXTS", ("context.shadowed.*",), max_ack_pending=1024)
VALIDATOR_PROPOSALS = Durable("validator-proposals", "DECISIONS", ("decision.proposed.*",))
EXECUTOR_PARTITIONS = tuple(
    Durable(f"executor-p{n:02d}", "EXECUTION", (f"execute.{n}.>",), max_ack_pending=1) for n in range(PARTITIONS)
)
LEDGER_REQUESTS = Durable("ledger-requests", "REQUESTS", ("decision.requested.*",))
LEDGER_CONTEXTS = Durable("ledger-contexts", "CONTEXTS", ("context.built.*",))
LEDGER_DECISIONS = Durable("ledger-decisions", "DECISIONS", ("decision.*.*",))
LEDGER_ORDERS = Durable("ledger-orders", "ORDERS", ("order.*.*", "position.*.*"))
LEDGER_AUDIT = Durable("ledger-audit", "AUDIT", AUDIT.subjects)
LEDGER_DEAD = Durable("ledger-dead", "DEAD", ("dead.*.*",))
LEDGER_CONFIG = Durable("ledger-config", "KV_config", ("$KV.config.>",), max_ack_pending=1)  # in order
LEDGER_ADVISORIES = Durable("ledger-advisories", "ADVISORIES", ADVISORIES.subjects)
NOTIFIER_ALERTS = Durable("notifier-alerts", "AUDIT", ("alert.raised.*",))
NOTIFIER_ORDERS = Durable(
    "notifier-orders",
    "ORDERS",
    ("order.filled.*", "order.rejected.*", "position.opened.*", "position.closed.*", "position.liquidated.*"),
)
# What waits for the end of quiet hours is in hand all that time, and each attempt is a delivery.
NOTIFIER_NOTICES = Durable(
    "notifier-notices", "NOTICES", ("notice.requested.*",), max_ack_pending=10_000, max_deliver=24
)

DURABLES = (
    CONTEXT_REQUESTS,
    CONTEXT_ENDS,
    DECIDER_CONTEXTS,
    DECIDER_SHADOWS,
    VALIDATOR_PROPOSALS,
    *EXECUTOR_PARTITIONS,
    LEDGER_REQUESTS,
    LEDGER_CONTEXTS,
    LEDGER_DECISIONS,
    LEDGER_ORDERS,
    LEDGER_AUDIT,
    LEDGER_DEAD,
    LEDGER_CONFIG,
    LEDGER_ADVISORIES,
    NOTIFIER_ALERTS,
    NOTIFIER_ORDERS,
    NOTIFIER_NOTICES,
)

KV_CONFIG = Bucket("config", history=64)
KV_STATE = Bucket("state")
KV_CLOCK = Bucket("clock")
KV_LEASE = Bucket("lease")
KV_INFLIGHT = Bucket("inflight")
KV_KEYS = Bucket("keys")
KV_CLAIMS = Bucket("claims", ttl_s=DAY)
KV_WORKERS = Bucket("workers", ttl_s=20)  # four words of a worker

BUCKETS = (KV_CONFIG, KV_STATE, KV_CLOCK, KV_LEASE, KV_INFLIGHT, KV_KEYS, KV_CLAIMS, KV_WORKERS)

ALL_ACCOUNTS = "all"  # the scope of a control that is about every account
CONTROL_ALL = "control.all"  # its key in KV `config`


def account_key(account: Key) -> str:
    """Key of an account's configuration in KV `config`."""
    return f"account.{account}"


def strategy_key(strategy: Key, version: int | None = None) -> str:
    """Key of a strategy in KV `config`: the active version, or one named version."""
    return f"strategy.{strategy}" if version is None else f"strategy.{strategy}.{version}"


def experiment_key(name: str) -> str:
    """Key of an experiment in KV `config`."""
    return f"experiment.{name}"


def venue_key(venue: str, symbol: str) -> str:
    """Key of a venue's filters for one symbol in KV `config`."""
    return f"venue.{venue}.{symbol}"
