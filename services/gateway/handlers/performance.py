"""Routes of figures: of accounts and strategies over a period, side by side, and what to do about them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.records.keys import ApiKey, Scope
from libs.schemas.base import AccountId
from services.gateway.application import performance as application
from services.gateway.domain.figures import DEFAULT, CompareBody, Comparison, Recommended, Scored, Timeframe
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AccountPath, StrategyPath
from services.gateway.ports import Deps

Over = Annotated[Timeframe, Query()]


def routes(deps: Deps, base: str) -> APIRouter:
    """To be included before the routes of strategies: `/{strategy_id}` would take `compare` for one."""
    router = APIRouter(prefix=base, responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.get("/accounts/{account_id}/performance", tags=["accounts"])
    async def of_account(
        account_id: AccountPath, key: Annotated[ApiKey, may_read], timeframe: Over = DEFAULT
    ) -> Scored:
        """Over all trades of the account, whatever its strategies were."""
        return await application.of_account(deps, key, account_id, timeframe)

    @router.get("/strategies/{strategy_id}/performance", tags=["strategies"])
    async def of_strategy(
        strategy_id: StrategyPath,
        key: Annotated[ApiKey, may_read],
        timeframe: Over = DEFAULT,
        account_id: Annotated[AccountId | None, Query(description="for this account only")] = None,
    ) -> Scored:
        """Over the trades that decisions with this strategy opened."""
        return await application.of_strategy(deps, key, strategy_id, account_id, timeframe)

    @router.post("/strategies/compare", tags=["strategies"])
    async def compare(body: CompareBody, key: Annotated[ApiKey, may_read]) -> Comparison:
        """Strategies over one period, best first; those with fewer than 30 trades are not ranked."""
        return await application.compare(deps, key, body)

    @router.get("/strategies/recommendations/{account_id}", tags=["strategies"])
    async def recommendations(
        account_id: AccountPath, key: Annotated[ApiKey, may_read], timeframe: Over = "30d"
    ) -> Recommended:
        """Whether another strategy did clearly better over the same period, on the accounts that this key sees."""
        return await application.recommendation(deps, key, account_id, timeframe)

    return router
