"""For who manages models: versions are uploaded as drafts, looked at, described, published, rolled back and removed."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path as FilePath
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Request, Response

from app.http.errors import Conflict, NotFound, Unavailable
from app.http.openapi import ALIAS_BODY, MODEL_BODY, WORDS_BODY, problems
from app.http.parsing import read_fitting
from app.library.checking import check
from app.library.receiving import receive
from app.predictions.store import Store
from app.routes.dependencies import RegistryDep, SettingsDep, StoreDep, may_manage
from app.schemas.versions import (
    AliasTarget,
    ModelVersion,
    ModelVersions,
    ModelWords,
    RemovedVersions,
    broken_of,
    version_of,
)
from core import audit
from models.aliases import BadAliases
from models.card import ModelName, ModelReference
from models.library import Library, NoSuchModel, NotPossible
from models.registry import Registry, read_entry

UPLOADS = "/v1/models"
"""Where models are sent to; their bodies go to disk (`app.http.middleware.LimitBody`)."""

router = APIRouter(prefix="/v1", tags=["models"], dependencies=[Depends(may_manage)])

Answer = TypeVar("Answer")
Named = Annotated[ModelReference, Path(description="`name@sha256`, or a name that stands for a version")]


class _Shelf:
    """The folders of models, changed off the event loop; others are told when something has changed."""

    def __init__(self, registry: Registry, store: Store):
        self.registry, self.store = registry, store
        self.library = Library(registry)

    async def change(self, change: Callable[..., Answer], *arguments: str) -> Answer:
        """Calls a method of the library on what the folders hold now.

        Raises:
            Problem: 404 there is no such model, 409 it cannot be done, 503 the folders cannot be written.
        """
        with _problems():
            await asyncio.to_thread(self.registry.refresh)
            changed = await asyncio.to_thread(change, *arguments)
        await self.store.tell_registries()
        return changed

    @asynccontextmanager
    async def incoming(self) -> AsyncIterator[FilePath]:
        """A folder for what comes, beside those that are served; raises as `change` does."""
        with _problems():
            opened = await asyncio.to_thread(self.library.receive)
            try:
                folder = FilePath(opened.name) / "model"
                await asyncio.to_thread(folder.mkdir)
                yield folder
            finally:
                await asyncio.shield(asyncio.to_thread(opened.cleanup))


async def _shelf(registry: RegistryDep, store: StoreDep) -> _Shelf:
    return _Shelf(registry, store)


ShelfDep = Annotated[_Shelf, Depends(_shelf)]


@contextmanager
def _problems() -> Iterator[None]:
    """What the library raises, as problems."""
    try:
        yield
    except NoSuchModel as error:
        raise NotFound(str(error), code="model_not_found") from None
    except (NotPossible, BadAliases) as error:
        raise Conflict(str(error), code="model_in_use" if "stand for another" in str(error) else "conflict") from None
    except OSError as error:
        code = "storage_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "models_not_writable"
        raise Unavailable(f"the folder of models cannot be written: {error.strerror}", code=code) from error


@router.get("/versions", summary="All versions of all models")
async def list_versions(registry: RegistryDep) -> ModelVersions:
    """Drafts among them, of each model the newest first; and the folders that could not be taken up, and why."""
    await asyncio.to_thread(registry.refresh)
    entries = sorted(registry.versions.values(), key=lambda entry: (entry.card.name, -entry.created))
    return ModelVersions(data=[version_of(entry, registry) for entry in entries], broken=broken_of(registry))


@router.post(
    "/models",
    status_code=201,
    responses={200: {"model": ModelVersion, "description": "it was there before"}}
    | problems(400, 408, 409, 413, 415, 422, 503),
    openapi_extra=MODEL_BODY,
    summary="Upload a version of a model",
)
async def upload(request: Request, response: Response, shelf: ShelfDep, settings: SettingsDep) -> ModelVersion:
    """As a zip of its folder, or its files in a form:
    `curl -F files=@zebra/card.json -F files=@zebra/model.safetensors`. It is read whole before it is taken up, and is a
    draft then: only requests for `name@sha256` get it, until it is published."""
    if not settings.max_model_mb:
        raise Conflict("models are not uploaded here: EASEL_MAX_MODEL_MB is 0", code="uploads_off")
    async with shelf.incoming() as folder:
        await receive(request, folder)
        await check(folder, int(settings.max_model_mb * 2**20))
        card = (await asyncio.to_thread(read_entry, folder, hashing=False)).card
        audit.detail(card.reference)
        known = card.reference in shelf.registry.versions
        if known:
            entry = shelf.registry.versions[card.reference]
        else:
            entry = await shelf.change(lambda: shelf.library.admit(folder, card))
    response.status_code = 200 if known else 201
    response.headers["Location"] = f"{shelf.store.home}/v1/models/{entry.card.reference}"
    return version_of(entry, shelf.registry)


@router.patch(
    "/models/{model}",
    responses=problems(400, 404, 408, 409, 413, 415, 422, 503),
    openapi_extra=WORDS_BODY,
    summary="Change what a card says for people",
)
async def describe(model: Named, request: Request, shelf: ShelfDep) -> ModelVersion:
    """Summary, licence and limits, of a draft or of what is served. The weights, and so the version, stay."""
    told = (await read_fitting(request, ModelWords)).model_dump(exclude_unset=True)
    entry = await shelf.change(lambda: shelf.library.describe(model, **told))
    return version_of(entry, shelf.registry)


@router.post(
    "/models/{model}/publish",
    responses=problems(404, 409, 503),
    summary="Have a model's name stand for a version",
)
async def publish(model: Named, shelf: ShelfDep) -> ModelVersion:
    """From one request to the next; what runs ends on what it began with."""
    entry = await shelf.change(shelf.library.publish, model)
    return version_of(entry, shelf.registry)


@router.post(
    "/models/{name}/rollback",
    responses=problems(409, 503),
    summary="Have a name stand for what it stood for before",
)
async def roll_back(name: ModelName, shelf: ShelfDep) -> ModelVersion:
    """Of a model, or an alias."""
    entry = await shelf.change(shelf.library.back, name)
    audit.detail(name, version=entry.card.reference)
    return version_of(entry, shelf.registry)


@router.delete("/models/{model}", responses=problems(404, 409, 503), summary="Remove a model, or one version of it")
async def remove(model: Named, shelf: ShelfDep) -> RemovedVersions:
    """Of a name: all versions, and all names that stand for them. Of `name@sha256`: that version, if no name stands for
    it. Predictions that wait for what is gone fail as `model_not_found`."""
    references = [entry.card.reference for entry in await shelf.change(shelf.library.remove, model)]
    audit.detail(model, versions=references)
    return RemovedVersions(removed=references)


@router.put(
    "/aliases/{name}",
    responses=problems(400, 404, 408, 409, 413, 415, 422, 503),
    openapi_extra=ALIAS_BODY,
    summary="Have a name of your own stand for a version",
)
async def alias(name: ModelName, request: Request, shelf: ShelfDep) -> ModelVersion:
    """Such as `zebra-latest`. Requests name it as they name a model."""
    target = await read_fitting(request, AliasTarget)
    entry = await shelf.change(shelf.library.point, name, target.model)
    audit.detail(name, version=entry.card.reference)
    return version_of(entry, shelf.registry)


@router.delete("/aliases/{name}", status_code=204, responses=problems(409, 503), summary="Take a name away")
async def forget(name: ModelName, shelf: ShelfDep) -> None:
    """An alias; or a model's own name, whose versions then are drafts."""
    await shelf.change(shelf.library.forget, name)
