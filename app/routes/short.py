"""The short forms for curl: input fields as query, form or JSON; the picture itself as the answer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.dependencies import Asking, AskingDep
from app.direct import DirectRoute
from app.http import responses
from app.http.openapi import (
    DREAM_BODY,
    IMAGE_RESPONSES,
    SAMPLE_BODY,
    STYLIZE_BODY,
    TRANSLATE_BODY,
    UPSCALE_BODY,
)
from app.http.parsing import read_short
from app.predictions.service import AnswerForm
from models.card import Task
from pictures.formats import MEDIA_TYPES

router = APIRouter(prefix="/v1", tags=["short forms"], route_class=DirectRoute)


@router.post(
    "/sample/{model}",
    response_class=Response,
    responses=IMAGE_RESPONSES,
    openapi_extra=SAMPLE_BODY,
    summary="A picture from noise",
)
async def sample(model: str, request: Request, asking: AskingDep) -> Response:
    """`curl -F label=7 -F seed=1 -o seven.png localhost:8000/v1/sample/mnist-cgan`. PNG unless `Accept` asks for
    another form; several pictures come as a grid, or as single files with `Accept: application/zip`."""
    return await _answer(model, (Task.SAMPLE, Task.CONDITIONAL, Task.TEXT), request, asking)


@router.post(
    "/translate/{model}",
    response_class=Response,
    responses=IMAGE_RESPONSES,
    openapi_extra=TRANSLATE_BODY,
    summary="A picture from a picture",
)
async def translate(model: str, request: Request, asking: AskingDep) -> Response:
    """`curl -F image=@horse.jpg -F direction=AtoB -o zebra.png localhost:8000/v1/translate/horse2zebra-cyclegan`."""
    return await _answer(model, (Task.TRANSLATE,), request, asking)


@router.post(
    "/stylize/{model}",
    response_class=Response,
    responses=IMAGE_RESPONSES,
    openapi_extra=STYLIZE_BODY,
    summary="A picture in the manner of a painting",
)
async def stylize(model: str, request: Request, asking: AskingDep) -> Response:
    """`curl -F image=@cat.jpg -F label=starry-night -o night.png localhost:8000/v1/stylize/paintings-fast-style`; or
    `-F style_image=@painting.jpg` with a model that takes any. The picture may have any size up to the one that the
    model's card states; its transparency is kept."""
    return await _answer(model, (Task.STYLIZE,), request, asking)


@router.post(
    "/dream/{model}",
    response_class=Response,
    responses=IMAGE_RESPONSES,
    openapi_extra=DREAM_BODY,
    summary="A picture with what a network sees in it",
)
async def dream(model: str, request: Request, asking: AskingDep) -> Response:
    """`curl -F image=@clouds.jpg -F layer=relu4_3 -o dream.png localhost:8000/v1/dream/medley-deepdream`; or
    `-F label=zebra`, or `-F guide_image=@flowers.jpg`. Sizes and transparency as in stylize."""
    return await _answer(model, (Task.DREAM,), request, asking)


@router.post(
    "/upscale/{model}",
    response_class=Response,
    responses=IMAGE_RESPONSES,
    openapi_extra=UPSCALE_BODY,
    summary="A picture enlarged",
)
async def upscale(model: str, request: Request, asking: AskingDep) -> Response:
    """`curl -F image=@small.jpg -F scale=2 -o large.png localhost:8000/v1/upscale/sr-edsr`. The picture may have any
    size up to the one that the model's card states; its transparency is kept."""
    return await _answer(model, (Task.UPSCALE,), request, asking)


async def _answer(model: str, tasks: tuple[Task, ...], request: Request, asking: Asking) -> Response:
    predictions = asking.predictions
    card = predictions.card(model)
    asked, files = await read_short(request, card.name, task=predictions.task(card, *tasks))
    default = responses.ZIP if asked.output.archive else MEDIA_TYPES[asked.output.format]
    media_type = responses.preferred(request, default)
    store = predictions.store
    found = await asking.pictures(asked, files, form=AnswerForm(responses.format_named(media_type)))
    if media_type == responses.JSON:
        return responses.as_json(found, store.ttl_s, await responses.embedded(found, store))
    return await responses.as_bytes(found, store, media_type)
