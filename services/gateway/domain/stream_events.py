"""Events of a stream: what of the log is on which channel, and how one is written."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from libs.schemas.base import Message
from libs.schemas.events import decode_event
from libs.schemas.market import FundingUpdate, MarketTick
from libs.schemas.orders import OrderEvent, PositionEvent
from libs.schemas.subjects import AUDIT, DECISIONS, ORDERS
from libs.schemas.topology import Stream

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GLOBAL = "global"  # an alert of no account
_SPOKEN = {"calls": {"__all__": {"system_prompt", "user_prompt", "raw_response", "reasoning"}}}


class Channel(StrEnum):
    DECISIONS = "decisions"
    ORDERS = "orders"
    POSITIONS = "positions"
    MARKET = "market"
    ALERTS = "alerts"


@dataclass(frozen=True, slots=True)
class LoggedChannels:
    """One stream of the log, the subjects of it that are streamed, and the channels that they are on."""

    stream: Stream
    filters: tuple[str, ...]
    channels: frozenset[Channel]


LOGS = (
    LoggedChannels(DECISIONS, DECISIONS.subjects, frozenset({Channel.DECISIONS})),
    LoggedChannels(ORDERS, ORDERS.subjects, frozenset({Channel.ORDERS, Channel.POSITIONS})),
    LoggedChannels(AUDIT, ("alert.raised.*",), frozenset({Channel.ALERTS})),
)
_CHANNELS = {
    "decision": Channel.DECISIONS,
    "order": Channel.ORDERS,
    "position": Channel.POSITIONS,
    "alert": Channel.ALERTS,
}


@dataclass(frozen=True)
class LoggedEvent:
    """One event of the log number `log`. Its body is read once, when the first client wants it."""

    log: int
    sequence: int
    stored_ns: int
    subject: str
    body: bytes

    @cached_property
    def kind(self) -> str:
        """Its subject without the account: `order.filled`."""
        return self.subject.rpartition(".")[0]

    @cached_property
    def channel(self) -> Channel:
        return _CHANNELS[self.subject.partition(".")[0]]

    @cached_property
    def account_id(self) -> str | None:
        """None for what is about no account."""
        account = self.subject.rpartition(".")[2]
        return None if account == _GLOBAL else account

    @cached_property
    def symbols(self) -> frozenset[str]:
        """Those that it is about; none where it is about no single ones."""
        return frozenset() if self.message is None else _symbols(self.message)

    @cached_property
    def tail(self) -> str:
        """The event as JSON, behind its id."""
        stream = LOGS[self.log].stream.name
        data = "null" if self.message is None else _body(self.message)
        return (
            f'"type":{json.dumps(self.kind)},"channel":"{self.channel}","account_id":{json.dumps(self.account_id)},'
            f'"stored_at":"{_written(self.stored_ns)}","ref":"{stream}/{self.sequence}","data":{data}}}'
        )

    @cached_property
    def message(self) -> Message | None:
        """None where it cannot be read: a stream tells that there is something, as the history tells it."""
        try:
            return decode_event(self.subject, self.body)
        except (ValidationError, KeyError):
            return None


@dataclass(frozen=True)
class MarketEvent:
    """The newest tick or funding of a symbol. `order` counts what this process has heard of the market."""

    order: int
    sequence: int
    told: MarketTick | FundingUpdate

    @cached_property
    def kind(self) -> str:
        return "market.tick" if isinstance(self.told, MarketTick) else "market.funding"

    @cached_property
    def tail(self) -> str:
        return (
            f'"type":"{self.kind}","channel":"market","account_id":null,"stored_at":null,'
            f'"ref":"MARKET/{self.sequence}","data":{_body(self.told)}}}'
        )


def notice(kind: str, data: dict[str, Any]) -> str:
    """What a stream says of itself, behind its id."""
    return f'"type":"{kind}","data":{json.dumps(data)}}}'


def _body(message: Message) -> str:
    """Without what models were told and said, which is long: it is in the record of the decision."""
    return message.model_dump_json(
        exclude_none=True, exclude=_SPOKEN if "calls" in type(message).model_fields else None
    )


def _symbols(message: Message) -> frozenset[str]:
    if isinstance(message, OrderEvent):
        return frozenset({message.intent.symbol})
    if isinstance(message, PositionEvent):
        return frozenset({message.symbol})
    decision = getattr(message, "decision", None)
    return frozenset(asset.asset for asset in decision.decisions) if decision else frozenset()


def _written(stored_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=stored_ns // 1_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
