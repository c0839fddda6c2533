"""/v1/predictions/{id}/deliveries: what became of a prediction's webhook."""

from __future__ import annotations

from fastapi import APIRouter

from app.http.openapi import problems
from app.routes.dependencies import PredictionsDep, StoreDep
from jobs.webhooks import Attempt, AttemptList

router = APIRouter(prefix="/v1/predictions", tags=["predictions"])


@router.get("/{prediction_id}/deliveries", responses=problems(404, 503), summary="Was the webhook delivered?")
async def read(prediction_id: str, predictions: PredictionsDep, store: StoreDep) -> AttemptList:
    """Each try at delivering it, with what the receiver answered. Empty without a webhook, or before the first try."""
    found = await predictions.get(prediction_id)
    return AttemptList(data=[Attempt.model_validate_json(line) for line in await store.attempts(found.id)])
