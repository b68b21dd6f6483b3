"""The page in the browser: what `tools/page.sh` built, or one plain page that says why there is none.

A program that asks for `/` without wanting HTML gets the addresses of the API.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from services.gateway.ports import Deps

# Nothing but our own files and our own API, whatever a text of a model says.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Encoding",
}
INDEX = "index.html"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOREVER = "max-age=31536000, immutable"  # the name of such a file is made of its content
NOT_YET = "it is not built yet"
PLAIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>Perpetua</title></head>
<body><h1>Perpetua</h1><p>The page is not here: {why}.</p>
<p>Everything else works: <a href="/docs">the API</a>, and <code>perpetua status</code>.</p></body></html>
"""


def routes(deps: Deps, links: Mapping[str, str]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def root(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"name": "perpetua", **links}, headers={"Vary": "Accept"})
        return _sent(deps.page_dir, INDEX, request, "no-cache") or _plain(deps.page_dir)

    @router.get("/icon.svg")
    def icon(request: Request) -> Response:
        return _sent(deps.page_dir, "icon.svg", request, "max-age=86400") or Response(status_code=404)

    @router.get("/assets/{name}")
    def asset(name: str, request: Request) -> Response:
        return _sent(deps.page_dir / "assets", name, request, FOREVER) or Response(status_code=404)

    return router


def _sent(folder: Path, name: str, request: Request, keep: str) -> Response | None:
    """A file of the folder, compressed where the client takes it. The name is compared with those that are there."""
    files = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    kind = KINDS.get(Path(name).suffix)
    if kind is None or name not in files:
        return None
    headers = HEADERS | {"Cache-Control": keep}
    packed = files.get(f"{name}.gz")
    if packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed.read_bytes(), headers=headers | {"Content-Encoding": "gzip"}, media_type=kind)
    return Response(files[name].read_bytes(), headers=headers, media_type=kind)


def _plain(folder: Path) -> Response:
    why = folder.with_name(f"{folder.name}.why")
    text = why.read_text(encoding="utf-8", errors="replace").strip()[:300] if why.is_file() else NOT_YET
    return HTMLResponse(PLAIN.format(why=escape(text)), headers=HEADERS | {"Cache-Control": "no-store"})
