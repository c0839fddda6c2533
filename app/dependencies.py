"""What handlers ask for, so that each reads as its signature."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from app import answers
from app.metrics import Metrics
from app.parsing import read_prediction
from app.predictions import Naming, Predictions
from app.store import Store
from core.settings import Settings
from models.registry import Registry


def _predictions(request: Request) -> Predictions:
    return request.app.state.predictions


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


Asking = Callable[[Request, Naming], Awaitable[Response]]


def _asking(request: Request) -> Asking:
    """How a prediction is asked for: read, created, waited for as `Prefer` and `Accept` say, and answered."""
    predictions, settings, wait_s = _predictions(request), _settings(request), _wait(request)

    async def ask(request: Request, naming: Naming) -> Response:
        asked, files = await read_prediction(request)
        media_type = answers.preferred(request, answers.JSON)
        if media_type != answers.JSON:
            found = await predictions.create(asked, files, wait_s or settings.max_wait_s, naming)
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
