"""What the handlers that FastAPI calls depend on, so that each reads as its signature.

All are coroutines: FastAPI would run plain functions in a thread, each time.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

from app.access.callers import Caller
from app.batches.records import BatchRecords
from app.http.bearer import BEARER
from app.monitoring.metrics import ApiMetrics
from app.predictions.service import Predictions
from app.predictions.store import Store
from app.routes.admission import identify, require_use
from app.schemas.keys import Scope
from core import audit
from core.settings import Settings
from models.registry import Entry, Registry

ADMINS_ACTIONS = {
    ("GET", "/v1/keys"): "key.list",
    ("POST", "/v1/keys"): "key.create",
    ("DELETE", "/v1/keys/{id}"): "key.revoke",
    ("GET", "/v1/versions"): "version.list",
    ("POST", "/v1/models"): "model.upload",
    ("POST", "/v1/models/refresh"): "model.refresh",
    ("PATCH", "/v1/models/{model}"): "model.describe",
    ("DELETE", "/v1/models/{model}"): "model.remove",
    ("POST", "/v1/models/{model}/publish"): "model.publish",
    ("POST", "/v1/models/{name}/rollback"): "model.rollback",
    ("POST", "/v1/models/{model}/{verb}"): "model.{verb}",
    ("PUT", "/v1/aliases/{name}"): "alias.set",
    ("DELETE", "/v1/aliases/{name}"): "alias.forget",
}
"""What the audit log calls a use of each route that `may_manage` guards, or the try of somebody who may not."""


async def _caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Caller:
    caller = await identify(request, credentials)
    if action := ADMINS_ACTIONS.get((request.method, request.scope["route"].path)):
        named = request.path_params
        audit.note(action.format(**named), named.get("model") or named.get("name") or named.get("id") or "")
    return caller


CallerDep = Annotated[Caller, Depends(_caller)]


async def may_use(request: Request, caller: CallerDep) -> None:
    """For all of `/v1`."""
    require_use(request, caller)


async def may_read(caller: CallerDep) -> None:
    """For what tells about everybody's use."""
    caller.require(Scope.READ)


async def may_manage(caller: CallerDep) -> None:
    """For what changes how everybody is served."""
    caller.require(Scope.ADMIN)


async def _predictions(request: Request) -> Predictions:
    """For the caller whom `may_use` let in."""
    return request.app.state.predictions.of(request.state.caller)


async def _store(request: Request) -> Store:
    return request.app.state.predictions.store


async def _registry(request: Request) -> Registry:
    return request.app.state.predictions.registry


async def _settings(request: Request) -> Settings:
    return request.app.state.predictions.settings


async def _metrics(request: Request) -> ApiMetrics:
    return request.app.state.predictions.metrics


async def _batches(request: Request) -> BatchRecords:
    return request.app.state.batches


async def _entry(model: str, request: Request) -> Entry:
    """The model that the path names."""
    return (await _predictions(request)).entry(model)


BatchesDep = Annotated[BatchRecords, Depends(_batches)]
PredictionsDep = Annotated[Predictions, Depends(_predictions)]
StoreDep = Annotated[Store, Depends(_store)]
EntryDep = Annotated[Entry, Depends(_entry)]
RegistryDep = Annotated[Registry, Depends(_registry)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[ApiMetrics, Depends(_metrics)]
