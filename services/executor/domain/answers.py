"""What a live venue's refusal or silence means: rejected, unknown, exists, not sent. Never guessed from a class alone.

Codes come first, ccxt's exception classes second: ccxt files "too many open orders" under its rate limits, a duplicate
client id under bad requests, and -1004 (an IP on a white list) under duplicate orders.
Sources: Binance USD-M "Error Codes" and "General Info" (HTTP 503, 429, 418); Aster futures v3 "Error codes".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.schemas.reasons import OrderReason
from services.executor.domain.differences import Differences
from services.executor.domain.replies import Exists, NotSent, Rejected, Reply, Unknown

DETAIL = 200
RETRY_S = 1.0
CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')
STATUS = re.compile(r"\b(4\d\d|5\d\d)\b")
BANNED_UNTIL = re.compile(r"banned until (\d{13})")


class Meaning(StrEnum):
    """What became of a request."""

    REJECTED = "rejected"
    UNKNOWN = "unknown"
    EXISTS = "exists"
    NOT_SENT = "not_sent"
    BANNED = "banned"
    UNAUTHORISED = "unauthorised"
    CLOCK = "clock"
    NOT_FOUND = "not_found"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception of the client as values: names of its classes (nearest first), HTTP status, the venue's code, text.

    `retry_after_s` is the header's.
    """

    classes: tuple[str, ...]
    text: str = ""
    status: int | None = None
    retry_after_s: float | None = None

    @property
    def code(self) -> str | None:
        found = CODE.search(self.text)
        return found.group(1) if found else None


_REASONS: Mapping[str, OrderReason] = {
    **dict.fromkeys(("-2018", "-2019", "-2024", "-2027", "-4050", "-4051", "-4118"), OrderReason.INSUFFICIENT_MARGIN),
    **dict.fromkeys(("-2021", "-5022"), OrderReason.WOULD_MATCH),
    **dict.fromkeys(
        (
            *("-1111", "-1013", "-4001", "-4002", "-4003", "-4004", "-4005", "-4006", "-4007", "-4013", "-4014"),
            *("-4016", "-4023", "-4024", "-4131", "-4164", "-4183", "-4184", "-5060", "-5076"),
        ),
        OrderReason.FILTER,
    ),
    **dict.fromkeys(("-2022", "-4138"), OrderReason.POSITION_CLOSED),
}
_BINANCE: Mapping[str, Meaning] = {
    **dict.fromkeys(("-1000", "-1001", "-1006", "-1007", "-1010"), Meaning.UNKNOWN),
    **dict.fromkeys(("-1003", "-1008", "-1015", "-1016"), Meaning.NOT_SENT),
    **dict.fromkeys(("-1002", "-1022", "-2014", "-2015", "-1011", "-4056", "-4087", "-4088"), Meaning.UNAUTHORISED),
    "-1021": Meaning.CLOCK,
    **dict.fromkeys(("-4111", "-4115", "-4116"), Meaning.EXISTS),
    **dict.fromkeys(("-2011", "-2013"), Meaning.NOT_FOUND),
    **dict.fromkeys(("-4046", "-4059"), Meaning.UNCHANGED),
    **dict.fromkeys(_REASONS, Meaning.REJECTED),
    # ccxt calls these two a rate limit: waiting does not help an order that is one too many.
    **dict.fromkeys(("-2025", "-4045"), Meaning.REJECTED),
    "-1004": Meaning.UNAUTHORISED,
}
CODES: Mapping[str, Mapping[str, Meaning]] = {
    "binance": _BINANCE,
    "bybit": {"10002": Meaning.CLOCK, "10006": Meaning.NOT_SENT, "110072": Meaning.EXISTS, "110001": Meaning.NOT_FOUND},
    "okx": {"50011": Meaning.NOT_SENT, "51016": Meaning.EXISTS, "51603": Meaning.NOT_FOUND, "50102": Meaning.CLOCK},
    "hyperliquid": {},
}
# The nearest class that is named here decides; only what proves that the venue said no may be a rejection.
CLASSES: Mapping[str, Meaning] = {
    "OrderNotFound": Meaning.NOT_FOUND,
    "DuplicateOrderId": Meaning.EXISTS,
    "InvalidNonce": Meaning.CLOCK,
    "NoChange": Meaning.UNCHANGED,
    "RateLimitExceeded": Meaning.NOT_SENT,
    "DDoSProtection": Meaning.NOT_SENT,
    "AuthenticationError": Meaning.UNAUTHORISED,
    "InsufficientFunds": Meaning.REJECTED,
    "InvalidOrder": Meaning.REJECTED,
    "BadRequest": Meaning.REJECTED,
    "ArgumentsRequired": Meaning.REJECTED,
    "NotSupported": Meaning.REJECTED,
    "OperationRejected": Meaning.REJECTED,
}


