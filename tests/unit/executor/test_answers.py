"""Every documented reply, as ccxt words it, and what it means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.reasons import OrderReason
from services.executor.domain.answers import Failure, Meaning, banned_until_ms, detail, meaning, reply
from services.executor.domain.differences import ASTER, BINANCEUSDM
from services.executor.domain.replies import Exists, NotSent, Rejected, Unknown

NOW = datetime(2026, 5, 4, tzinfo=UTC)
BASE = ("BaseError", "Exception")
EXCHANGE = ("ExchangeError", *BASE)
NETWORK = ("NetworkError", "OperationFailed", *BASE)


DDOS = ("DDoSProtection", *NETWORK)
AWAY = ("ExchangeNotAvailable", *NETWORK)


def said(code: int, *classes: str, status: int | None = None) -> Failure:
    return Failure((*classes, *BASE), f'aster {{"code":{code},"msg":"whatever"}}', status)


CASES = [
    ("a 503 with a plain body", Failure(AWAY, "aster POST https://x/y 503 Service"), Meaning.UNKNOWN),
    ("a 503 with a code that reads like a no", said(-1008, "RateLimitExceeded", status=503), Meaning.UNKNOWN),
    ("a 500 that ccxt files as rejected", said(-1000, "OperationRejected", status=500), Meaning.UNKNOWN),
    ("an unknown error with status 400", said(-1000, "OperationRejected", status=400), Meaning.UNKNOWN),
    ("408", said(-1007, "RequestTimeout", status=408), Meaning.UNKNOWN),
    ("our own time-out", Failure(("RequestTimeout", *NETWORK), "aster POST https://x/y"), Meaning.UNKNOWN),
    ("a dropped connection", Failure(AWAY, "Server disconnected"), Meaning.UNKNOWN),
    ("a socket error", Failure(("ConnectionResetError", "ConnectionError", "OSError", "Exception")), Meaning.UNKNOWN),
    ("an unexpected response", said(-1006, "BadResponse"), Meaning.UNKNOWN),
    ("disconnected", said(-1001, *NETWORK), Meaning.UNKNOWN),
    ("a code that nobody knows", said(-9999, *EXCHANGE), Meaning.UNKNOWN),
    ("an answer that is no JSON", Failure(("BadResponse", *BASE), "<html>"), Meaning.UNKNOWN),
    ("429", said(-1003, "RateLimitExceeded", status=429), Meaning.NOT_SENT),
    ("429 that ccxt calls a DDoS protection", Failure(DDOS, "binanceusdm 429 Too Many"), Meaning.NOT_SENT),
    ("418 that ccxt calls the same", Failure(DDOS, "binanceusdm 418 I'm a teapot"), Meaning.BANNED),
    ("418 with a body", said(-1003, "RateLimitExceeded", status=418), Meaning.BANNED),
    ("too many orders a minute", said(-1015, "RateLimitExceeded"), Meaning.NOT_SENT),
    ("too many open orders: waiting does not help", said(-2025, "RateLimitExceeded"), Meaning.REJECTED),
    ("too many stops", said(-4045, "RateLimitExceeded"), Meaning.REJECTED),
    ("a duplicate id, to ccxt a bad request", said(-4116, "BadRequest"), Meaning.EXISTS),
    ("an address on a white list, to ccxt a duplicate order", said(-1004, "DuplicateOrderId"), Meaning.UNAUTHORISED),
    ("the clock is off", said(-1021, "InvalidNonce"), Meaning.CLOCK),
    ("a wrong signature", said(-1022, "AuthenticationError"), Meaning.UNAUTHORISED),
    ("no such order", said(-2013, "OrderNotFound"), Meaning.NOT_FOUND),
    ("nothing to cancel", said(-2011, "OrderNotFound"), Meaning.NOT_FOUND),
    ("no money", said(-2019, "InsufficientFunds"), Meaning.REJECTED),
    ("a stop that would trigger", said(-2021, "OrderImmediatelyFillable"), Meaning.REJECTED),
    ("margin mode as it was", said(-4046, "NoChange"), Meaning.UNCHANGED),
]


@pytest.mark.parametrize(("failure", "means"), [pytest.param(f, m, id=name) for name, f, m in CASES])
@pytest.mark.parametrize("venue", [ASTER, BINANCEUSDM], ids=lambda v: v.name)
def test_a_reply_means_what_the_venue_documents(venue: object, failure: Failure, means: Meaning) -> None:
    assert meaning(venue, failure) is means  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-2019, OrderReason.INSUFFICIENT_MARGIN),
        (-2021, OrderReason.WOULD_MATCH),
        (-5022, OrderReason.WOULD_MATCH),
        (-2022, OrderReason.POSITION_CLOSED),
        (-4164, OrderReason.FILTER),
        (-1111, OrderReason.FILTER),
        (-2025, OrderReason.VENUE_ERROR),
    ],
)
def test_a_rejection_has_a_reason(code: int, reason: OrderReason) -> None:
    answer = reply(ASTER, said(code, *EXCHANGE), "a" * 32, NOW, 0.5)
    assert isinstance(answer, Rejected)
    assert answer.reason is reason


@given(
    status=st.sampled_from([408, 500, 502, 503, 504, 520]),
    code=st.integers(-9999, -1000),
    name=st.sampled_from(["InvalidOrder", "BadRequest", "DuplicateOrderId", "RateLimitExceeded", "OrderNotFound"]),
)
def test_a_server_error_is_never_a_no_whatever_its_body_says(status: int, code: int, name: str) -> None:
    assert isinstance(reply(BINANCEUSDM, said(code, name, status=status), "a" * 32, NOW, 0.5), Unknown)


def test_not_found_is_final_only_after_the_window_and_the_skew() -> None:
    failure = Failure(("RequestTimeout", *NETWORK))
    short, long = reply(BINANCEUSDM, failure, "a" * 32, NOW, 0.5), reply(ASTER, failure, "a" * 32, NOW, 0.5)
    assert isinstance(short, Unknown)
    assert isinstance(long, Unknown)
    assert short.settled_at == NOW + timedelta(seconds=1.5)
    assert long.settled_at == NOW + timedelta(seconds=5.5), "aster's nonce cannot be given a shorter window"


def test_what_waiting_does_not_help_says_so() -> None:
    assert reply(ASTER, said(-4116, *EXCHANGE), "a", NOW, 0) == Exists("a")
    for failure in (said(-1003, status=418), said(-2015, "AuthenticationError")):
        answer = reply(ASTER, failure, "a", NOW, 0)
        assert isinstance(answer, NotSent)
        assert answer.retry_after_s is None


def test_the_end_of_a_ban_is_read() -> None:
    assert banned_until_ms(Failure((), "IP banned until 1777896000000.")) == 1_777_896_000_000
    assert banned_until_ms(Failure((), "IP banned")) is None


def test_addresses_signatures_and_keys_are_cut_out_of_what_is_told() -> None:
    text = "aster GET https://fapi.x/order?signature=0xabc&user=1 503 apiKey=hush signature=0xdef " + "x" * 500
    cut = detail(Failure((), text))
    assert len(cut) <= 200
    assert not any(word in cut for word in ("0xabc", "hush", "0xdef", "https"))
