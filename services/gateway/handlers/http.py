"""The HTTP application."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from services.gateway.domain.problems import MEDIA_TYPE
from services.gateway.handlers import (
    account_changes,
    accounts,
    alerts,
    controls,
    decisions,
    errors,
    performance,
    strategies,
    validation,
)
from services.gateway.handlers.edge import Edge
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

BASE = "/api/v1"
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def http_app(deps: Deps, metrics: GatewayMetrics) -> ASGIApp:
    app = FastAPI(
        title="Perpetua",
        version="1",
        summary="Decisions for perpetual futures: ask for them, look at them, see what became of them.",
        openapi_url=f"{BASE}/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
    )
    errors.install(app)
    # Routers know their whole prefix: a request's route, by which it is counted, is named relative to its router.
    app.include_router(validation.routes(deps, BASE))
    app.include_router(decisions.routes(deps, metrics, BASE))
    app.include_router(accounts.routes(deps, BASE))
    app.include_router(account_changes.routes(deps, BASE))
    app.include_router(controls.routes(deps, BASE))
    app.include_router(performance.routes(deps, BASE))
    app.include_router(alerts.routes(deps, BASE))
    app.include_router(strategies.routes(deps, BASE))

    @app.get("/", include_in_schema=False)
    async def root() -> dict[str, str]:
        return {"name": "perpetua", "docs": "/docs", "openapi": f"{BASE}/openapi.json", "api": BASE}

    app.openapi = _problems_by_their_type(app.openapi)  # type: ignore[method-assign]
    return Edge(app, deps, metrics)


def _problems_by_their_type(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """FastAPI describes every answer as application/json; problem documents have a type of their own."""

    def described() -> dict[str, Any]:
        schema = openapi()
        for path in schema["paths"].values():
            for operation in path.values():
                for answer in operation["responses"].values():
                    content = answer.get("content", {})
                    if content.get("application/json", {}).get("schema") == PROBLEM:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return schema

    return described
