"""What handlers ask for, so that each reads as its signature.

All are coroutines: FastAPI would run plain functions in a thread, each time.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response

from app import answers
from app.access import Caller
from app.keys import Scope
from app.metrics import Metrics
from app.parsing import read_prediction
from app.predictions import Naming, Predictions
from app.store import Store
from core.settings import Settings
from models.registry import Registry

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key, made with `easel keys create`. Where access is open, as on loopback, none is needed.",
)


async def _caller(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    return await request.app.state.access.caller(bearer and bearer.credentials, request.state.headers)


CallerDep = Annotated[Caller, Depends(_caller)]


async def may_use(request: Request, caller: CallerDep) -> None:
    """For all of `/v1`: to look needs `read` or `predict`, anything else `predict`."""
    looks = request.method in ("GET", "HEAD")
    caller.require(*(Scope.READ, Scope.PREDICT) if looks else (Scope.PREDICT,))


async def may_read(caller: CallerDep) -> None:
    """For what tells about everybody's use."""
    caller.require(Scope.READ)


async def _predictions(request: Request, caller: CallerDep) -> Predictions:
    return request.app.state.predictions.of(caller)


async def _store(request: Request) -> Store:
    return request.app.state.predictions.store


async def _registry(request: Request) -> Registry:
    return request.app.state.predictions.registry


async def _settings(request: Request) -> Settings:
    return request.app.state.predictions.settings


async def _metrics(request: Request) -> Metrics:
    return request.app.state.predictions.metrics


def _wait(request: Request, limit: float) -> float:
    """Seconds that `Prefer: wait=n` asks for (RFC 7240), up to `limit`; 0 without it."""
    asked = re.search(r"(?:^|[,;\s])wait(?:\s*=\s*\"?(\d{1,6})\"?)?", request.headers.get("prefer", ""), re.IGNORECASE)
    if asked is None:
        return 0
    return min(float(asked[1]), limit) if asked[1] else limit


Asking = Callable[[Request, Naming], Awaitable[Response]]


async def _asking(request: Request, predictions: PredictionsDep) -> Asking:
    """How a prediction is asked for: read, created, waited for as `Prefer` and `Accept` say, and answered."""
    settings = predictions.settings
    wait_s = _wait(request, settings.max_wait_s)

    async def ask(request: Request, naming: Naming) -> Response:
        asked, files = await read_prediction(request)
        media_type = answers.preferred(request, answers.JSON)
        if media_type != answers.JSON:
            found = await predictions.create(asked, files, wait_s or settings.max_wait_s, naming, pictured=True)
            return await answers.as_bytes(found, predictions.store, media_type)
        found = await predictions.create(asked, files, wait_s, naming)
        response = answers.as_json(found, settings.result_ttl_s, await answers.embedded(found, predictions.store))
        if wait_s:
            response.headers["Preference-Applied"] = f"wait={wait_s:g}"
        return response

    return ask


PredictionsDep = Annotated[Predictions, Depends(_predictions)]
StoreDep = Annotated[Store, Depends(_store)]
RegistryDep = Annotated[Registry, Depends(_registry)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
AskingDep = Annotated[Asking, Depends(_asking)]
