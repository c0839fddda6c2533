"""Plain routes: parameters are read and told as FastAPI would, and nobody gets past them without a key."""

from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Path, Request
from fastapi import Header as FastAPIHeader
from fastapi.responses import JSONResponse
from pydantic import Field, TypeAdapter
from starlette.testclient import TestClient

from app.http import errors
from app.http.parameters import Header, PathParameter
from app.http.plain_routes import PlainRoutes
from app.main import PLAIN

NUMBER = PathParameter("number", TypeAdapter(int))
NAME = PathParameter("name", TypeAdapter(Annotated[str, Field(pattern="^[a-z]+$")]), "small letters")
PREFER = Header("prefer", TypeAdapter(list[str]), repeated=True)
KEY = Header("Some-Key", TypeAdapter(Annotated[str, Field(min_length=1)]), "a key")


def plain() -> FastAPI:
    routes = PlainRoutes("", ["tag"])

    @routes.add("GET", "/{number}/{name}", (NUMBER, NAME, PREFER, KEY))
    async def answer(request: Request) -> JSONResponse:
        return JSONResponse([parameter.of(request) for parameter in (NUMBER, NAME, PREFER, KEY)])

    app = FastAPI(routes=routes.routes)
    app.documentation = routes.documentation
    return app


def ordinary() -> FastAPI:
    app = FastAPI()

    @app.get("/{number}/{name}", tags=["tag"])
    async def answer(
        number: int,
        name: Annotated[str, Path(pattern="^[a-z]+$", description="small letters")],
        prefer: Annotated[list[str] | None, FastAPIHeader()] = None,
        key: Annotated[str | None, FastAPIHeader(alias="Some-Key", min_length=1, description="a key")] = None,
    ) -> JSONResponse:
        return JSONResponse([number, name, prefer, key])

    return app


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/1/a", []),
        ("/one/a", []),
        ("/1/A", []),
        ("/1/a", [("Some-Key", "k")]),
        ("/1/a", [("Some-Key", "")]),
        ("/1/a", [("Prefer", "wait=3, respond-async"), ("Prefer", "b")]),
        ("/one", []),
    ],
)
def test_parameters_are_read_as_fastapi_would(path, headers):
    answers = []
    for app in (plain(), ordinary()):
        errors.install(app)
        answers.append(TestClient(app).get(path, headers=headers))
    assert (answers[0].status_code, answers[0].json()) == (answers[1].status_code, answers[1].json())


def as_text(parameter):
    """A header as it is on the wire, which generators of clients take: no list, and absent rather than null."""
    schema = parameter["schema"]
    if parameter["in"] != "header":
        return parameter
    sent = next((kind for kind in schema.pop("anyOf", ()) if kind["type"] != "null"), {})
    if sent.get("type") == "array":
        sent = {"type": "string"}
    return {**parameter, "schema": {**sent, **schema}}


def test_parameters_are_told_as_fastapi_would_but_for_headers_which_are_text():
    documented = FastAPI()
    documented.include_router(plain().documentation)
    told = [app.openapi()["paths"]["/{number}/{name}"]["get"] for app in (documented, ordinary())]
    by_name = [{each["name"]: each for each in operation["parameters"]} for operation in told]
    assert by_name[0] == {name: as_text(parameter) for name, parameter in by_name[1].items()}
    assert told[0]["operationId"] == told[1]["operationId"]


def test_a_request_knows_its_route_for_metrics_and_logs():
    app = plain()
    seen = []

    async def watched(scope, receive, send):
        await app(scope, receive, send)
        seen.append(scope["route"].path)

    TestClient(watched).get("/1/a")
    assert seen == ["/{number}/{name}"]


def test_every_plain_route_needs_a_key(start_easel):
    easel = start_easel(auth="required")
    tried = 0
    for route in (route for routes in PLAIN for route in routes.routes):
        path = route.path.format(model="toy-dcgan", prediction_id="x", index=0, format="png")
        for method in route.methods - {"HEAD"}:
            answer = httpx.request(method, easel.url + path)
            assert answer.status_code == 401, (method, path)
            tried += 1
    assert tried >= 12
