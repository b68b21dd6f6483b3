"""What would become of messages that somebody is about to publish: the workers' own functions say it.

The intake, the admission and the market are those of a context worker; nothing is published.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from faststream.nats import NatsBroker
from pydantic import BaseModel

from cli.ask.publications import Audience, Publication, parsed
from libs.perps.admission import Admission, Doubt, DoubtKind
from libs.runtime.bus import Bus
from libs.runtime.envelope import MSG_ID
from libs.runtime.reader import Record
from libs.runtime.ticks import BadTick, TickIntake
from libs.schemas import subjects
from libs.schemas.market import FundingUpdate, MarketNote, MarketTick
from libs.schemas.matching import matches
from libs.schemas.rights import BY_NAME, PUBLISHER
from libs.schemas.strict import unknown_names
from services.context.domain.market import MarketState
from services.context.settings import Settings

_WINDOW_S = subjects.MARKET.duplicate_window_s
_MODELS: dict[str, type[BaseModel]] = {"tick": MarketTick, "funding": FundingUpdate, "note": MarketNote}


class FateKind(StrEnum):
    """How a message would end. Only what is accepted counts in what is decided."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # put aside as a dead letter
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"  # of a symbol that no account trades
    UNHEARD = "unheard"  # another source of its symbol counts
    HELD = "held"  # beyond the band: waits for the next tick
    DROPPED = "dropped"  # beyond the band, and the next tick did not confirm it
    LATE = "late"


@dataclass(slots=True)
class Fate:
    """Of one message. `line` 0 is one of the log. `code` and the field that is `wrong` are those of its dead letter."""

    line: int
    subject: str
    kind: FateKind | None = None
    code: str | None = None
    wrong: str | None = None
    said: list[str] = field(default_factory=list)

    def end(self, kind: FateKind, *said: str) -> None:
        self.kind = kind
        self.said += said


