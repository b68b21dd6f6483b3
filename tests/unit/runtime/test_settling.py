"""What becomes of a message in hand, over ports that write down what they are asked for."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from libs.runtime.deadletters import letter_error
from libs.runtime.delivered import Delivered, delivered
from libs.runtime.emit import Emit, Emits
from libs.runtime.envelope import REPLAY_FOR
from libs.runtime.errors import Later, Poison, Unavailable
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.settling import RefusedBody, Settling, parsed
from libs.schemas.analytics import Alert
from libs.schemas.dead import DeadLetter
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import MAX_MESSAGE_BYTES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAX_DELIVER = 3
INFO = Delivered("ALERTS", "ledger-alerts", 7, 1, 0, "alert.raised.in", {})
ALERT = Alert(alert_id="a", kind="model", severity="info", message="-", created_at=NOW)
FIRST, SECOND = Emit("alert.raised.one", ALERT), Emit("alert.raised.two", ALERT)


class StoreAway(Exception):
    pass


class Untold(Exception):
    pass


Answer = Callable[[], Emit | Emits | None]


@dataclass
class World:
    """Both ports and everything that was asked of them, in order. Each handling takes the next of `answers`."""

    answers: list[Answer]
    info: Delivered = INFO
    data: bytes = ALERT.model_dump_json().encode()
    body: object = ALERT
    away: tuple[type[Exception], ...] = (Unavailable, StoreAway)
    untold: tuple[type[Exception], ...] = (Untold,)
    refusing: list[Exception] = field(default_factory=list)
    stops_after: int = 1_000
    deaf: bool = False
    asked: list[str] = field(default_factory=list)
    published: list[Emit] = field(default_factory=list)
    causes: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = DeliveryMetrics(CollectorRegistry())

    async def settled(self) -> "World":
        await Settling(self, self.metrics).settle(self)
        return self

    @property
    def counted(self) -> dict[str, float]:
        samples = [sample for family in self.metrics.messages.collect() for sample in family.samples]
        return {s.labels["outcome"]: s.value for s in samples if s.name.endswith("_total")}

    @property
    def letter(self) -> DeadLetter:
        (letter,) = [emit.body for emit in self.published if isinstance(emit.body, DeadLetter)]
        return letter

    async def parse(self) -> object:
        if isinstance(self.body, Exception):
            raise self.body
        return self.body

    async def handle(self) -> Emit | Emits | None:
        self.asked.append("handle")
        return self.answers.pop(0)()

    async def ack(self) -> None:
        self._tell("ack")

    async def nak(self, delay: float) -> None:
        self._tell(f"nak {delay:g}")

    async def term(self) -> None:
        self._tell("term")

    async def in_progress(self) -> None:
        self.asked.append("in progress")

    def _tell(self, what: str) -> None:
        self.asked.append(what)
        if self.deaf:
            raise Untold

    def now(self) -> datetime:
        return NOW

    def max_deliver(self, durable: str) -> int:
        return MAX_DELIVER

    async def publish(self, emit: Emit, cause: Mapping[str, str]) -> object:
        if self.refusing:
            self.asked.append("refused")
            raise self.refusing.pop(0)
        self.asked.append(f"publish {emit.subject}")
        self.published.append(emit)
        self.causes.append(cause)
        return None

    async def stopping(self, seconds: float) -> bool:
        self.asked.append(f"wait {seconds:g}")
        self.stops_after -= 1
        return self.stops_after < 0


def gives(result: Emit | Emits | None = None) -> Answer:
    return lambda: result


def fails(error: Exception) -> Answer:
    def answer() -> None:
        raise error

    return answer


def on(**changes: object) -> Delivered:
    return replace(INFO, **changes)  # type: ignore[arg-type]


DEAD = "publish dead.ALERTS.ledger-alerts"
BROKEN = RefusedBody(letter_error(DeadLetterCode.MALFORMED, "no JSON"))
POISON = Poison(DeadLetterCode.INVALID, "of no use", "at")
OUTCOMES: dict[str, tuple[World, list[str], dict[str, float]]] = {
    "nothing follows": (World([gives()]), ["handle", "ack"], {"done": 1}),
    "what follows is stored in order before the acknowledgement": (
        World([gives((FIRST, SECOND))]),
        ["handle", "publish alert.raised.one", "publish alert.raised.two", "ack"],
        {"done": 1},
    ),
    "an acknowledgement that cannot be told is done all the same": (
        World([gives()], deaf=True),
        ["handle", "ack"],
        {"done": 1},
    ),
    "a dependency is away, then there": (
        World([fails(Unavailable("down")), fails(StoreAway()), gives(FIRST)]),
        ["handle", "wait 0.1", "handle", "wait 0.2", "handle", "publish alert.raised.one", "ack"],
        {"waited": 1, "done": 1},
    ),
    "the waiting grows to two seconds": (
        World([*[fails(StoreAway())] * 6, gives()]),
        [*[step for s in (0.1, 0.2, 0.5, 1, 2, 2) for step in ("handle", f"wait {s:g}")], "handle", "ack"],
        {"waited": 1, "done": 1},
    ),
    "a stream refuses what follows: the handler is asked again": (
        World([gives((FIRST, SECOND)), gives((FIRST, SECOND))], refusing=[Unavailable("full")]),
        ["handle", "refused", "wait 0.1", "handle", "publish alert.raised.one", "publish alert.raised.two", "ack"],
        {"waited": 1, "done": 1},
    ),
    "the process stops while it waits": (
        World([fails(Unavailable("down"))] * 2, stops_after=1),
        ["handle", "wait 0.1", "handle", "wait 0.2", "nak 0.1"],
        {"waited": 1, "handed_back": 1},
    ),
    "later": (World([fails(Later(2.5))]), ["handle", "nak 2.5"], {"later": 1}),
    "a fault of ours at the first delivery": (World([fails(KeyError("x"))]), ["handle", "nak 0.4"], {"failed": 1}),
    "a fault of ours at the second delivery": (
        World([fails(KeyError("x"))], on(deliveries=2)),
        ["handle", "nak 0.8"],
        {"failed": 1},
    ),
    "a fault of ours at the last delivery": (
        World([fails(KeyError("x"))], on(deliveries=MAX_DELIVER)),
        ["handle", DEAD, "term"],
        {"dead": 1},
    ),
    "poison for the handler": (World([fails(POISON)]), ["handle", DEAD, "term"], {"dead": 1}),
    "it does not parse": (World([], body=BROKEN), [DEAD, "term"], {"dead": 1}),
    "the parsing itself is at fault": (World([], body=ZeroDivisionError()), ["nak 0.4"], {"failed": 1}),
    "the dead letter waits too": (
        World([fails(POISON)], refusing=[Unavailable("full")]),
        ["handle", "refused", "wait 0.1", DEAD, "term"],
        {"waited": 1, "dead": 1},
    ),
    "the process stops before the dead letter is stored": (
        World([fails(POISON)], refusing=[Unavailable("full")], stops_after=0),
        ["handle", "refused", "wait 0.1", "nak 0.1"],
        {"waited": 1, "handed_back": 1},
    ),
    "a dead letter that cannot be made is a fault of ours": (
        World([], body=BROKEN, refusing=[RuntimeError("a bug")]),
        ["refused", "nak 0.4"],
        {"failed": 1},
    ),
    "it is replayed for another durable": (
        World([], on(headers={REPLAY_FOR: "gateway-alerts"})),
        ["ack"],
        {"not_for_it": 1},
    ),
    "it is replayed for this durable": (
        World([gives()], on(headers={REPLAY_FOR: "ledger-alerts"})),
        ["handle", "ack"],
        {"done": 1},
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
async def test_every_outcome_is_told_and_counted_once(name: str) -> None:
    world, asked, counted = OUTCOMES[name]
    await world.settled()
    assert world.asked == asked
    assert world.counted == counted


async def test_what_follows_carries_the_headers_of_its_cause() -> None:
    world = await World([gives(FIRST)], on(headers={"correlation-id": "c"})).settled()
    assert world.causes == [{"correlation-id": "c"}]


async def test_the_dead_letter_says_what_was_wrong_and_keeps_the_message() -> None:
    world = await World([fails(POISON)], on(deliveries=2)).settled()
    letter = world.letter
    assert (letter.error.code, letter.error.field, letter.error.message) == (DeadLetterCode.INVALID, "at", "of no use")
    assert (letter.stream, letter.durable, letter.sequence, letter.deliveries) == ("ALERTS", "ledger-alerts", 7, 2)
    assert (letter.body.encode(), letter.at) == (world.data, NOW)
    world = await World([fails(KeyError("x"))], on(deliveries=MAX_DELIVER)).settled()
    assert (world.letter.error.code, world.letter.error.message) == (DeadLetterCode.HANDLER_ERROR, "KeyError: 'x'")


async def test_a_handler_knows_the_delivery_that_it_works_on() -> None:
    seen: list[Delivered] = []

    def look() -> None:
        seen.append(delivered())

    await World([look]).settled()
    assert seen == [INFO]


async def test_a_message_that_takes_long_asks_for_more_time() -> None:
    said = asyncio.Event()

    class Slow(World):
        async def handle(self) -> None:
            await said.wait()

        async def in_progress(self) -> None:
            await super().in_progress()
            said.set()

    world = await Slow([]).settled()
    assert world.asked == ["in progress", "ack"]


def test_what_is_too_large_is_not_parsed_at_all() -> None:
    def parse(subject: str, body: bytes) -> Alert:
        raise AssertionError("it was parsed")

    refused = parsed(parse, "alert.raised.in", b"x" * (MAX_MESSAGE_BYTES + 1))
    assert isinstance(refused, RefusedBody)
    assert refused.error.code is DeadLetterCode.OVERSIZED


def test_a_decoder_may_refuse_with_a_reason() -> None:
    def refuse(subject: str, body: bytes) -> Alert:
        raise POISON

    refused = parsed(refuse, "alert.raised.in", b"{}")
    assert isinstance(refused, RefusedBody)
    assert (refused.error.code, refused.error.field) == (DeadLetterCode.INVALID, "at")
