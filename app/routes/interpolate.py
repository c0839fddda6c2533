"""/v1/interpolate: a walk between latents or pictures, as an animation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from app.http.openapi import INTERPOLATE_BODY, INTERPOLATE_RESPONSES
from app.http.parsing import fitting, read_fields, short
from app.http.plain_routes import PlainRoutes
from app.predictions import rendering
from app.predictions.service import AnswerForm
from app.routes.parameters import MODEL
from app.routes.submission import HEADERS, Submission
from models.card import Task
from pictures.formats import Animated

routes = PlainRoutes("/v1", ["short forms"])

_ANIMATED: dict[str, Animated] = {media_type: format for format, media_type in rendering.ANIMATED.items()}
_MAKES = (*_ANIMATED, "image/png", rendering.ZIP, rendering.JSON)


class Playback(BaseModel):
    """How frames are shown."""

    fps: float = Field(8, ge=1, le=30, allow_inf_nan=False)
    loop: bool = False

    @classmethod
    def taken(cls, fields: dict[str, Any]) -> Playback:
        """Takes its own out of the fields of a request. Raises `Invalid`."""
        given = {name: fields.pop(name) for name in cls.model_fields if name in fields}
        return fitting(cls, given)


@routes.add(
    "POST",
    "/interpolate/{model}",
    (MODEL, *HEADERS),
    INTERPOLATE_BODY,
    response_class=Response,
    responses=INTERPOLATE_RESPONSES,
    summary="An animation from one picture to another",
)
async def interpolate(request: Request) -> Response:
    """`curl -F seeds=1,2,3 -F frames=24 -F loop=true -o walk.webp localhost:8000/v1/interpolate/mnist-vae`, or with
    pictures: `-F images=@a.png -F images=@b.png`. WebP unless `Accept` asks for `image/gif`, the frames as
    `application/zip` (or as a grid, `image/png`), or the prediction as `application/json`."""
    submission = await Submission.of(request)
    predictions, store = submission.predictions, submission.predictions.store
    card = predictions.card(MODEL.of(request))
    body = await read_fields(request)
    playback = Playback.taken(body.fields)
    order = short(body.fields, card.name, task=predictions.task(card, Task.INTERPOLATE))
    default = rendering.ZIP if order.output.archive else rendering.ANIMATED["webp"]
    media_type = rendering.preferred(request, default, makes=_MAKES)
    moving = _ANIMATED.get(media_type)
    form = AnswerForm(moving or rendering.format_named(media_type), moving is not None)
    found = await submission.pictures(order, body.files, form=form)
    if media_type == rendering.JSON:
        return await rendering.as_json(found, store, predictions.caller.link)
    if moving:
        return await rendering.as_animation(found, store, moving, playback.fps, playback.loop)
    return await rendering.as_bytes(found, store, media_type)
