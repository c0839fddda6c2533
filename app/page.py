"""The playground: the files of `app/web`, and what a browser lets pages of this server do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

_FOLDER = Path(__file__).parent / "web"
_FRESH = {"Cache-Control": "no-cache"}
"""Kept by browsers, and asked for again with its `ETag`: after an update nobody sees half of the old page."""

_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_DOCS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'"
)


def policy(path: str) -> str:
    """The Content-Security-Policy of an answer: nothing inline and nothing from elsewhere.

    Only the pages of Swagger and Redoc, which consist of inline scripts, get by with less.
    """
    return _DOCS if path in ("/docs", "/redoc", "/docs/oauth2-redirect") else _STRICT


class _Files(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_FRESH)
        return response


def install(app: FastAPI) -> None:
    """Serves the page at `/` and its parts under `/web`."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(_FOLDER / "index.html", headers=_FRESH)

    app.mount("/web", _Files(directory=_FOLDER), name="web")
