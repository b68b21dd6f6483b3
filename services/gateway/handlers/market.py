"""Routes of market data."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from libs.records.keys import ApiKey, Scope
from libs.schemas.base import Timeframe
from libs.schemas.names import KEY_PATTERN
from libs.schemas.venue import VenueSymbol
from services.gateway.application import market as application
from services.gateway.application.market import TicksCall
from services.gateway.domain.market import CandleList, MarketNow, TicksBody, TicksTaken
from services.gateway.domain.records import Limit
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.decisions import cause
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import IdempotencyKey, SymbolPath
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/market", tags=["market"], responses=PROBLEMS)
    may_read, may_publish = Depends(key_with(Scope.READ)), Depends(key_with(Scope.PUBLISH))

    @router.post("/ticks", status_code=202)
    async def ticks(
        request: Request,
        body: TicksBody,
        key: Annotated[ApiKey, may_publish],
        idempotency_key: IdempotencyKey = None,
    ) -> TicksTaken:
        """Publish ticks, for sources that cannot speak NATS. Give each a `tick_id`, and a repetition stores nothing."""
        return await application.published(deps, body, TicksCall(key, cause(request), idempotency_key))

    @router.get("/{symbol}")
    async def newest(symbol: SymbolPath, key: Annotated[ApiKey, may_read]) -> MarketNow:
        """The newest tick in the log."""
        return await application.newest(deps, symbol)

    @router.get("/{symbol}/rules")
    async def rules(
        symbol: SymbolPath,
        key: Annotated[ApiKey, may_read],
        venue: Annotated[str, Query(pattern=KEY_PATTERN, description="where it is traded")] = "paper",
    ) -> VenueSymbol:
        """What a venue allows and charges for a symbol: its tick and step, its least order, fees, margin tiers."""
        return application.rules(deps, venue, symbol)

    @router.get("/{symbol}/candles")
    async def candles(
        symbol: SymbolPath,
        key: Annotated[ApiKey, may_read],
        timeframe: Annotated[Timeframe, Query()] = "1m",
        limit: Annotated[Limit, Query()] = 100,
    ) -> CandleList:
        """The newest closed candles, oldest first."""
        return await application.candles(deps, symbol, timeframe, limit)

    return router
