"""What the OpenAPI document says beyond what the types do: bodies in several forms, real examples, every error."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from app.http.errors import PROBLEM_JSON, ProblemBody
from app.schemas.images import ErrorEnvelope, ImagesRequest
from app.schemas.keys import NewKey
from app.schemas.predictions import PredictionRequest
from app.schemas.versions import AliasTarget, ModelWords
from jobs.prediction import PICTURE_INPUTS, Output
from jobs.representation import Prediction
from pictures.formats import MEDIA_TYPES
from pictures.framing import MAX_SIDE, Fit
from pictures.holes import MAX_PIXELS
from tasks.inputs import MAX_IMAGES, MAX_OCTAVES, MAX_TEXT

_REF = "#/components/schemas/{model}"
_WORDS = {
    400: "the request cannot be read",
    401: "no API key, or one that is unknown or revoked",
    403: "the API key lacks the scope",
    404: "there is no such thing",
    406: "the task answers with numbers, and the caller takes only pictures",
    408: "the request did not arrive in time",
    409: "it is not in a state for this",
    410: "it has expired",
    413: "too many bytes or pixels",
    415: "not a picture, or a body that is not read here",
    422: "the request does not fit the model's schema",
    429: "the API key is over its rate, its cap or its quota; `Retry-After` says when to come back",
    503: "no worker, a full queue, or no Redis; `Retry-After` says when to come back",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route."""
    schema = {"$ref": _REF.format(model=ProblemBody.__name__)}
    return {
        status: {"description": _WORDS[status], "content": {PROBLEM_JSON: {"schema": schema}}} for status in statuses
    }


def envelopes(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route under /v1/images."""
    return {status: {"description": _WORDS[status], "model": ErrorEnvelope} for status in statuses}


def components() -> dict[str, Any]:
    """Schemas of what FastAPI does not see routes read and answer, so that the document can refer to them."""
    found: dict[str, Any] = {}
    for model in (PredictionRequest, ProblemBody):
        schema = model.model_json_schema(ref_template=_REF)
        found |= {**schema.pop("$defs"), model.__name__: schema}
    return found


_PICTURE = {"type": "string", "format": "binary"}


def _pictures(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _PICTURE} if name == "images" else _PICTURE


_PREDICTION_EXAMPLES = {
    "sample": {"summary": "Four digits", "value": {"model": "mnist-dcgan", "input": {"n": 4, "seed": 1}}},
    "conditional": {"summary": "A seven", "value": {"model": "mnist-cgan", "input": {"label": "7", "seed": 1}}},
    "attributes": {
        "summary": "A seven with thick strokes, leaning back",
        "value": {"model": "mnist-cgan", "input": {"label": "7", "seed": 1, "thickness": 2, "slant": -1.5}},
    },
    "interpolate": {
        "summary": "From one digit to another",
        "value": {"model": "mnist-vae", "task": "interpolate", "input": {"seeds": [1, 2], "frames": 8}},
    },
}

PREDICTION_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": _REF.format(model="PredictionRequest")},
                "examples": _PREDICTION_EXAMPLES,
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["request"],
                    "properties": {
                        "request": {
                            "type": "string",
                            "description": "the JSON above",
                            "example": '{"model": "facades-pix2pix"}',
                        },
                        **{name: _pictures(name) for name in PICTURE_INPUTS},
                    },
                }
            },
        },
    }
}


FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": ["batch"]},
                    },
                }
            }
        },
    }
}

UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _PICTURE}}
            },
            **{kind: {"schema": _PICTURE} for kind in MEDIA_TYPES.values()},
        },
    }
}


MODEL_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": {"schema": _PICTURE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": _PICTURE,
                            "description": "card.json and model.safetensors, or one zip of both; beside them, where "
                            "there are any, directions.safetensors, sheet.webp and examples (A-0.png, image-0.png)",
                        }
                    },
                }
            },
        },
    }
}


def _json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """Of a schema whose definitions are among the document's components."""
    shown = schema.model_json_schema(ref_template=_REF)
    shown.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shown}}}}


WORDS_BODY = _json_body(ModelWords)
ALIAS_BODY = _json_body(AliasTarget)
KEY_BODY = _json_body(NewKey)


def _short_body(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, **more}
    return {
        "requestBody": {"content": {kind: {"schema": schema} for kind in ("multipart/form-data", "application/json")}}
    }


_OUTPUT_FIELDS = Output.model_json_schema()["properties"]

SAMPLE_BODY = _short_body(
    {
        "label": {"type": "string", "description": "for conditional models: class name or index", "example": "7"},
        "text": {
            "type": "string",
            "maxLength": MAX_TEXT,
            "description": "for models with the task `text`: what to make",
        },
        "n": {"type": "integer", "minimum": 1, "maximum": MAX_IMAGES, "example": 1},
        "seed": {"type": "integer", "minimum": 0, "example": 1},
        "latent": {"type": "string", "description": "instead of a seed: its numbers, separated by commas"},
        "thickness": {"type": "number", "description": "an attribute, of models that have it; their cards name theirs"},
        **_OUTPUT_FIELDS,
    }
)