class Rehearsal:
    """Takes messages one after another, as the log would bring them. Each gets its fate at once, but for one that is
    held: its fate is known when the next tick of its symbol has come."""

    def __init__(self, audience: Audience, settings: Settings) -> None:
        self._audience = audience
        self._market = MarketState(settings.bounds())
        self._market.reserve(audience.symbols)
        self._market.read_from(0 if audience.whole else None)
        self._admission = Admission(settings.admission, self._doubt)
        self._intake = TickIntake(
            Bus(NatsBroker(), "publish-check"),  # never connected: records are handed in
            audience.clock,
            on_tick=self._tick,
            on_funding=self._funding,
            on_note=self._note,
            on_bad=self._bad,
            admission=self._admission,
        )
        self._fates: dict[int, Fate] = {}
        self._present = Fate(0, "")
        self._held: dict[str, tuple[str, Fate]] = {}  # by symbol, with its source
        self._sources: dict[tuple[str, str], str] = {}
        self._ids: dict[str, int] = {}
        self._sequence = 0
        for record in audience.heard:
            self._hear(record, Fate(0, record.subject))
            if (msg_id := (record.headers or {}).get(MSG_ID)) and self._fresh(record):
                self._ids[msg_id] = 0

    def take(self, message: Publication) -> Fate:
        """One message more. Raises nothing, whatever it holds."""
        fate = Fate(message.line, message.subject)
        if not may_publish(message.subject):
            fate.code = "no_such_subject"
            fate.end(FateKind.REFUSED, f"a publisher may publish {', '.join(BY_NAME[PUBLISHER].publishes)}")
        elif message.msg_id is not None and message.msg_id in self._ids:
            first, minutes = self._ids[message.msg_id], _WINDOW_S // 60
            place = f"line {first}" if first else "one in the log"
            fate.end(FateKind.DUPLICATE, f"its Nats-Msg-Id is that of {place}: the log takes one in {minutes} minutes")
        else:
            if message.msg_id is not None:
                self._ids[message.msg_id] = message.line
            stored_ns = int(self._audience.clock.wall().timestamp() * 1_000_000) * 1_000
            self._hear(Record(message.subject, message.body, self._sequence + 1, None, stored_ns), fate)
            fate.said += _unknown(message)
        return fate

    def stale(self) -> list[str]:
        """Symbols whose newest tick is too old to be decided on."""
        now = self._audience.clock.now()
        symbols = [track.tick.symbol for track in self._market.tracks()]
        return sorted(symbol for symbol in symbols if self._market.stale(symbol, now))

    def _fresh(self, record: Record) -> bool:
        """Whether the server still remembers the id of a stored message."""
        return self._audience.clock.wall().timestamp() - record.timestamp_ns / 1e9 < _WINDOW_S

    def _hear(self, record: Record, fate: Fate) -> None:
        self._sequence = record.sequence
        self._fates[record.sequence] = self._present = fate
        unheard = self._admission.refused[DoubtKind.SOURCE]
        self._intake.take(record)
        if fate.kind is None:
            self._unsettled(fate, record.data, unheard)

    def _unsettled(self, fate: Fate, body: bytes, unheard: int) -> None:
        """Nothing came out of the admission: another source counts, or the price is beyond the band."""
        tick = MarketTick.model_validate_json(body)
        if self._admission.refused[DoubtKind.SOURCE] > unheard:
            known = self._sources.get((tick.symbol, tick.source), f"another source than {tick.source} is listened to")
            self._sources[tick.symbol, tick.source] = "".join(fate.said) or known  # it is told of the first alone
            fate.end(FateKind.UNHEARD, *([] if fate.said else [known]))
            return
        source, before = self._held.get(tick.symbol, ("", None))
        if before is not None and source == tick.source:
            fate.end(FateKind.DUPLICATE, f"repeats {_place(before)}, which is held: that confirms nothing")
            return
        self._held[tick.symbol] = tick.source, fate
        fate.end(FateKind.HELD, f"a price of {tick.price:g} is beyond the recent ones: the next tick must confirm it")

    def _tick(self, tick: MarketTick, sequence: int) -> None:
        fate = self._fates[sequence]
        if fate.kind is FateKind.HELD:
            self._held.pop(tick.symbol, None)
            fate.said.clear()
            fate.said.append(f"was held until {_place(self._present)} confirmed it")
        before = self._counted(tick.symbol)
        self._market.on_tick(tick, sequence)
        duplicates, late, left_out = (now - then for now, then in zip(self._counted(tick.symbol), before, strict=True))
        if left_out:
            self._no_room(fate)
        elif duplicates:
            fate.end(
                FateKind.DUPLICATE, "it was heard already: the same tick_id, or the same time, price, size and source"
            )
        elif late:
            fate.end(FateKind.LATE, f"older than the newest by more than {self._market.bounds.max_out_of_order:g} s")
        else:
            self._counts(fate, tick.symbol)

    def _counted(self, symbol: str) -> tuple[int, int, int]:
        track, left_out = self._market.track(symbol), self._market.counts["unfollowed"]
        return (track.duplicates, track.too_old, left_out) if track else (0, 0, left_out)

    def _funding(self, update: FundingUpdate, sequence: int) -> None:
        fate, left_out = self._fates[sequence], self._market.counts["unfollowed"]
        self._market.on_funding(update, sequence)
        known = self._market.funding.get(update.symbol)
        if self._market.counts["unfollowed"] > left_out:
            self._no_room(fate)
        elif known is not update:
            fate.end(FateKind.LATE, "a later payment of this symbol is known")
        else:
            self._counts(fate, update.symbol)

    def _note(self, note: MarketNote, sequence: int) -> None:
        fate, left_out = self._fates[sequence], self._market.counts["unfollowed"]
        self._market.on_note(note, sequence)
        if self._market.counts["unfollowed"] > left_out:
            self._no_room(fate)
        elif note.expires_at <= self._audience.clock.now():
            fate.end(FateKind.LATE, "expires_at is past: no model is told of it")
        else:
            self._counts(fate, note.symbol)

    def _bad(self, bad: BadTick) -> None:
        fate = self._present
        fate.code, fate.wrong = bad.code.value, bad.field
        fate.end(FateKind.REFUSED, bad.message)

    def _doubt(self, doubt: Doubt) -> None:
        if doubt.kind is DoubtKind.PRICE:
            _, fate = self._held.pop(doubt.symbol, ("", None))
            if fate is not None:
                fate.said.clear()
                fate.end(FateKind.DROPPED, doubt.message)
            return
        self._present.said.append(doubt.message)

    def _counts(self, fate: Fate, symbol: str | None) -> None:
        if symbol is None or symbol in self._audience.symbols:
            fate.end(FateKind.ACCEPTED)
        else:
            fate.end(FateKind.FOREIGN, f"no account trades {symbol}; it is followed while there is room")

    def _no_room(self, fate: Fate) -> None:
        most = self._market.bounds.max_symbols
        fate.end(FateKind.FOREIGN, f"no account trades it, and {most} symbols are followed (PERPETUA_MAX_SYMBOLS)")


def rehearse(messages: Sequence[Publication], audience: Audience, settings: Settings) -> tuple[list[Fate], list[str]]:
    """The fate of each, in order, and the symbols whose newest tick is too old when all have been heard."""
    rehearsal = Rehearsal(audience, settings)
    return [rehearsal.take(message) for message in messages], rehearsal.stale()


def may_publish(subject: str) -> bool:
    """Whether the user `publisher` of the bus may publish to it, as one message."""
    plain = not any(part in ("", "*", ">") for part in subject.split(".")) and not any(c.isspace() for c in subject)
    return plain and any(matches(pattern, subject) for pattern in BY_NAME[PUBLISHER].publishes)


def _unknown(message: Publication) -> list[str]:
    """Fields that nobody reads: typing mistakes, mostly. The workers pass over them."""
    kind = message.subject.split(".")[1]
    return [
        f"{unknown.path[-1]} is not read: {unknown}" for unknown in unknown_names(_MODELS[kind], parsed(message.body))
    ]


def _place(fate: Fate) -> str:
    return f"line {fate.line}" if fate.line else "the newest tick in the log"
