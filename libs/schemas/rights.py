"""Who may do what on the bus: one row for each user. The configuration of nats-server is made of this table
(`cli/embedded/bus_users.py`, `deploy/nats/nats.conf`) and the matrix of tests tries every cell of it.

A user may publish what it is named for, pull from its own durables, and read the streams that it needs. The API of
JetStream is open to it for these things alone: no user but `admin` makes, changes, empties or deletes a stream.
"""

from dataclasses import dataclass

from libs.schemas import subjects
from libs.schemas.kv_keys import EXECUTED_KEY, LOOKED_KEY
from libs.schemas.matching import matches
from libs.schemas.topology import Durable

ADMIN, PUBLISHER, OBSERVER, KEEPER = "admin", "publisher", "observer", "keeper"
ADVISORIES = "$JS.EVENT."  # the server publishes these itself


@dataclass(frozen=True, slots=True)
class BusUser:
    """`publishes` are subjects, keys of KV buckets among them; `pulls` durables; `reads` streams that it follows or
    gets single messages of; `asks` streams whose durables it looks at. `everything` is what provisioning needs. Who is
    `inside` is in the account of the streams itself: a snapshot that is sent back from another account arrives with a
    header in each part, and is refused."""

    name: str
    publishes: tuple[str, ...] = ()
    pulls: tuple[Durable, ...] = ()
    reads: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    everything: bool = False
    inside: bool = False

    @property
    def inbox(self) -> str:
        """What its replies begin with: with a common prefix everybody would read the replies of all."""
        return inbox_prefix(self.name)

    @property
    def allowed(self) -> tuple[str, ...]:
        """What it may publish to besides the API: its own subjects, dead letters and acknowledgements of its durables,
        and the flow control of what it reads."""
        if self.everything:
            return (*HEADS, "$KV.>", "$JS.ACK.>", "$JS.FC.>")
        dead = tuple(subjects.dead(one.stream, one.name) for one in self.pulls)
        acks = tuple(f"$JS.ACK.{one.stream}.{one.name}.>" for one in self.pulls)
        flow = tuple(f"$JS.FC.{stream}.>" for stream in self.reads)
        return tuple(dict.fromkeys((*self.publishes, *_uncovered(dead, self.publishes), *acks, *flow)))

    @property
    def api(self) -> tuple[str, ...]:
        """Of JetStream's API, without `$JS.API.`."""
        if self.everything:
            return (">",)
        if not (self.pulls or self.reads):
            return ()
        pulls = (f"CONSUMER.MSG.NEXT.{one.stream}.{one.name}" for one in self.pulls)
        looks = (f"CONSUMER.INFO.{one.stream}.{one.name}" for one in self.pulls if one.stream not in self.asks)
        asks = (f"CONSUMER.INFO.{stream}.*" for stream in self.asks)
        reads = (
            f"{call}.{stream}{rest}"
            for stream in self.reads
            for call, rest in (
                ("CONSUMER.CREATE", ".*"),
                ("CONSUMER.DELETE", ".*"),
                ("STREAM.MSG.GET", ""),
                ("DIRECT.GET", ""),
                ("DIRECT.GET", ".>"),
            )
        )
        return ("STREAM.INFO.*", *pulls, *looks, *asks, *reads)

    @property
    def denied(self) -> tuple[str, ...]:
        """Of the API, what `api` would let through: a reader makes and deletes consumers of its own, whose names nobody
        knows before, but never a durable. Trap: under `CONSUMER.CREATE.<stream>` alone the name stands in the request,
        where no permission sees it, and the durable of another can be given another filter."""
        if self.everything:
            return ()
        others = (one for one in subjects.DURABLES if one.stream in self.reads)
        return tuple(f"CONSUMER.{do}.{one.stream}.{one.name}" for one in others for do in ("CREATE", "DELETE"))


def inbox_prefix(user: str) -> str:
    return f"_INBOX_{user}"


def _uncovered(wanted: tuple[str, ...], patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one in wanted if not any(matches(pattern, one) for pattern in patterns))


def _kv(*buckets: str) -> tuple[str, ...]:
    return tuple(f"KV_{bucket}" for bucket in buckets)


def _of(worker: str) -> tuple[Durable, ...]:
    return tuple(one for one in subjects.DURABLES if one.name.startswith(f"{worker}-"))


