"""What handlers ask for, so that each reads as its signature."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Request

from app.metrics import Metrics
from app.predictions import Predictions
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


PredictionsDep = Annotated[Predictions, Depends(_predictions)]
StoreDep = Annotated[Store, Depends(_store)]
RegistryDep = Annotated[Registry, Depends(_registry)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
WaitDep = Annotated[float, Depends(_wait)]
