"""`perpetua context show`: what a model would be told now, or what it was told last.

A fresh context is built here, as a copy of the context worker would: from the same log, configuration and state, by the
same functions. Nothing is published and no model is asked.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import nats.js.errors
import orjson
from pydantic import ValidationError

from cli.connection import connected
from cli.embedded.kind import without_credentials
from cli.errors import CliError, named
from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.errors import Unavailable
from libs.schemas import ids
from libs.schemas.account import Account
from libs.schemas.context import DecisionRequest, TradingContext, Trigger
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import CONTEXTS, MARKET, context_built
from services.context.adapters.market import of_ones_own
from services.context.domain.assets import Studies
from services.context.domain.context import ContextRefusal, Subject, build
from services.context.domain.market import MarketState
from services.context.settings import Settings

READ_TIMEOUT_S = 120.0  # finds what hangs: a busy machine takes half a minute
TICKS_LOOKED_AT = 5_000
FEW_TICKS = 1_000
OPEN_MINUTES = timedelta(minutes=3)  # what is older is in closed candles
VALID_FOR = timedelta(minutes=1)
REQUEST_ID = "context-show"
_AWAY: tuple[type[Exception], ...] = (Unavailable, *NATS_AWAY, nats.js.errors.Error)


@dataclass(frozen=True, slots=True)
class ShownContext:
    """A context and the market time at which it is looked at. `fresh`: built for this look alone."""

    context: TradingContext
    now: datetime
    fresh: bool

    @property
    def age_s(self) -> float:
        return max(0.0, (self.now - self.context.timestamp).total_seconds())

    def as_json(self) -> str:
        """`age_seconds` is the context's own; those of ticks inside are as of when it was built."""
        about: dict[str, Any] = {"fresh": self.fresh, "market_time": self.now, "age_seconds": self.age_s}
        about["context"] = self.context.model_dump(mode="json")
        return orjson.dumps(about, option=orjson.OPT_INDENT_2).decode()


async def fresh(url: str, account_id: str) -> ShownContext:
    """What a model would be told now. CliError where it would be told nothing, with the reason."""
    async with _reading(url) as bus:
        clock, config, states = MarketClockMirror(bus), ConfigMirror(bus), StateMirror(bus)
        async with _started(clock, config, states):
            subject = subject_of(account_id, config, states)
            made, now = await _built(bus, clock, subject)
    if isinstance(made, ContextRefusal):
        raise CliError(
            f"no model would be asked: {made.reason}: {made.detail}", "see `perpetua market` and `perpetua status`"
        )
    return ShownContext(made, now, fresh=True)


async def _built(
    bus: Bus, clock: MarketClockMirror, subject: Subject
) -> tuple[TradingContext | ContextRefusal, datetime]:
    """Of what this account alone follows, and of no more ticks than its open candles are made of: closed ones are in
    the log as such."""
    settings = Settings()
    market = MarketState(settings.bounds())
    ticks = min(settings.replay_ticks, await _ticks_needed(bus, clock.speed))
    log = of_ones_own(bus, clock, _Alone.of(subject), market, ticks, settings.admission)
    async with _started(log):
        await log.follow(subject.strategy.timeframe_preference)
        now = clock.now()
        market.close_due(now)
        return build(request(subject.account.account_id, now), subject, market, Studies(market), now), now


async def _ticks_needed(bus: Bus, speed: float) -> int:
    """Few where these reach far enough back already, as in a recorded market."""
    state = (await bus.js.stream_info(MARKET.name)).state
    if state.last_seq - FEW_TICKS < state.first_seq:
        return TICKS_LOOKED_AT
    try:
        early, last = [
            (await bus.js.get_msg(MARKET.name, seq)).time for seq in (state.last_seq - FEW_TICKS, state.last_seq)
        ]
    except nats.js.errors.NotFoundError:  # its time in the log has just ended
        return TICKS_LOOKED_AT
    reach = last - early if early and last else timedelta()
    return FEW_TICKS if reach * speed >= OPEN_MINUTES else TICKS_LOOKED_AT


@dataclass(frozen=True, slots=True)
class _Alone:
    """Configuration as though there were one account."""

    accounts: Mapping[str, Account]
    strategies: Mapping[str, TradingStrategy]

    @classmethod
    def of(cls, subject: Subject) -> "_Alone":
        account, strategy = subject.account, subject.strategy
        return cls({account.account_id: account}, {strategy.strategy_id: strategy})


async def stored(url: str, account_id: str) -> ShownContext:
    """The newest context that a worker has built. CliError where the log holds none."""
    async with _reading(url) as bus:
        clock = MarketClockMirror(bus)
        async with _started(clock):
            now = clock.now()
            try:
                found = await bus.js.get_last_msg(CONTEXTS.name, context_built(named(account_id)), direct=True)
                return ShownContext(TradingContext.model_validate_json(found.data or b""), now, fresh=False)
            except nats.js.errors.NotFoundError as error:
                hours = CONTEXTS.max_age_s // 3_600
                raise CliError(
                    f"no context of {account_id} was built within {hours} hours",
                    "leave --stored out to build one now; `perpetua account list` names the accounts",
                ) from error
            except ValidationError as error:
                raise CliError(
                    f"the newest context of {account_id} is of another version of Perpetua", "leave --stored out"
                ) from error


def subject_of(account_id: str, config: ConfigMirror, states: StateMirror) -> Subject:
    account = config.account(account_id)
    if account is None:
        raise CliError(f"no account {account_id} is configured", f"there are {', '.join(sorted(config.accounts))}")
    strategy = config.strategy(account.strategy_id)
    if strategy is None:
        raise CliError(
            f"{account_id} has no strategy: {account.strategy_id} is not configured",
            f"there are {', '.join(sorted(config.strategies))}: assign one by `perpetua account set {account_id}`",
        )
    state = states.get(account_id)
    if state is None:
        raise CliError(
            f"the executor has not published the state of {account_id}", "is it running? see `perpetua status`"
        )
    return Subject(account, strategy, state)


def request(account_id: str, now: datetime) -> DecisionRequest:
    """What is answered here and published nowhere."""
    return DecisionRequest(
        request_id=REQUEST_ID,
        account_id=account_id,
        cycle=ids.request_cycle(REQUEST_ID),
        trigger=Trigger(kind="manual", detail="perpetua context show"),
        dry_run=True,
        requested_by="perpetua context show",
        requested_at=now,
        expires_at=now + VALID_FOR,
    )


class _Mirror(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@contextlib.asynccontextmanager
async def _reading(url: str) -> AsyncIterator[Bus]:
    try:
        async with asyncio.timeout(READ_TIMEOUT_S), connected(url) as bus:
            yield bus
    except TimeoutError as error:
        raise CliError(f"the log was not read within {READ_TIMEOUT_S:.0f} s", "ask again in a moment") from error
    except _AWAY as error:
        raise CliError(
            f"NATS at {without_credentials(url)} went away: {error}", "is it running? see `perpetua status`"
        ) from error


@contextlib.asynccontextmanager
async def _started(*mirrors: _Mirror) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for mirror in mirrors:
            await mirror.start()
            stack.push_async_callback(mirror.stop)
        yield
