"""The short forms for curl: input fields as query, form or JSON; the picture itself as the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.http.openapi import (
    DREAM_BODY,
    IMAGE_RESPONSES,
    INPAINT_BODY,
    SAMPLE_BODY,
    STYLIZE_BODY,
    TRANSLATE_BODY,
    UPSCALE_BODY,
)
from app.http.parsing import read_short
from app.http.plain_routes import Endpoint, PlainRoutes
from app.predictions import rendering
from app.predictions.service import AnswerForm
from app.routes.parameters import MODEL
from app.routes.submission import HEADERS, Submission
from models.card import Task
from pictures.formats import MEDIA_TYPES

routes = PlainRoutes("/v1", ["short forms"])


def _adds(name: str, body: dict[str, Any], summary: str) -> Callable[[Endpoint], Endpoint]:
    """A decorator that adds the endpoint `/{name}/{model}`, which answers with a picture."""
    path, document = f"/{name}/{{model}}", {"response_class": Response, "responses": IMAGE_RESPONSES}
    return routes.add("POST", path, (MODEL, *HEADERS), body, summary=summary, **document)


@_adds("sample", SAMPLE_BODY, "A picture from noise")
async def sample(request: Request) -> Response:
    """`curl -F label=7 -F seed=1 -o seven.png localhost:8000/v1/sample/mnist-cgan`. PNG unless `Accept` asks for
    another form; several pictures come as a grid, or as single files with `Accept: application/zip`."""
    return await _answer(request, Task.SAMPLE, Task.CONDITIONAL, Task.TEXT)


@_adds("translate", TRANSLATE_BODY, "A picture from a picture")
async def translate(request: Request) -> Response:
    """`curl -F image=@horse.jpg -F direction=AtoB -o zebra.png localhost:8000/v1/translate/horse2zebra-cyclegan`."""
    return await _answer(request, Task.TRANSLATE)


@_adds("stylize", STYLIZE_BODY, "A picture in the manner of a painting")
async def stylize(request: Request) -> Response:
    """`curl -F image=@cat.jpg -F label=starry-night -o night.png localhost:8000/v1/stylize/paintings-fast-style`; or
    `-F style_image=@painting.jpg` with a model that takes any, such as `paintings-adain`. The picture may have any size
    up to the one that the model's card states; its transparency is kept."""
    return await _answer(request, Task.STYLIZE)


@_adds("dream", DREAM_BODY, "A picture with what a network sees in it")
async def dream(request: Request) -> Response:
    """`curl -F image=@clouds.jpg -F layer=relu4_3 -o dream.png localhost:8000/v1/dream/medley-deepdream`; or
    `-F label=zebra`, or `-F guide_image=@flowers.jpg`. Sizes and transparency as in stylize."""
    return await _answer(request, Task.DREAM)


@_adds("inpaint", INPAINT_BODY, "A picture with a part of it filled in")
async def inpaint(request: Request) -> Response:
    """`curl -F image=@house.jpg -F mask=@mask.png -o house.png localhost:8000/v1/inpaint/facades-gated-conv`. The
    mask is as large as the picture; what is white in it is filled in, or what is transparent. Every other pixel of the
    picture stays as it is, to the last bit in a format without loss."""
    return await _answer(request, Task.INPAINT)


@_adds("upscale", UPSCALE_BODY, "A picture enlarged")
async def upscale(request: Request) -> Response:
    """`curl -F image=@small.jpg -F scale=2 -o large.png localhost:8000/v1/upscale/sr-edsr`. The picture may have any
    size up to the one that the model's card states; its transparency is kept."""
    return await _answer(request, Task.UPSCALE)


async def _answer(request: Request, *tasks: Task) -> Response:
    submission = await Submission.of(request)
    predictions = submission.predictions
    card = predictions.card(MODEL.of(request))
    order, files = await read_short(request, card.name, task=predictions.task(card, *tasks))
    default = rendering.ZIP if order.output.archive else MEDIA_TYPES[order.output.format]
    media_type = rendering.preferred(request, default)
    store = predictions.store
    found = await submission.pictures(order, files, form=AnswerForm(rendering.format_named(media_type)))
    if media_type == rendering.JSON:
        return await rendering.as_json(found, store, predictions.caller.link)
    return await rendering.as_bytes(found, store, media_type)
