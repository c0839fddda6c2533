"""What handlers ask for, so that each reads as its signature."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.access import Caller
from app.keys import Scope
from app.metrics import Metrics
from app.predictions import Predictions
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


def _predictions(request: Request, caller: CallerDep) -> Predictions:
    return request.app.state.predictions.of(caller)


def _store(request: Request) -> Store:
    return request.app.state.predictions.store


def _registry(request: Request) -> Registry:
    return request.app.state.predictions.registry


def _settings(request: Request) -> Settings:
    return request.app.state.predictions.settings


def _metrics(request: Request) -> Metrics:
    return request.app.state.predictions.metrics


def _wait(request: Request) -> float:
    """Seconds that `Prefer: wait=n` asks for (RFC 7240), within our limit; 0 without it."""
    asked = re.search(r"(?:^|[,;\s])wait(?:\s*=\s*\"?(\d{1,6})\"?)?", request.headers.get("prefer", ""), re.IGNORECASE)
    if asked is None:
        return 0
    limit = _settings(request).max_wait_s
    return min(float(asked[1]), limit) if asked[1] else limit


PredictionsDep = Annotated[Predictions, Depends(_predictions)]
StoreDep = Annotated[Store, Depends(_store)]
RegistryDep = Annotated[Registry, Depends(_registry)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
WaitDep = Annotated[float, Depends(_wait)]
