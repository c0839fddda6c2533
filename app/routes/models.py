"""/v1/models: what can be asked for."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends

from app.dependencies import PredictionsDep, RegistryDep, StoreDep, may_manage
from app.errors import Unavailable
from app.openapi import problems
from app.schemas.models import ModelDetail, ModelList, Told, detail, summary

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", summary="All models")
async def list_models(registry: RegistryDep) -> ModelList:
    """In OpenAI's list shape."""
    return ModelList(data=[summary(entry.card, entry.created) for entry in registry.served()])


@router.get("/{model}", responses=problems(404), summary="One model")
async def read_model(model: str, predictions: PredictionsDep, registry: RegistryDep) -> ModelDetail:
    """The card (data, training, measured metrics, licence) and, for each task, the JSON Schema of its input."""
    card = predictions.card(model)
    return detail(card, registry[model].created)


@router.post(
    "/{model}/{verb}",
    status_code=202,
    dependencies=[Depends(may_manage)],
    responses=problems(404, 503),
    summary="Load a model before it is asked for, or drop it from memory",
)
async def tell_workers(
    model: str, verb: Literal["load", "unload"], predictions: PredictionsDep, store: StoreDep
) -> Told:
    """Every worker does so after its batch in hand; `GET /v1/queue` shows the models that each holds.

    A model that is dropped is loaded again when it is asked for.
    """
    told = await store.tell_workers(verb, predictions.card(model).name)
    if not told:
        raise Unavailable("no worker is running", code="no_worker", retry_after_s=5)
    return Told(model=model, workers=told)
