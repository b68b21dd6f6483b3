"""An account's place as handlers read it, and what a decision that takes it is made from."""

from datetime import timedelta
from typing import Literal

from libs.runtime import tracing
from libs.runtime.emit import Emit, in_trace
from libs.schemas import ids, subjects
from libs.schemas.account import Account
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight, Joined
from libs.schemas.strategy import TradingStrategy
from libs.schemas.verdict import DecisionAnswered
from services.context.domain.arms import covering
from services.context.domain.inflight import PlaceFacts, decision_id
from services.context.domain.reuse import Ground, key_of, newest_candles, reusable
from services.context.domain.triggers import ordered
from services.context.ports import Deps, Place


async def present(deps: Deps, key: str, account_id: str) -> Place:
    """The place as it is now, free where there was none."""
    return await deps.places.read(key) or Place(InFlight(account_id=account_id), 0)


def facts(deps: Deps, body: DecisionRequest, after: str | None = None) -> PlaceFacts:
    """What a decision on `body` that begins now is made from."""
    state = deps.states.get(body.account_id)
    account = deps.config.account(body.account_id)
    version = state.version if state else 0
    symbols = body.symbols or (account.symbols if account else ())
    strategy = deps.config.strategy(body.strategy_override or account.strategy_id) if account else None
    return PlaceFacts(
        now=deps.clock.now(),
        deadline=deps.clock.wall() + timedelta(seconds=deps.limits.inflight_deadline),
        account_version=version,
        prices=prices(deps, symbols),
        key=_key(deps, body, account, strategy, version) if account and strategy and reusable(body) else None,
        after=after,
        trace=tracing.current(),
    )


def prices(deps: Deps, symbols: tuple[str, ...]) -> dict[str, float]:
    """The newest price of each symbol that has one: mark, else last."""
    tracks = ((symbol, deps.market.track(symbol)) for symbol in symbols)
    return {symbol: track.tick.price if track.mark is None else track.mark for symbol, track in tracks if track}


def answered(deps: Deps, account_id: str, request: Joined, by: str, why: Literal["joined", "cached"]) -> Emit:
    """The end of a request that the decision `by` answers."""
    body = DecisionAnswered(
        decision_id=decision_id(account_id, request.cycle),
        request_id=request.request_id,
        account_id=account_id,
        context_id=ids.context_id(account_id, request.cycle),
        answered_by=by,
        why=why,
        correlation_id=request.request_id,
        answered_at=deps.clock.now(),
    )
    return in_trace(Emit(subjects.decision_answered(body.account_id), body), request.trace)


def _key(deps: Deps, body: DecisionRequest, account: Account, strategy: TradingStrategy, version: int) -> str:
    symbols = tuple(sorted(set(body.symbols or account.symbols)))
    ground = Ground(
        account=(account.account_id, account.version, version),
        strategy=(strategy.strategy_id, strategy.version),
        model=body.model or account.model,
        symbols=symbols,
        candles=newest_candles(symbols, ordered(strategy.timeframe_preference), deps.market.newest_close),
        experiments=covering(deps.config.experiments.values(), account.account_id),
    )
    return key_of(ground)