TRANSLATE_BODY = _short_body(
    {
        "image": _PICTURE,
        "direction": {"type": "string", "enum": ["AtoB", "BtoA"]},
        "target": {"type": "string", "description": "of models with several domains: the one to translate to"},
        "targets": {
            "type": "string",
            "description": "of models with attributes: what it is to have, separated by commas",
        },
        "n": {"type": "integer", "minimum": 1, "maximum": MAX_IMAGES, "description": "of models with styles: how many"},
        "seed": {"type": "integer", "minimum": 0, "description": "of models with styles: draws them"},
        "latent": {"type": "string", "description": "instead of a seed: a style, its numbers separated by commas"},
        "style_image": {**_PICTURE, "description": "instead of a seed: a picture whose style is taken"},
        "fit": {
            "type": "string",
            "enum": list(get_args(Fit)),
            "description": "answer at the picture's own size: how it is brought to the network's",
        },
        "side": {"type": "integer", "minimum": 8, "maximum": MAX_SIDE, "description": "the answer's longer side"},
        "cycle": {"type": "boolean", "default": False, "description": "the way back, too"},
        "heat_map": {"type": "boolean", "default": False, "description": "with `cycle`: where the way back is off"},
        **_OUTPUT_FIELDS,
    },
    required=["image"],
)

STYLIZE_BODY = _short_body(
    {
        "image": _PICTURE,
        "label": {"type": "string", "description": "a painting that the model knows", "example": "starry-night"},
        "blend": {"type": "string", "description": "further paintings to mix with it, separated by commas"},
        "style_image": {**_PICTURE, "description": "instead of a label: a picture in whose manner it is to be"},
        "strength": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "how far to go; all the way if absent",
        },
        "steps": {"type": "integer", "minimum": 1, "description": "of models that take many"},
        "side": {"type": "integer", "minimum": 8, "maximum": MAX_SIDE, "description": "the answer's longer side"},
        **_OUTPUT_FIELDS,
    },
    required=["image"],
)

DREAM_BODY = _short_body(
    {
        "image": _PICTURE,
        "layer": {"type": "string", "description": "whose activations grow", "example": "relu4_3"},
        "channel": {"type": "integer", "minimum": 0, "description": "the one channel of the layer that grows"},
        "label": {"type": "string", "description": "instead of a layer: a class to dream of"},
        "guide_image": {**_PICTURE, "description": "a picture of which to dream, as the layer sees it"},
        "octaves": {"type": "integer", "minimum": 1, "maximum": MAX_OCTAVES, "description": "sizes, small to large"},
        "steps": {"type": "integer", "minimum": 1, "description": "in each octave"},
        "strength": {"type": "number", "minimum": 0, "maximum": 1, "description": "how much a step changes"},
        "side": {"type": "integer", "minimum": 8, "maximum": MAX_SIDE, "description": "the answer's longer side"},
        **_OUTPUT_FIELDS,
    },
    required=["image"],
)

INPAINT_BODY = _short_body(
    {
        "image": {**_PICTURE, "description": f"of any size up to {MAX_PIXELS:,} pixels"},
        "mask": {**_PICTURE, "description": "of the same size: white, or transparent, where it is to be filled in"},
        "n": {"type": "integer", "minimum": 1, "maximum": MAX_IMAGES, "description": "of models that draw: how many"},
        "seed": {"type": "integer", "minimum": 0, "description": "of models that draw"},
        **_OUTPUT_FIELDS,
    },
    required=["image", "mask"],
)

UPSCALE_BODY = _short_body(
    {
        "image": _PICTURE,
        "scale": {
            "type": "integer",
            "enum": [2, 3, 4],
            "description": "how many times as large the picture is to be; the model's first if absent",
        },
        **_OUTPUT_FIELDS,
    },
    required=["image"],
)

PICTURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the picture",
        "content": {kind: {"schema": _PICTURE} for kind in (*MEDIA_TYPES.values(), "application/zip")},
    }
}
"""The answer of a route that makes pictures."""

IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **PICTURES,
    201: {"model": Prediction, "description": "the prediction, for `Accept: application/json`"},
    202: {"model": Prediction, "description": "not ended in time; `Location` names the prediction"},
    **problems(400, 404, 406, 408, 410, 413, 415, 422, 429, 503),
}

INTERPOLATE_BODY = _short_body(
    {
        "seeds": {"type": "string", "description": "two or more, separated by commas or repeated", "example": "1,2,3"},
        "images": {"type": "array", "items": _PICTURE, "description": "instead of seeds: the pictures to pass through"},
        "frames": {"type": "integer", "minimum": 2, "maximum": MAX_IMAGES, "example": 24},
        "fps": {"type": "number", "minimum": 1, "maximum": 30, "default": 8},
        "loop": {"type": "boolean", "default": False, "description": "there and back again"},
        **_OUTPUT_FIELDS,
    }
)

INTERPOLATE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **IMAGE_RESPONSES,
    200: {
        "description": "the animation, or the frames",
        "content": {kind: {"schema": _PICTURE} for kind in ("image/webp", "image/gif", "image/png", "application/zip")},
    },
}


def _images_body(kind: str, **more: Any) -> dict[str, Any]:
    schema = ImagesRequest.model_json_schema()
    schema["properties"] |= more
    schema["required"] = ["model", *more]
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


GENERATION_BODY = _images_body("application/json")
VARIATION_BODY = _images_body("multipart/form-data", image=_PICTURE)
EDIT_BODY = _images_body("multipart/form-data", image=_PICTURE)
EDIT_BODY["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["mask"] = {
    **_PICTURE,
    "description": "of models that fill in: as large as the picture, and transparent where it is to be filled in",
}
