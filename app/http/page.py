"""The playground: the files of `app/web`, and what a browser lets pages of this server do."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from isal import igzip
from starlette.responses import RedirectResponse, Response

from app.http.errors import NotFound

_FOLDER = (Path(__file__).parent.parent / "web").resolve()
_TYPES = {
    ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain",
    ".woff2": "font/woff2",
}  # fmt: skip

_DOCS_FILES = "static-offline-docs"
"""Where `fastapi_offline` serves what Swagger and Redoc consist of."""

_TEXTS = {".css", ".html", ".js", ".svg", ".txt"}

_STRICT = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    b"img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
_DOCS = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"worker-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'"
)


def policy(path: str) -> bytes:
    """The Content-Security-Policy of an answer: nothing inline and nothing from elsewhere.

    Only the pages of Swagger and Redoc, which consist of inline scripts, get by with less.
    """
    return _DOCS if path in ("/docs", "/redoc") else _STRICT


def install(app: FastAPI) -> None:
    """Serves the page at `/`, its parts under `/web`, at `/p/<id>` the way to the page of a prediction, and the pages
    of the API's document. All name each other by relative addresses, so that they work below any path of a proxy's."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index(request: Request) -> Response:
        return _file(request, "index.html")

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{_DOCS_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{_DOCS_FILES}/swagger-ui.css",
            swagger_favicon_url="web/icon.svg",
        )

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> Response:
        return get_redoc_html(
            openapi_url="openapi.json",
            title=f"{app.title} - ReDoc",
            redoc_js_url=f"{_DOCS_FILES}/redoc.standalone.js",
            redoc_favicon_url="web/icon.svg",
            with_google_fonts=False,
        )

    @app.get("/p/{prediction_id}", include_in_schema=False)
    async def prediction(prediction_id: str) -> Response:
        return RedirectResponse(f"../#/p/{quote(prediction_id, safe='')}")

    @app.get("/web/{name:path}", include_in_schema=False)
    async def part(request: Request, name: str) -> Response:
        return _file(request, name)


def _file(request: Request, name: str) -> Response:
    """A file, unless the browser has it. It is asked for each time: after an update nobody sees half of the old page.

    The files are few kilobytes in the system's cache, so they are read here rather than in a thread.

    Raises:
        NotFound: no file of the page.
    """
    path = (_FOLDER / name.replace("\0", "")).resolve()
    if path.suffix not in _TYPES or not path.is_relative_to(_FOLDER) or not path.is_file():
        raise NotFound("the page has no such part")
    about = path.stat()
    small = path.suffix in _TEXTS and "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}{"-gzip" if small else ""}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    body = path.read_bytes()
    if small:
        body, headers["Content-Encoding"] = igzip.compress(body), "gzip"
    return Response(body, 200, headers, _TYPES[path.suffix])
