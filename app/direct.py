"""Routes that call their handlers directly: where their arguments come from is worked out once, not for each request.

FastAPI's solver of dependencies took a quarter of the time that the API spent on a prediction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any, get_args, get_origin, get_type_hints

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.dependencies import may_use

_ELSEWHERE = ("query_params", "cookie_params", "body_params", "response_param_name", "background_tasks_param_name")
"""Of a `Dependant`: arguments that only FastAPI can give."""


class _Refused(Exception):
    """What is asked for is FastAPI's to answer."""


class DirectRoute(APIRoute):
    """A route of `/v1`, called directly if its handler takes path and headers only and makes the response itself.

    FastAPI documents it all the same, and answers requests whose path or headers do not fit.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind `may_use`."""
        by_fastapi = super().get_route_handler()
        try:
            calls = [_Call(get_dependant(path=self.path_format, call=call)) for call in (may_use, self.endpoint)]
        except _Refused:
            return by_fastapi
        answers = get_type_hints(self.endpoint).get("return")
        if not (isinstance(answers, type) and issubclass(answers, Response)):
            return by_fastapi

        async def directly(request: Request) -> Response:
            answered: dict[Callable, Any] = {}
            try:
                for call in calls:
                    answer = await call.made(request, answered)
            except _Refused:
                return await by_fastapi(request)
            return answer

        return directly


class _Call:
    """A call of a handler or of one of its dependencies: coroutine functions, and where their arguments come from."""

    def __init__(self, dependant: Dependant):
        """Raises `_Refused` if there is more to it than path, headers and dependencies of the same kind."""
        self.function: Callable[..., Awaitable[Any]] = dependant.call
        method = type(self.function).__call__  # of a security scheme, which is an object
        awaited = iscoroutinefunction(self.function) or iscoroutinefunction(method)
        if not awaited or any(getattr(dependant, name) for name in _ELSEWHERE):
            raise _Refused
        self.request = dependant.request_param_name or dependant.http_connection_param_name
        self.dependencies = [(each.name, _Call(each)) for each in dependant.dependencies]
        self.path = dependant.path_params
        self.headers = [(field, _is_list(field.field_info.annotation)) for field in dependant.header_params]

    async def made(self, request: Request, answered: dict[Callable, Any]) -> Any:
        """What it answers to a request; of what was `answered` before, the same again.

        Raises:
            _Refused: a part of the path or a header does not fit.
        """
        if self.function in answered:
            return answered[self.function]
        given: dict[str, Any] = {self.request: request} if self.request else {}
        for name, dependency in self.dependencies:
            given[name] = await dependency.made(request, answered)
        for field in self.path:
            given[field.name] = _fitting(field, request.path_params[field.alias])
        for field, is_list in self.headers:
            told = request.headers.getlist(field.alias) or None if is_list else request.headers.get(field.alias)
            given[field.name] = field.default if told is None else _fitting(field, told)
        answer = answered[self.function] = await self.function(**given)
        return answer


def _is_list(annotation: Any) -> bool:
    return any(get_origin(kind) is list for kind in (annotation, *get_args(annotation)))


def _fitting(field: Any, told: Any) -> Any:
    value, errors = field.validate(told)
    if errors:
        raise _Refused
    return value
