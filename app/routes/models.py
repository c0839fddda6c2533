"""/v1/models: what can be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.http.errors import NotFound, Unavailable
from app.http.openapi import problems
from app.predictions import rendering
from app.predictions.store import Store
from app.routes.dependencies import EntryDep, RegistryDep, SettingsDep, StoreDep, may_manage
from app.schemas.models import ModelDetail, ModelList, Refreshed, WorkersNotified, detail, summary
from app.schemas.versions import broken_of
from models.registry import Entry
from pictures.cover import cover_of

router = APIRouter(prefix="/v1/models", tags=["models"])
_COVERS = 256
"""Covers that are kept in memory, each of few kilobytes."""


def _covered(sheet: Path) -> bytes:
    return _cover_as_of(sheet, sheet.stat().st_mtime_ns)


@lru_cache(_COVERS)
def _cover_as_of(sheet: Path, _changed_ns: int) -> bytes:
    return cover_of(sheet.read_bytes())


@router.get("", response_model=ModelList, summary="All models")
async def list_models(request: Request, registry: RegistryDep, settings: SettingsDep) -> Response:
    """In OpenAI's list shape."""
    found = ModelList(data=[summary(entry, settings.home) for entry in registry.served()])
    return rendering.compressed(request, found.model_dump_json().encode(), rendering.JSON)


@router.post(
    "/refresh",
    dependencies=[Depends(may_manage)],
    responses=problems(403, 503),
    summary="Look at the folders of models at once",
)
async def refresh(registry: RegistryDep, store: StoreDep) -> Refreshed:
    """This API has looked when it answers; workers and other APIs do so now rather than within
    `EASEL_MODELS_REFRESH_S`."""
    await asyncio.to_thread(registry.refresh)
    told = await store.tell_registries()
    return Refreshed(models=len(registry.served()), broken=broken_of(registry), told=told)


@router.get("/{model}", responses=problems(404), summary="One model")
async def read_model(entry: EntryDep, settings: SettingsDep) -> ModelDetail:
    """The card (data, training, measured metrics, licence) and, for each task, the JSON Schema of its input.

    Such a schema's `x-one-of` has lists of inputs that exclude one another; one of each is needed, unless it has a
    `seed`.
    """
    return detail(entry, settings.max_pixels, settings.home)


@router.post(
    "/{model}/{verb}",
    status_code=202,
    dependencies=[Depends(may_manage)],
    responses=problems(404, 503),
    summary="Load a model before it is asked for, or drop it from memory",
)
async def tell_workers(entry: EntryDep, verb: Literal["load", "unload"], store: StoreDep) -> WorkersNotified:
    """Every worker does so after its batch in hand; `GET /v1/queue` shows the models that each holds.

    A model that is dropped is loaded again when it is asked for.
    """
    count = await store.tell_workers(verb, entry.card.name)
    if not count:
        raise Unavailable("no worker is running", code="no_worker", retry_after_s=5)
    return WorkersNotified(model=entry.card.name, workers=count)


@router.get(
    "/{model}/sheet.webp",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, 304: {}, **problems(404)},
    summary="What the model makes, on one sheet",
)
async def sheet(entry: EntryDep, request: Request, store: StoreDep) -> Response:
    """Samples with the seeds 0, 1, …, or held-out pictures each beside what was made of it."""
    if entry.sheet is None:
        raise NotFound("this model has no sample sheet; `easel report` makes one", code="sheet_not_found")
    return await _picture(request, entry, entry.sheet, "image/webp", store)


@router.get(
    "/{model}/cover.webp",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, 304: {}, **problems(404)},
    summary="What a card of the model shows",
)
async def cover(entry: EntryDep, request: Request, store: StoreDep) -> Response:
    """The upper left of the sheet, at most 352 pixels wide."""
    if entry.sheet is None:
        raise NotFound("this model has no sample sheet; `easel report` makes one", code="sheet_not_found")
    return await _picture(request, entry, entry.sheet, "image/webp", store, "cover", _covered)


@router.get(
    "/{model}/examples/{name}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, 304: {}, **problems(404)},
    summary="A picture to try the model on",
)
async def example(name: str, entry: EntryDep, request: Request, store: StoreDep) -> Response:
    """Held-out pictures of the data that the model's card names, scaled to its size."""
    if name not in entry.examples:
        raise NotFound("this model has no such example; GET /v1/models/{model} lists them", code="example_not_found")
    return await _picture(request, entry, entry.examples[name], "image/png", store)


@router.get(
    "/{model}/classes/{name}.webp",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, 304: {}, **problems(404)},
    summary="What a class of the model looks like",
)
async def class_picture(name: str, entry: EntryDep, request: Request, store: StoreDep) -> Response:
    """A small picture, of a painting for example in whose manner the model paints."""
    if name not in entry.class_pictures:
        raise NotFound(
            "this model has no picture of such a class; GET /v1/models/{model} lists them",
            code="class_picture_not_found",
        )
    path = entry.class_pictures[name]
    return await _picture(request, entry, path, "image/webp", store, f"class-{name}")


async def _picture(
    request: Request,
    entry: Entry,
    path: Path,
    media_type: str,
    store: Store,
    name: str = "",
    read: Callable[[Path], bytes] = Path.read_bytes,
) -> Response:
    """A file of the model's folder, or what `read` makes of it under a `name`; it changes with the model's weights."""

    async def make() -> bytes:
        try:
            return await asyncio.to_thread(read, path)
        except FileNotFoundError:
            raise NotFound("this picture was removed with its model", code="model_not_found") from None

    tag = f"{entry.card.weights.sha256}-{name or path.name}"
    return await rendering.unchanging(request, tag, store.ttl_s, media_type, make)
