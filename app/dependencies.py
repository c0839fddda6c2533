"""What handlers ask for, so that each reads as its signature.

All are coroutines: FastAPI would run plain functions in a thread, each time.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.access.callers import Caller
from app.access.keys import Scope
from app.http.preferences import DURATION, Preference, preferred, seconds
from app.monitoring.metrics import ApiMetrics
from app.predictions.service import AnswerForm, Files, Predictions, RequestName, WaitPolicy
from app.predictions.store import Store
from app.schemas.predictions import PredictionRequest
from core.settings import Settings
from jobs.prediction import Snapshot
from models.registry import Entry, Registry

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key, made with `easel keys create`. Where access is open, as on loopback, none is needed.",
)


async def _caller(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    request.state.caller = await request.app.state.access.caller(bearer and bearer.credentials, request.state.headers)
    return request.state.caller


CallerDep = Annotated[Caller, Depends(_caller)]


async def may_use(request: Request, caller: CallerDep) -> None:
    """For all of `/v1`: to look needs `read` or `predict`, anything else `predict`."""
    looks = request.method in ("GET", "HEAD")
    caller.require(*(Scope.READ, Scope.PREDICT) if looks else (Scope.PREDICT,))


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


class Asking:
    """How a prediction is asked for: waited for as `Prefer` says, given up as `Cancel-After` says."""

    def __init__(
        self, request: Request, predictions: Predictions, preference: Preference, cancel_after_s: float | None
    ):
        self.request = request
        self.predictions = predictions
        self.preference = preference
        self.cancel_after_s = cancel_after_s

    async def prediction(self, asked: PredictionRequest, files: Files, naming: RequestName | None = None) -> Snapshot:
        """Waits only if told to. Who waits may leave, and come back for the prediction."""
        return await self._create(asked, files, naming, WaitPolicy(self.preference.wait_s or 0, self.cancel_after_s))

    async def pictures(
        self,
        asked: PredictionRequest,
        files: Files,
        naming: RequestName | None = None,
        form: AnswerForm = AnswerForm(),  # noqa: B008  (frozen)
    ) -> Snapshot:
        """Waits unless told not to. If the client leaves, nobody can get what was not named: it is canceled."""
        wait_s = self.preference.wait_s
        if wait_s is None:
            wait_s = self.predictions.settings.max_wait_s
        leaving = None if naming and naming.key else self._leaving
        return await self._create(asked, files, naming, WaitPolicy(wait_s, self.cancel_after_s, leaving), form)

    async def _create(
        self,
        asked: PredictionRequest,
        files: Files,
        naming: RequestName | None,
        patience: WaitPolicy,
        form: AnswerForm | None = None,
    ) -> Snapshot:
        found = await self.predictions.create(asked, files, patience, naming, form)
        if self.preference.applied:
            self.request.state.headers["Preference-Applied"] = self.preference.applied
        return found

    async def _leaving(self) -> None:
        """Returns when the client has closed the connection. The body must have been read."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass


async def _entry(model: str, request: Request) -> Entry:
    """The model that the path names."""
    return (await _predictions(request)).entry(model)


async def _asking(
    request: Request,
    prefer: Annotated[
        list[str] | None,
        Header(description="`wait=10`: wait up to ten seconds for the end; `respond-async`: do not wait"),
    ] = None,
    cancel_after: Annotated[
        str | None,
        Header(pattern=DURATION, description="cancels the prediction if it has not ended by then: `30s`, `1m30s`"),
    ] = None,
) -> Asking:
    predictions = await _predictions(request)
    preference = preferred(prefer or [], predictions.settings.max_wait_s)
    return Asking(request, predictions, preference, None if cancel_after is None else seconds(cancel_after))


PredictionsDep = Annotated[Predictions, Depends(_predictions)]
StoreDep = Annotated[Store, Depends(_store)]
EntryDep = Annotated[Entry, Depends(_entry)]
RegistryDep = Annotated[Registry, Depends(_registry)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[ApiMetrics, Depends(_metrics)]
AskingDep = Annotated[Asking, Depends(_asking)]
