"""/v1/predictions/{id}/grid.png, archive.zip and animation.gif or .webp: all images of a prediction at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.http.errors import NotFound
from app.http.openapi import problems
from app.predictions import archives, rendering
from app.predictions.service import Predictions
from app.routes.dependencies import PredictionsDep, StoreDep
from jobs.prediction import Snapshot, Status
from pictures.formats import Animated

router = APIRouter(prefix="/v1/predictions", tags=["predictions"])


@router.get(
    "/{prediction_id}/grid.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, 206: {}, 304: {}, 416: {}, **problems(404, 410, 422, 503)},
    summary="All images of a prediction on one sheet",
)
async def grid(prediction_id: str, request: Request, predictions: PredictionsDep, store: StoreDep) -> Response:
    """As square as can be, row by row. `ETag` and `If-None-Match` save the transfer."""
    found = await _succeeded(predictions, prediction_id)

    async def make() -> bytes:
        return await store.signing.kept(found, "grid.png", await rendering.sheet_of(found, store))

    tag = store.signing.tag(f"{rendering.tag_of(found)}-grid")
    return await rendering.unchanging(request, tag, store.ttl_s, "image/png", make)


@router.get(
    "/{prediction_id}/archive.zip",
    response_class=Response,
    responses={200: {"content": {rendering.ZIP: {}}}, 206: {}, 304: {}, 416: {}, **problems(404, 410, 422, 503)},
    summary="All images of a prediction in one zip",
)
async def archive(prediction_id: str, request: Request, predictions: PredictionsDep, store: StoreDep) -> Response:
    """The image files as they are, named by place and seed. `ETag` and `If-None-Match` save the transfer."""
    found = await _succeeded(predictions, prediction_id)

    size = None if store.signing.signs else archives.size(found)
    tag = store.signing.tag(f"{rendering.tag_of(found)}-zip")
    chunks = archives.stream(found, store)
    response = await rendering.unchanging_stream(request, tag, store.ttl_s, rendering.ZIP, size, chunks)
    if response.status_code == 200:
        response.headers["Content-Disposition"] = f'attachment; filename="{found.id}.zip"'
    return response


@router.get(
    "/{prediction_id}/animation.{format}",
    response_class=Response,
    responses={
        200: {"content": {kind: {} for kind in rendering.ANIMATED.values()}},
        206: {},
        304: {},
        416: {},
        **problems(404, 410, 422, 503),
    },
    summary="All images of a prediction as an animation",
)
async def animation(
    prediction_id: str,
    format: Animated,
    request: Request,
    predictions: PredictionsDep,
    store: StoreDep,
    fps: Annotated[float, Query(ge=1, le=30, allow_inf_nan=False, description="images a second")] = 8,
) -> Response:
    """In their order, again and again. `ETag` and `If-None-Match` save the transfer."""
    found = await _succeeded(predictions, prediction_id)

    async def make() -> bytes:
        made = await rendering.animation_of(found, store, format, fps)
        return await store.signing.kept(found, f"animation-{fps:g}.{format}", made)

    tag = store.signing.tag(f"{rendering.tag_of(found)}-{fps:g}-{format}")
    return await rendering.unchanging(request, tag, store.ttl_s, rendering.ANIMATED[format], make)


async def _succeeded(predictions: Predictions, prediction_id: str) -> Snapshot:
    """Raises `NotFound` for a prediction that has no images (yet)."""
    found = await predictions.get(prediction_id)
    if found.status is not Status.SUCCEEDED or not found.images:
        raise NotFound("this prediction has no images", code="image_not_found")
    return found
