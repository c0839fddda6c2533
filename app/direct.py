"""Routes that call their handlers directly: where their arguments come from is worked out once, not for each request.

FastAPI's solver of dependencies took a quarter of the time that the API spent on a prediction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
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
        steps: list[_Step] = []
        try:
            for call in (may_use, self.endpoint):
                _plan(get_dependant(path=self.path_format, call=call), steps)
        except _Refused:
            return by_fastapi
        answers = get_type_hints(self.endpoint).get("return")
        if not (isinstance(answers, type) and issubclass(answers, Response)):
            return by_fastapi

        async def directly(request: Request) -> Response:
            answered: list[Any] = []
            try:
                for step in steps:
                    answered.append(await step.function(**step.arguments(request, answered)))
            except _Refused:
                return await by_fastapi(request)
            return answered[-1]

        return directly


def _plan(dependant: Dependant, steps: list[_Step]) -> int:
    """Adds a call to `steps`, behind those that it depends on, unless it is there; answers its place.

    Raises:
        _Refused: there is more to it than path, headers and dependencies of the same kind.
    """
    function = dependant.call
    for place, step in enumerate(steps):
        if step.function == function:
            return place
    method = type(function).__call__  # of a security scheme, which is an object
    awaited = iscoroutinefunction(function) or iscoroutinefunction(method)
    if not awaited or any(getattr(dependant, name) for name in _ELSEWHERE):
        raise _Refused
    step = _Step(
        function=function,
        request=dependant.request_param_name or dependant.http_connection_param_name,
        dependencies=[(each.name, _plan(each, steps)) for each in dependant.dependencies],
        path=dependant.path_params,
        headers=[(field, _is_list(field.field_info.annotation)) for field in dependant.header_params],
    )
    steps.append(step)
    return len(steps) - 1


@dataclass(frozen=True)
class _Step:
    """A call of a handler or of one of its dependencies: a coroutine function, and where its arguments come from."""

    function: Callable[..., Awaitable[Any]]
    request: str | None
    """The argument that takes the request."""
    dependencies: list[tuple[str, int]]
    """Arguments, and which of the steps before answers them."""
    path: list[Any]
    headers: list[tuple[Any, bool]]
    """Each header, and whether it is a list."""

    def arguments(self, request: Request, answered: Sequence[Any]) -> dict[str, Any]:
        """The arguments for a request, when the steps before have answered.

        Raises:
            _Refused: a part of the path or a header does not fit.
        """
        given = {name: answered[place] for name, place in self.dependencies}
        if self.request:
            given[self.request] = request
        for field in self.path:
            given[field.name] = _fitting(field, request.path_params[field.alias])
        for field, is_list in self.headers:
            told = request.headers.getlist(field.alias) or None if is_list else request.headers.get(field.alias)
            given[field.name] = field.default if told is None else _fitting(field, told)
        return given


def _is_list(annotation: Any) -> bool:
    return any(get_origin(kind) is list for kind in (annotation, *get_args(annotation)))


def _fitting(field: Any, told: Any) -> Any:
    value, errors = field.validate(told)
    if errors:
        raise _Refused
    return value
