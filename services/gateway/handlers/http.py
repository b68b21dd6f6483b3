"""The HTTP application."""

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from services.gateway.application.streams import StreamHub
from services.gateway.handlers import (
    account_changes,
    accounts,
    acts,
    alerts,
    batches,
    controls,
    dead_letters,
    decisions,
    desk,
    errors,
    experiments,
    exports,
    keys,
    market,
    models,
    monitoring,
    outcomes,
    pages,
    performance,
    sign_in,
    strategies,
    streams,
    validation,
)
from services.gateway.handlers.description import completed
from services.gateway.handlers.edge import Edge
from services.gateway.handlers.parameters import known_parameters
from services.gateway.handlers.sockets import StreamSockets
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

BASE = "/api/v1"


def http_app(deps: Deps, metrics: GatewayMetrics) -> ASGIApp:
    hub = StreamHub(deps, metrics)
    return Edge(api_of(deps, metrics, hub), deps, metrics, BASE, StreamSockets(deps, hub, streams.path_of(BASE)))


def api_of(deps: Deps, metrics: GatewayMetrics, hub: StreamHub) -> FastAPI:
    """Every route and their description. Who calls, and whether they may, is the edge's."""
    app = FastAPI(
        title="Perpetua",
        version="1",
        summary="Decisions for perpetual futures: ask for them, look at them, see what became of them.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    routers = routers_of(deps, metrics, hub)
    errors.install(app, lambda path: methods_of(routers, path))
    for router in routers:
        app.include_router(router, dependencies=[Depends(known_parameters)])

    app.include_router(desk.routes(deps, {"docs": "/docs", "openapi": f"{BASE}/openapi.json", "api": BASE}))
    app.openapi = completed(app.openapi, routers)  # type: ignore[method-assign]
    app.include_router(pages.routes(f"{BASE}/openapi.json", app.openapi))
    return app


def routers_of(deps: Deps, metrics: GatewayMetrics, hub: StreamHub | None = None) -> tuple[APIRouter, ...]:
    """Routers know their whole prefix: a request's route, by which it is counted, is named relative to its router."""
    return (
        validation.routes(deps, BASE),
        models.routes(deps, BASE),
        batches.routes(deps, metrics, BASE),
        outcomes.routes(deps, BASE),
        decisions.routes(deps, metrics, BASE),
        accounts.routes(deps, BASE),
        account_changes.routes(deps, BASE),
        controls.routes(deps, BASE),
        acts.routes(deps, BASE),
        performance.routes(deps, BASE),
        alerts.routes(deps, BASE),
        strategies.routes(deps, BASE),
        experiments.routes(deps, BASE),
        market.routes(deps, BASE),
        exports.routes(deps, BASE),
        monitoring.routes(deps, BASE),
        dead_letters.routes(deps, BASE),
        keys.routes(deps, BASE),
        sign_in.routes(deps, BASE),
        streams.routes(deps, hub or StreamHub(deps, metrics), BASE),
    )


def methods_of(routers: tuple[APIRouter, ...], path: str) -> list[str]:
    """Every method that some route of the path takes. A path of ours is no id: `/strategies/custom` is no strategy."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    fit = [route for route in routes if route.path_regex.match(path)]
    exact = [route for route in fit if route.path == path]
    return sorted({method for route in exact or fit for method in route.methods or ()})
