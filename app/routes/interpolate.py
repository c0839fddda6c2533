"""/v1/interpolate: a walk between latents or pictures, as an animation."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from app.dependencies import AskingDep, PredictionsDep, StoreDep
from app.http import responses
from app.http.errors import Invalid, field_errors
from app.http.openapi import INTERPOLATE_BODY, INTERPOLATE_RESPONSES
from app.http.parsing import read_fields, short
from app.predictions.service import AnswerForm
from models.card import Task
from pictures.formats import Animated

router = APIRouter(prefix="/v1", tags=["short forms"])

_ANIMATED: dict[str, Animated] = {media_type: format for format, media_type in responses.ANIMATED.items()}
_MAKES = (*_ANIMATED, "image/png", responses.ZIP, responses.JSON)


class Playback(BaseModel):
    """How frames are shown."""

    fps: float = Field(8, ge=1, le=30, allow_inf_nan=False)
    loop: bool = False

    @classmethod
    def taken(cls, fields: dict[str, Any]) -> Playback:
        """Takes its own out of the fields of a request. Raises `Invalid`."""
        given = {name: fields.pop(name) for name in cls.model_fields if name in fields}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise Invalid("the request does not fit the schema", errors=field_errors(error.errors())) from None


@router.post(
    "/interpolate/{model}",
    response_class=Response,
    responses=INTERPOLATE_RESPONSES,
    openapi_extra=INTERPOLATE_BODY,
    summary="An animation from one picture to another",
)
async def interpolate(
    model: str, request: Request, asking: AskingDep, predictions: PredictionsDep, store: StoreDep
) -> Response:
    """`curl -F seeds=1,2,3 -F frames=24 -F loop=true -o walk.webp localhost:8000/v1/interpolate/mnist-vae`, or with
    pictures: `-F images=@a.png -F images=@b.png`. WebP unless `Accept` asks for `image/gif`, the frames as
    `application/zip` (or as a grid, `image/png`), or the prediction as `application/json`."""
    card = predictions.card(model)
    body = await read_fields(request)
    playback = Playback.taken(body.fields)
    asked = short(body.fields, card.name, task=predictions.task(card, Task.INTERPOLATE))
    default = responses.ZIP if asked.output.archive else responses.ANIMATED["webp"]
    media_type = responses.preferred(request, default, makes=_MAKES)
    moving = _ANIMATED.get(media_type)
    form = AnswerForm(moving or responses.format_named(media_type), moving is not None)
    found = await asking.pictures(asked, body.files, form=form)
    if media_type == responses.JSON:
        return responses.as_json(found, store.ttl_s, await responses.embedded(found, store))
    if moving:
        return await responses.as_animation(found, store, moving, playback.fps, playback.loop)
    return await responses.as_bytes(found, store, media_type)
