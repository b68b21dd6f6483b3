"""Routes that tell how the installation is. Accounts in them are those that the key sees."""

from typing import Annotated

from fastapi import APIRouter, Depends

from libs.records.keys import ApiKey, Scope
from services.gateway.application import monitoring as application
from services.gateway.domain.monitoring import CacheShown, LagList, ServiceList, StoreList, SystemSummary, VersionList
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/monitoring", tags=["monitoring"], responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.get("/services")
    async def services(key: Annotated[ApiKey, may_read]) -> ServiceList:
        """Every worker by its own last word: whether it is ready, and what hinders it."""
        return application.services_now(deps)

    @router.get("/lag")
    async def lag(key: Annotated[ApiKey, may_read]) -> LagList:
        """How far behind the log each durable consumer is."""
        return await application.lag(deps)

    @router.get("/cache")
    async def cache(key: Annotated[ApiKey, may_read]) -> CacheShown:
        """How many requests of the last 24 hours an earlier decision answered."""
        return await application.cache(deps, key)

    @router.get("/stores")
    async def stores(key: Annotated[ApiKey, may_read]) -> StoreList:
        """Whether NATS, MongoDB and Redis answer this gateway, and what is not done without them."""
        return await application.stores_now(deps)

    @router.get("/versions")
    async def versions(key: Annotated[ApiKey, may_read]) -> VersionList:
        """Versions of the workers and of the servers."""
        return await application.versions_now(deps)

    @router.get("/summary")
    async def summary(key: Annotated[ApiKey, may_read]) -> SystemSummary:
        """All of it in a few figures."""
        return await application.summary(deps, key)

    return router
