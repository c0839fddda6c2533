"""/v1/predictions: the list of those that are kept."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.http.openapi import problems
from app.predictions.service import Filter
from app.predictions.store import HistoryPosition
from app.routes.dependencies import PredictionsDep, StoreDep
from app.schemas.predictions import PredictionList
from jobs.prediction import Status
from jobs.representation import Prediction

router = APIRouter(prefix="/v1/predictions", tags=["predictions"])

_CURSOR = r"^[0-9]{1,15}-[A-Za-z0-9_-]{1,80}$"


@router.get("", responses=problems(422, 503), summary="The history")
async def read_all(
    predictions: PredictionsDep,
    store: StoreDep,
    cursor: Annotated[str | None, Query(pattern=_CURSOR, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    status: Status | None = None,
    model: str | None = None,
) -> PredictionList:
    """Predictions that are still kept, newest first."""
    ms, _, name = (cursor or "").partition("-")
    after = HistoryPosition(name, int(ms)) if cursor else None
    page, last = await predictions.history(after, limit, Filter(status, model))
    following = last and f"{last.ms}-{last.id}"
    return PredictionList(
        data=[Prediction.of(found, store.ttl_s, link=predictions.caller.link, home=store.home) for found in page],
        next_cursor=following,
    )
