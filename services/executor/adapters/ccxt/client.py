"""One ccxt exchange: opened lazily, asked one request at a time in order of priority, its exceptions made values."""

import importlib
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Protocol
from urllib.parse import urlsplit

from libs.runtime import tracing
from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable
from libs.schemas.symbols import unified
from services.executor.adapters.ccxt.pace import Pace, Stopped
from services.executor.adapters.credentials import Credential
from services.executor.domain.answers import Failure, Meaning, banned_until_ms, detail, meaning
from services.executor.domain.differences import Differences
from services.executor.domain.replies import Priority
from services.executor.domain.unified import amount, at

TIMEOUT_MS = 5_000
BAN_S = 120.0  # the shortest ban that the venues document is two minutes
# What a parser of the library raises on a body that it does not expect: the request was sent all the same.
UNPARSED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
CREDENTIALS = {"KEY": "apiKey", "SECRET": "secret", "PASSPHRASE": "password"}


class CcxtExchange(Protocol):
    """What is used of a ccxt exchange besides its methods, which are called by name."""

    markets: Any
    urls: dict[str, Any]
    options: dict[str, Any]

    async def load_markets(self) -> Any: ...
    async def close(self) -> None: ...


class Failed(Exception):
    """A request that the venue did not answer with what was asked for."""

    def __init__(self, failure: Failure, means: Meaning) -> None:
        super().__init__(f"{means}: {detail(failure)}")
        self.failure = failure
        self.means = means


@dataclass(slots=True)
class _Response:
    status: int | None = None
    retry_after_s: float | None = None


_response: ContextVar[_Response | None] = ContextVar("response", default=None)


def open_exchange(
    venue: Differences, credential: Credential | None, *, demo: bool = False
) -> tuple[CcxtExchange, type]:
    """A ccxt.pro exchange and the base class of ccxt's errors. Imports ccxt: 118 MiB, seconds."""
    pro, errors = importlib.import_module("ccxt.pro"), importlib.import_module("ccxt.base.errors")
    config: dict[str, Any] = {"enableRateLimit": False, "timeout": TIMEOUT_MS, "options": dict(venue.options)}
    if credential is not None and venue.secrets == "wallet_key":
        config["privateKey"] = credential.parts["KEY"]
    elif credential is not None:
        config |= {CREDENTIALS[part]: value for part, value in credential.parts.items()}
    logging.getLogger("ccxt").setLevel(logging.WARNING)  # at DEBUG it writes headers, keys among them
    exchange: Any = getattr(pro, venue.name)(config)
    exchange.balance.setdefault("swap", {})  # aster's reader dies of the first ACCOUNT_UPDATE without it
    if demo:
        exchange.enable_demo_trading(True)
    return exchange, errors.BaseError


def redirect(exchange: CcxtExchange, base: str) -> None:
    """Send everything to `base` (a fake, a proxy) instead; the host that was meant becomes the head of the path."""
    plain = urlsplit(base)

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(one) for name, one in value.items()}
        if not isinstance(value, str) or "://" not in value:
            return value
        parts = urlsplit(value)
        scheme = "ws" if parts.scheme.startswith("ws") else "http"
        return f"{scheme}://{plain.netloc}/{parts.netloc}{parts.path}"

    exchange.urls["api"] = moved(exchange.urls["api"])