def meaning(venue: Differences, failure: Failure) -> Meaning:
    """Of one failed request. What is not known to be a no is `unknown`: an order may rest behind it."""
    status = failure.status or _status(failure.text)
    if status == 418 or "banned" in failure.text:
        return Meaning.BANNED
    if status == 429:
        return Meaning.NOT_SENT
    if status is not None and (status >= 500 or status == 408):
        return Meaning.UNKNOWN
    if failure.code is not None and (known := CODES[venue.request_family].get(failure.code)) is not None:
        return known
    return next((CLASSES[name] for name in failure.classes if name in CLASSES), Meaning.UNKNOWN)


def reason(failure: Failure) -> OrderReason:
    """Why the venue said no."""
    if "InsufficientFunds" in failure.classes:
        return OrderReason.INSUFFICIENT_MARGIN
    if "OrderImmediatelyFillable" in failure.classes:
        return OrderReason.WOULD_MATCH
    return _REASONS.get(failure.code or "", OrderReason.VENUE_ERROR)


def reply(venue: Differences, failure: Failure, client_order_id: str, signed: datetime, skew_s: float) -> Reply:
    """The answer to an order. `signed` is the time in its signature, `skew_s` how far the clocks may be apart."""
    said = detail(failure)
    match meaning(venue, failure):
        case Meaning.EXISTS:
            return Exists(client_order_id)
        case Meaning.REJECTED | Meaning.NOT_FOUND | Meaning.UNCHANGED:
            return Rejected(client_order_id, reason(failure), said)
        case Meaning.NOT_SENT | Meaning.CLOCK:
            return NotSent(client_order_id, failure.retry_after_s or RETRY_S, said)
        case Meaning.BANNED | Meaning.UNAUTHORISED:
            return NotSent(client_order_id, None, said)
        case Meaning.UNKNOWN:
            return Unknown(client_order_id, settled_at(venue, signed, skew_s), said)


def settled_at(venue: Differences, signed: datetime, skew_s: float) -> datetime:
    """From when on "not found" is final: a request that is on its way still may arrive until then."""
    return signed + timedelta(milliseconds=venue.validity_ms, seconds=skew_s)


def banned_until_ms(failure: Failure) -> int | None:
    """When a ban ends, in milliseconds since 1970, where the venue tells."""
    found = BANNED_UNTIL.search(failure.text)
    return int(found.group(1)) if found else None


def detail(failure: Failure) -> str:
    """The venue's words, short, and without the address that was asked: signatures and keys are in its query."""
    text = re.sub(r"https?://\S+", "", failure.text)
    text = re.sub(r"(?i)\b(signature|apikey|privatekey|secret|listenkey)=\S+", "", text)
    return " ".join(text.split())[:DETAIL]


def _status(text: str) -> int | None:
    """ccxt puts it into the text of its own errors: `aster POST https://… 503 Service Unavailable …`."""
    if CODE.search(text):  # a body with a code: numbers in it are no status
        text = text.partition("{")[0]
    found = STATUS.search(re.sub(r"https?://\S+", "", text))
    return int(found.group(1)) if found else None
