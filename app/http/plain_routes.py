"""Plain routes: Starlette calls a function of the request, and FastAPI only writes them into the OpenAPI document.

FastAPI's reading of arguments took a quarter of the time that the API spent on a prediction, so routes that make and
show predictions read their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from app.http.bearer import BEARER
from app.http.parameters import Header, PathParameter

Endpoint = Callable[[Request], Awaitable[Response]]


class PlainRoute(Route):
    """A route that is found in the scope of the requests it serves, as FastAPI's are."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for this route."""
        match, child_scope = super().matches(scope)
        return match, child_scope if match is Match.NONE else {**child_scope, "route": self}


class PlainRoutes:
    """The plain routes of one resource. Each must admit its caller itself (`app.routes.admission`)."""

    def __init__(self, prefix: str, tags: list[str | Enum], responses: dict[int | str, dict[str, Any]] | None = None):
        self.prefix = prefix
        self.routes: list[PlainRoute] = []
        self.documentation = APIRouter(prefix=prefix, tags=tags, responses=responses, dependencies=[Depends(BEARER)])

    def add(
        self,
        method: str,
        path: str,
        parameters: Sequence[Header[Any] | PathParameter[Any]] = (),
        body: dict[str, Any] | None = None,
        **document: Any,
    ) -> Callable[[Endpoint], Endpoint]:
        """A decorator that adds an endpoint.

        Args:
            parameters: those that the endpoint reads.
            body: OpenAPI's `requestBody`, in an object of its own.
            document: what FastAPI's `add_api_route` takes: `summary`, `responses`, `response_model` and so on.
        """
        extra = {**({"parameters": [each.document() for each in parameters]} if parameters else {}), **(body or {})}

        def added(endpoint: Endpoint) -> Endpoint:
            self.routes.append(PlainRoute(self.prefix + path, endpoint, methods=[method]))
            self.documentation.add_api_route(path, endpoint, methods=[method], openapi_extra=extra, **document)
            return endpoint

        return added