class Client:
    """`base_error` is the class of all errors of the exchange's library."""

    def __init__(
        self,
        venue: Differences,
        exchange: CcxtExchange,
        base_error: type[Exception],
        clock: Clock,
        credential: Credential,
    ) -> None:
        self.venue = venue
        self.exchange = exchange
        self.clock = clock
        self.skew = timedelta()
        self.errors = (base_error, OSError, TimeoutError, *UNPARSED)
        self._credential = credential
        self._pace = Pace(venue.requests_per_s, clock.monotonic)
        self._last_ms = 0
        self._stale_clock = False
        self._hook()

    async def call(self, priority: Priority, method: str, *args: Any) -> Any:
        """One request. Raises Failed for whatever is no answer."""
        response = _Response()
        token = _response.set(response)
        try:
            await self._pace.turn(priority)
            if self._stale_clock and method != "fetch_time":
                self._stale_clock = False
                await self.sync()
            asked = {"peer.service": self.venue.name, "rpc.method": method}
            with (
                tracing.client(f"venue {method}", asked),
                localcontext(),
            ):  # ccxt sets rounding and traps of the decimal context that it finds, for good
                return await getattr(self.exchange, method)(*args)
        except Stopped as stopped:
            raise Failed(Failure((), f"418 {stopped}", 418), Meaning.BANNED) from None
        except self.errors as error:
            raise self._failed(error, response) from None  # ccxt's text may hold a signed address
        finally:
            _response.reset(token)

    async def ask(self, priority: Priority, method: str, *args: Any) -> Any:
        """A question: whatever is no answer is Unavailable, but for "not found" and "no change", which stay Failed."""
        try:
            return await self.call(priority, method, *args)
        except Failed as failed:
            if failed.means in (Meaning.NOT_FOUND, Meaning.UNCHANGED):
                raise
            raise Unavailable(f"{self.venue.name} cannot be asked ({method}): {failed}") from None

    async def load(self) -> None:
        """Markets once; later calls cost nothing. Raises Unavailable."""
        if not self.exchange.markets:
            await self.ask(Priority.RECONCILE, "load_markets")

    async def sync(self) -> None:
        """Measure how far the venue's clock is ahead of ours; half of the round trip is its error."""
        before = self.clock.wall()
        server = await self.server_time()
        after = self.clock.wall()
        self.skew = server - (before + (after - before) / 2)
        self.exchange.milliseconds = self.milliseconds  # type: ignore[attr-defined]

    def milliseconds(self) -> int:
        """The venue's time, for ccxt to sign with; never the same twice where it becomes a nonce."""
        now = int((self.clock.wall() + self.skew).timestamp() * 1_000)
        self._last_ms = max(now, self._last_ms + 1) if self.venue.signing == "nonce" else now
        return self._last_ms

    async def server_time(self) -> datetime:
        found = at(await self.ask(Priority.RECONCILE, "fetch_time"))
        if found is None:
            raise Unavailable(f"{self.venue.name} does not tell its time")
        return found

    def symbol(self, symbol: str) -> str:
        """ccxt's name of ours. Raises Unavailable where the venue has no such perpetual."""
        name = unified(symbol)
        if name is None or name not in (self.exchange.markets or {}):
            raise Unavailable(f"{self.venue.name} has no linear perpetual {symbol}; take it off the account's symbols")
        return name

    def market(self, symbol: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.exchange.markets[self.symbol(symbol)]
        return found

    def size(self, body: Mapping[str, Any]) -> Decimal:
        """Base units of one contract of the body's symbol."""
        return amount((self.exchange.markets or {}).get(body.get("symbol"), {}).get("contractSize")) or Decimal(1)

    async def close(self) -> None:
        await self.exchange.close()

    def _failed(self, error: Exception, response: _Response) -> Failed:
        names = tuple(kind.__name__ for kind in type(error).__mro__)
        text = self._credential.clean(str(error))
        failure = Failure(names, text, response.status, response.retry_after_s)
        means = meaning(self.venue, failure)
        if means is Meaning.NOT_SENT:
            self._pace.hold(response.retry_after_s or 1.0)
        elif means is Meaning.CLOCK:
            self._stale_clock = True  # a clock that was set since then: measured before the next request
        elif means is Meaning.BANNED:
            self._pace.stop(self._ban_s(failure))
        return Failed(failure, means)

    def _ban_s(self, failure: Failure) -> float:
        until = banned_until_ms(failure)
        left = until / 1_000 - self.clock.wall().timestamp() if until else failure.retry_after_s
        return max(BAN_S, left or 0.0)

    def _hook(self) -> None:
        """ccxt tells the status of a reply to this method only; its exceptions lose it where the body has a code."""

        def on_rest_response(
            code: int, reason: str, url: str, method: str, headers: Mapping[str, str], body: str, *rest: object
        ) -> str:
            if (response := _response.get()) is not None:
                response.status = code if code >= 400 else None
                response.retry_after_s = _seconds(headers)
            return body

        self.exchange.on_rest_response = on_rest_response  # type: ignore[attr-defined]


def _seconds(headers: Mapping[str, str]) -> float | None:
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    return float(value) if value.replace(".", "", 1).isdigit() else None
