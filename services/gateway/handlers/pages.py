"""The page that shows the description and tries it, with everything that it needs from this host."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

# A browser that follows it asks nobody else, whatever the page says.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
NO_ICON = "data:,"


def routes(openapi_url: str, describe: Callable[[], dict[str, Any]]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(openapi_url)
    async def description() -> JSONResponse:
        """In a thread: the first one takes seconds of processor time, in which streams and controls go on."""
        return JSONResponse(await asyncio.to_thread(describe))

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url=openapi_url,
            title="Perpetua",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url=NO_ICON,
            swagger_ui_parameters={"validatorUrl": None, "persistAuthorization": False},
        )
        page.headers["Content-Security-Policy"] = POLICY
        return page

    for name, kind in FILES.items():
        router.add_api_route(f"/docs/{name}", _file(name, kind), methods=["GET"])
    return router


def _file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return FileResponse(assets() / name, media_type=kind, headers={"Cache-Control": "max-age=86400"})

    return send


def assets() -> Path:
    """Where the package lies that brings Swagger UI; it is not imported, for its own use of FastAPI is not ours."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.submodule_search_locations is None:
        raise RuntimeError("the package fastapi-offline is missing: install the group gateway")
    return Path(spec.submodule_search_locations[0]) / "static"