STORED = tuple(one for stream in subjects.STREAMS for one in stream.subjects if not one.startswith(ADVISORIES))
HEADS = tuple(dict.fromkeys(f"{one.partition('.')[0]}.>" for one in STORED))
_OPEN = tuple(one.name for one in subjects.BUCKETS if one not in (subjects.KV_KEYS, subjects.KV_CLAIMS))
_EVERY_STREAM = (*(one.name for one in subjects.STREAMS), *_kv(*_OPEN))  # but those that hold secrets of callers
_KEPT = (
    *(f"$JS.API.STREAM.{call}" for call in ("NAMES", "INFO.*", "SNAPSHOT.*", "RESTORE.*")),
    *("$JS.SNAPSHOT.ACK.>", "$JS.SNAPSHOT.RESTORE.>"),
)
_PUBLISHED = (subjects.TICK_ANY, "market.tick.*", "market.funding.*", "market.note.*")

USERS = (
    BusUser(
        "feed",
        (
            "market.tick.*",
            "market.funding.*",
            "market.note.*",
            "market.candle.*.*",
            "$KV.clock.market",
            "$KV.lease.feed.>",
            "$KV.workers.feed.>",
        ),
        reads=("MARKET", "CANDLES", "REQUESTS", "DECISIONS", *_kv("clock", "lease")),
        asks=("EXECUTION",),
    ),
    BusUser(
        "context",
        (
            "decision.requested.*",
            "decision.answered.*",
            "decision.rejected.*",
            "context.built.*",
            "context.shadowed.*",
            "market.candle.*.*",
            "alert.raised.*",
            subjects.dead("MARKET", "context-ticks"),
            "$KV.inflight.>",
            f"$KV.lease.{LOOKED_KEY}",
            "$KV.workers.context.>",
        ),
        _of("context"),
        (
            "MARKET",
            "CANDLES",
            "REQUESTS",
            "DECISIONS",
            "ORDERS",
            "DEAD",
            *_kv("clock", "config", "state", "inflight", "lease"),
        ),
    ),
    BusUser(
        "decider",
        (
            "decision.proposed.*",
            "decision.rejected.*",
            "decision.evaluated.*",
            "alert.raised.*",
            "$KV.workers.decider.>",
        ),
        _of("decider"),
        ("DECISIONS", *_kv("clock", "config")),
    ),
    BusUser(
        "validator",
        ("decision.validated.*", "decision.rejected.*", "decision.evaluated.*", "$KV.workers.validator.>"),
        _of("validator"),
        ("MARKET", *_kv("clock", "config", "state")),
    ),
    BusUser(
        "executor",
        (
            "order.*.*",
            "position.*.*",
            "account.changed.*",
            "alert.raised.*",
            "$KV.state.>",
            f"$KV.config.{subjects.CONTROL_ALL}",
            f"$KV.lease.{EXECUTED_KEY}",
            "$KV.workers.executor.>",
        ),
        _of("executor"),
        ("MARKET", *_kv("clock", "config", "state")),
    ),
    BusUser(
        "ledger",
        (
            "alert.raised.*",
            "control.requested.*",
            "decision.rejected.*",
            "decision.evaluated.*",
            "dead.*.*",
            "account.changed.*",
            "strategy.changed.*",
            "config.changed.>",
            "$KV.workers.ledger.>",
        ),
        _of("ledger"),
        _EVERY_STREAM,
    ),
    BusUser(
        "gateway",
        (
            "market.tick.*",
            "decision.requested.*",
            "control.requested.*",
            "config.changed.>",
            "alert.raised.*",
            "notice.requested.*",
            "letter.replayed.*",
            "$KV.config.>",
            "$KV.keys.>",
            "$KV.claims.>",
            "$KV.workers.gateway.>",
        ),
        reads=(
            "MARKET",
            "CANDLES",
            "CONTEXTS",
            "DECISIONS",
            "ORDERS",
            "AUDIT",
            "DEAD",
            *_kv("clock", "config", "state", "keys", "claims", "workers"),
        ),
        asks=_EVERY_STREAM,
    ),
    BusUser(
        "notifier",
        ("notice.requested.*", "notice.settled.*", "$KV.workers.notifier.>"),
        _of("notifier"),
        _kv("clock"),
    ),
    BusUser(ADMIN, everything=True),
    BusUser(OBSERVER, reads=_EVERY_STREAM, asks=_EVERY_STREAM),
    BusUser(PUBLISHER, _PUBLISHED),
    BusUser(KEEPER, _KEPT, inside=True),
)
BY_NAME = {one.name: one for one in USERS}
