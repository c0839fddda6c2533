"""For whoever runs it: is it alive, is it ready, what does it measure."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.http.errors import Unavailable
from app.http.openapi import problems
from app.routes.dependencies import MetricsDep, RegistryDep, SettingsDep, StoreDep, may_read
from app.schemas.queue import QueueReport
from models.registry import Registry

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The answer of a probe that succeeded."""

    status: Literal["ok"] = "ok"


class Version(BaseModel):
    """Name and version of the software, and the largest pictures that it takes."""

    name: str = "easel"
    version: str
    upload_bytes: int = Field(description="largest body of a request, in bytes")
    picture_pixels: int = Field(description="largest picture, in pixels; a task may take less, as its model tells")
    grafana: str | None = Field(description="address of the dashboards, if the server was told one")


@router.get("/livez", summary="Is the API alive?")
async def livez() -> Health:
    """Answers as long as the process can."""
    return Health()


@router.get("/readyz", responses=problems(422, 503), summary="Can requests be answered?")
async def readyz(
    store: StoreDep,
    registry: RegistryDep,
    worker: Annotated[bool, Query(description="whether there must be a worker, too")] = False,
) -> Health:
    """503 without Redis or without a model; with `worker=1` also without a live worker."""
    if not registry.served():
        raise Unavailable("no model was found", code="no_model")
    alive = await store.workers()
    if worker and not alive:
        raise Unavailable("no worker is running", code="no_worker")
    return Health()


@router.get("/version", summary="Which Easel is this?")
async def read_version(settings: SettingsDep) -> Version:
    """Name and version, and the largest pictures that are taken, so that a client can make them smaller first."""
    return Version(
        version=version("easel"),
        upload_bytes=int(settings.max_upload_mb * 2**20),
        picture_pixels=settings.max_pixels,
        grafana=settings.grafana_url,
    )


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(may_read)],
    responses={200: {"content": {"text/plain": {}}}, **problems(401, 403, 503)},
    summary="For Prometheus",
)
async def metrics(metrics: MetricsDep, store: StoreDep, registry: RegistryDep) -> Response:
    """Prometheus text format; queues, workers and ended predictions are read from Redis at each scrape."""
    overview = await store.overview(_served(registry))
    exposition = metrics.exposition(overview) + (await store.deliveries()).exposition()
    return Response(exposition, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get(
    "/v1/queue",
    dependencies=[Depends(may_read)],
    responses=problems(401, 403, 503),
    summary="What waits, who works, how fast it goes",
)
async def read_queue(store: StoreDep, registry: RegistryDep) -> QueueReport:
    """Queues by model and priority, workers with what they hold in memory, and what each stage took lately."""
    return (await store.overview(_served(registry))).report()


def _served(registry: Registry) -> list[str]:
    return list(registry.askable())
