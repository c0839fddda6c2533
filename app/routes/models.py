"""/v1/models: what can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import PredictionsDep, RegistryDep
from app.openapi import problems
from app.schemas.models import ModelDetail, ModelList, detail, summary

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
