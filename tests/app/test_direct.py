"""Routes that are called directly say what FastAPI says, to requests that fit and to others."""

from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.access.callers import ANYBODY
from app.dependencies import may_use
from app.direct import DirectRoute
from app.http import errors
from app.http.errors import Unauthorized


async def _lists(prefer: Annotated[list[str] | None, Header()] = None) -> list[str] | None:
    return prefer


async def _pattern(cancel_after: Annotated[str | None, Header(pattern="^[0-9]+s$")] = None) -> str | None:
    return cancel_after


def client_of(route_class: type[APIRoute]) -> TestClient:
    """A client of an app whose one route is of this class. Only the token `good` opens it."""
    router = APIRouter(route_class=route_class)

    @router.get("/{number}/{name}")
    async def answer(
        number: int,
        name: Annotated[str, Path(pattern="^[a-z]+$")],
        request: Request,
        lists: Annotated[list[str] | None, Depends(_lists)],
        pattern: Annotated[str | None, Depends(_pattern)],
        key: Annotated[str | None, Header(alias="Some-Key", min_length=1)] = None,
    ) -> JSONResponse:
        return JSONResponse([number, name, request.method, lists, pattern, key])

    async def caller(token, headers):
        if token != "good":
            raise Unauthorized("no")
        return ANYBODY

    app = FastAPI()
    app.include_router(router, dependencies=[Depends(may_use)])
    app.state.access = SimpleNamespace(caller=caller)
    errors.install(app)

    @app.middleware("http")
    async def observe(request: Request, call_next):
        request.state.headers = {}
        return await call_next(request)

    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/1/a", {}),
        ("/one/a", {}),
        ("/1/A", {"Cancel-After": "x"}),
        ("/1/a", {"Cancel-After": "3s", "Some-Key": "k"}),
        ("/1/a", {"Cancel-After": "three", "Some-Key": ""}),
        ("/1/a", {"Some-Key": ""}),
        ("/1/a", {"Prefer": "wait=3, respond-async"}),
        ("/1/a", {"Authorization": "Bearer bad"}),
        ("/1/a", {"Authorization": ""}),
    ],
)
def test_a_direct_route_answers_as_fastapi_would(path, headers):
    sent = {"Authorization": "Bearer good", **headers}
    direct, ordinary = (client_of(kind).get(path, headers=sent) for kind in (DirectRoute, APIRoute))
    assert (direct.status_code, direct.json()) == (ordinary.status_code, ordinary.json())


def test_what_fits_is_not_left_to_fastapi(monkeypatch):
    monkeypatch.setattr("fastapi.routing.solve_dependencies", None)
    sent = [
        ("Authorization", "Bearer good"),
        ("Prefer", "a"),
        ("Prefer", "b"),
        ("Cancel-After", "3s"),
        ("Some-Key", "k"),
    ]
    assert client_of(DirectRoute).get("/1/a", headers=sent).json() == [1, "a", "GET", ["a", "b"], "3s", "k"]
