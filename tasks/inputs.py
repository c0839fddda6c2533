"""What a request may say: every input's name, type and limits, once for API, worker and CLI. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, create_model, model_validator
from pydantic.config import JsonDict

from models.card import SOURCE_AND_TARGET, Card, Direction, Task
from models.sampling_defaults import (
    ASCENT_STEPS,
    DEFAULT_GUIDANCE,
    DEFAULT_OCTAVES,
    DEFAULT_SAMPLER,
    DEFAULT_STEPS,
    DESCENT_STEPS,
)
from models.text import words
from pictures.framing import FITS, MAX_SIDE, Fit, Framing

MAX_SEED = 2**53 - 1
"""The largest integer that JSON and JavaScript hold exactly."""
MAX_IMAGES = 64
"""Most images of one prediction."""
MAX_STEPS = 250
"""Most noise levels of a diffusion model, or steps along a gradient."""
MAX_BLEND = 16
"""Most classes that are mixed with one."""
MAX_OCTAVES = 10
MAX_TEXT = 200
"""Most characters of a text."""
MAX_LATENT = 1000
"""Largest absolute value of a latent's numbers."""

Choice = TypeVar("Choice", str, int)

Value = TypeVar("Value")
Other = TypeVar("Other")
FieldDefinition = tuple[Any, Any]
"""As `create_model` takes it: a type, `Annotated` or a union maybe, and a `Field`, typed as its default."""


class Input(Generic[Value]):
    """One input of requests: its name, the type of its values, and what a model takes for it."""

    def __init__(self, name: str, definition: Callable[[Card], FieldDefinition]):
        self.name, self.definition = name, definition


class Inputs(BaseModel):
    """What one request says, checked against `input_model`; `inputs[SEED]` is a value by its input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __getitem__(self, input: Input[Value]) -> Value:
        """Raises `KeyError` if there is no value: the model has no such input, or the request does not give it."""
        value = self._value(input.name)
        if value is None:
            raise KeyError(input.name)
        return value

    @overload
    def get(self, input: Input[Value]) -> Value | None: ...
    @overload
    def get(self, input: Input[Value], default: Other) -> Value | Other: ...
    def get(self, input: Input[Value], default: Other | None = None) -> Value | Other | None:
        """The value, or `default` where there is none."""
        value = self._value(input.name)
        return default if value is None else value

    def attribute_value(self, name: str) -> float | None:
        """The value of an attribute of the model's own (`Card.attributes`), if it is given."""
        return self._value(name)

    def values(self, names: Iterable[str]) -> list[Any]:
        """The values of some inputs by name, None where there is none."""
        return [self._value(name) for name in names]

    def given(self, names: Iterable[str]) -> list[str]:
        """Those of the names that have a value."""
        return [name for name in names if self._value(name) is not None]

    def _value(self, name: str) -> Any:
        return getattr(self, name, None) if name in type(self).model_fields else None


def _label_of(card: Card) -> Callable[[int | str], int]:
    def check(value: int | str) -> int:
        if isinstance(value, str) and value in card.classes:
            return card.classes.index(value)
        index = (
            int(value) if isinstance(value, int) or (value.isascii() and value.isdigit() and len(value) < 10) else -1
        )
        if not 0 <= index < len(card.classes):
            raise ValueError(
                f"unknown label; this model knows {', '.join(card.classes)} (or an index below {len(card.classes)})"
            )
        return index

    return check


def _names_or_indices(card: Card) -> list[JsonValue]:
    return [
        {"type": "string", "enum": list(card.classes)},
        {"type": "integer", "minimum": 0, "maximum": len(card.classes) - 1},
    ]


def _class(card: Card, meaning: str) -> FieldDefinition:
    """One of the model's classes, by name or index."""
    return Annotated[int | str, AfterValidator(_label_of(card))], Field(
        description=f"{meaning}: {', '.join(card.classes)}",
        examples=[card.classes[-1]],
        json_schema_extra={"anyOf": _names_or_indices(card)},
    )


def _direction(card: Card) -> FieldDefinition:
    domains = {"a": card.domains.get("A", "A"), "b": card.domains.get("B", "B")}
    ways = ((way, *SOURCE_AND_TARGET[way]) for way in card.directions)
    description = "; ".join(f"{way}: {domains[source]} to {domains[target]}" for way, source, target in ways)
    kind = Annotated[str, AfterValidator(_one_of(card.directions))]
    return kind, Field(card.directions[0], description=description, json_schema_extra={"enum": list(card.directions)})


def _one_of(allowed: tuple[Choice, ...]) -> Callable[[Choice], Choice]:
    def check(value: Choice) -> Choice:
        if value not in allowed:
            raise ValueError(f"this model takes {' or '.join(map(str, allowed))}")
        return value

    return check


def _fit(card: Card) -> FieldDefinition:
    """How a picture of another size than the model's goes through it."""
    ways = (
        "answer at the picture's own size: contain shows the network all of it, cover its centre, stretch all of it "
        "without its aspect, tile one part after the other"
    )
    absent = f"its centre is answered at {card.image.width} x {card.image.height}"
    fits = FITS
    if card.native is None:
        fits = tuple(fit for fit in FITS if fit != "native")
    else:
        ways += f", native as it is, up to {card.native.limit:,} pixels"
        absent = "native" if card.native.default else absent
    return _optional(Literal[*fits]), Field(None, description=f"{ways}; if absent, {absent}")


def _scale(card: Card) -> FieldDefinition:
    allowed: JsonDict = {"enum": list(card.scales)}
    return Annotated[int, AfterValidator(_one_of(card.scales)), Field(json_schema_extra=allowed)], Field(
        card.scales[0], description="how many times as large the picture is to be"
    )


def _optional(kind: Any) -> Any:
    """The type, or None."""
    return kind | None


def _steps(card: Card) -> FieldDefinition:
    meanings = {
        Task.STYLIZE: (DESCENT_STEPS, "steps of gradient descent; more are nearer to the style, and take longer"),
        Task.DREAM: (ASCENT_STEPS, "steps of gradient ascent in each octave; more dream deeper, and take longer"),
    }
    usual = DEFAULT_STEPS, "noise levels on the way, one pass of the network at each"
    default, description = next((meanings[task] for task in meanings if task in card.tasks), usual)
    return int, Field(default, ge=1, le=MAX_STEPS, description=description)


def _strength(card: Card) -> FieldDefinition:
    meanings = {
        Task.STYLIZE: (1.0, "how far to go from the picture's own manner: 0 stays with it, 1 goes all the way"),
        Task.DREAM: (0.5, "how much a step changes: 0 leaves the picture as it is"),
    }
    usual = 0.5, "how far to go from the picture: 0 stays with it, 1 adds as much noise as there is in a sample"
    default, description = next((meanings[task] for task in meanings if task in card.tasks), usual)
    return float, Field(default, ge=0, le=1, allow_inf_nan=False, description=description)


def _style_image(card: Card) -> FieldDefinition:
    meaning = "a picture in whose manner the other is to be" if Task.STYLIZE in card.tasks else _OF_DOMAIN
    return Picture, Field(description=f"{meaning}: {_PICTURE}")


def _side(card: Card) -> FieldDefinition:
    meaning = "the answer's longer side"
    if card.native is None or not card.native.default:
        meaning = f"with `fit`: {meaning}"
    return int | None, Field(
        None, ge=8, le=MAX_SIDE, description=f"{meaning}; the picture's own if absent, up to {MAX_SIDE}"
    )


def _layer(card: Card) -> FieldDefinition:
    names = tuple(card.layers)
    kind = Annotated[str, AfterValidator(_one_of(names)), Field(json_schema_extra={"enum": list(names)})]
    return _optional(kind), Field(
        None,
        description="the layer of the network whose activations grow: a low one dreams of textures, a high one of "
        f"things; {usual_layer(card.layers)} if absent",
    )


def usual_layer(layers: Mapping[str, int]) -> str:
    """The layer that is dreamt of where none is named: the one in the middle."""
    return list(layers)[len(layers) // 2]


def _readable(text: str) -> str:
    if not words(text):
        raise ValueError("there is no word in it that can be read; write in English, with the letters a to z")
    return text


def _latent_of(card: Card) -> Any:
    size = math.prod(card.latent)
    number = Annotated[float, Field(ge=-MAX_LATENT, le=MAX_LATENT, allow_inf_nan=False)]
    return Annotated[list[number], Field(min_length=size, max_length=size, fail_fast=True)]


Picture = Annotated[str, Field(json_schema_extra={"contentMediaType": "image/*"})]
"""The media type tells forms, which are built from the schema, to offer a file."""
_OF_DOMAIN = "a picture of the domain to translate to, whose style is taken"
_PICTURE = "a picture: a file part of a multipart request, or in JSON a data: URI or upload:<id>"

N = Input[int]("n", lambda card: (int, Field(1, ge=1, le=MAX_IMAGES, description="how many images")))
SEED = Input[int](
    "seed",
    lambda card: (
        int | None,
        Field(
            None,
            ge=0,
            le=MAX_SEED,
            description="image i is drawn with seed + i; drawn by the server and returned if absent",
        ),
    ),
)
SEEDS = Input[list[int]](
    "seeds",
    lambda card: (
        list[Annotated[int, Field(ge=0, le=MAX_SEED)]] | None,
        Field(None, min_length=2, max_length=8, description="the latents to pass through, by their seeds"),
    ),
)
LATENT = Input[list[float]](
    "latent",
    lambda card: (
        _latent_of(card) | None,
        Field(None, description="the numbers to make the image from, as an answer with `output.latents` tells them"),
    ),
)
LATENTS = Input[list[list[float]]](
    "latents",
    lambda card: (
        list[_latent_of(card)] | None,
        Field(None, min_length=2, max_length=8, description="the latents to pass through, each as an answer tells it"),
    ),
)
PATH = Input[Literal["lerp", "slerp"]](
    "path",
    lambda card: (
        Literal["lerp", "slerp"] | None,
        Field(None, description="straight or spherical between two latents; if absent, lerp between pictures only"),
    ),
)
TEMPERATURE = Input[float](
    "temperature",
    lambda card: (
        float | None,
        Field(
            None,
            gt=0,
            le=2,
            allow_inf_nan=False,
            description="how much chance there is in a sample, 1 if absent; lower is more typical, less varied",
        ),
    ),
)
TRUNCATION = Input[float](
    "truncation",
    lambda card: (
        float | None,
        Field(
            None,
            gt=0,
            le=4,
            allow_inf_nan=False,
            description="latents beyond ± this are drawn again; lower is more typical, less varied",
        ),
    ),
)
LABEL = Input[int]("label", lambda card: _class(card, "class name or index"))
TEXT = Input[str](
    "text",
    lambda card: (
        Annotated[str, AfterValidator(_readable)],
        Field(
            min_length=1,
            max_length=MAX_TEXT,
            description="what to make, in English words; words that it never met are read by their parts",
            examples=["red apple"],
        ),
    ),
)
FRAMES = Input[int](
    "frames",
    lambda card: (
        int,
        Field(8, ge=2, le=MAX_IMAGES, description="how many images along the way, both ends included"),
    ),
)
STEPS = Input[int]("steps", _steps)
SAMPLER = Input[str](
    "sampler",
    lambda card: (
        Literal["dpm-solver++", "ddim", "ddpm"],
        Field(DEFAULT_SAMPLER, description="how to go from one level to the next; ddpm needs the most steps by far"),
    ),
)
GUIDANCE = Input[float](
    "guidance",
    lambda card: (
        float,
        Field(
            DEFAULT_GUIDANCE,
            ge=0,
            le=10,
            allow_inf_nan=False,
            description="how much the label or text counts: 1 as much as in training; more is clearer and less varied",
        ),
    ),
)
DIMENSION = Input[int](
    "dimension",
    lambda card: (
        Annotated[int, Field(ge=0, lt=math.prod(card.latent))],
        Field(description="which number of the latent to change", examples=[0]),
    ),
)
ATTRIBUTE = Input[str](
    "attribute",
    lambda card: (
        _optional(
            Annotated[
                str,
                AfterValidator(_one_of(tuple(card.attributes))),
                Field(json_schema_extra={"enum": list(card.attributes)}),
            ]
        ),
        Field(None, description="which attribute to change, from its least value to its most"),
    ),
)
SPAN = Input[float](
    "span",
    lambda card: (
        float,
        Field(3.0, gt=0, le=MAX_LATENT, allow_inf_nan=False, description="a dimension goes from -span to span"),
    ),
)
MASK = Input[str](
    "mask",
    lambda card: (
        Picture,
        Field(
            description=f"{_PICTURE}, as large as `image`: white where that is to be filled in, or transparent; if "
            "anything of it is transparent, its colours mean nothing"
        ),
    ),
)
IMAGE = Input[str]("image", lambda card: (Picture, Field(description=_PICTURE)))
IMAGES = Input[list[str]](
    "images",
    lambda card: (
        list[Picture] | None,
        Field(None, min_length=2, max_length=8, description=f"the pictures to pass through, each {_PICTURE}"),
    ),
)
STYLE_IMAGE = Input[str]("style_image", _style_image)
BLEND = Input[list[int]](
    "blend",
    lambda card: (
        list[Annotated[int | str, AfterValidator(_label_of(card))]],
        Field(
            default_factory=list,
            max_length=MAX_BLEND,
            description="further classes to mix with `label`, by name or index: each counts the same, and one that is "
            "named twice counts double",
            json_schema_extra={"items": {"anyOf": _names_or_indices(card)}},
        ),
    ),
)
LAYER = Input[str]("layer", _layer)
CHANNEL = Input[int](
    "channel",
    lambda card: (
        int | None,
        Field(
            None,
            ge=0,
            lt=max(card.layers.values()),
            description="the one channel of the layer that grows, if not all are to",
        ),
    ),
)
GUIDE_IMAGE = Input[str](
    "guide_image",
    lambda card: (
        _optional(Picture),
        Field(None, description=f"a picture of which to dream, as the layer sees it: {_PICTURE}"),
    ),
)
OCTAVES = Input[int](
    "octaves",
    lambda card: (
        int,
        Field(DEFAULT_OCTAVES, ge=1, le=MAX_OCTAVES, description="sizes at which to dream, from small to large"),
    ),
)
DIRECTION = Input[Direction]("direction", _direction)
TARGET = Input[int]("target", lambda card: _class(card, "what to translate to, by name or index"))
TARGETS = Input[list[int]](
    "targets",
    lambda card: (
        list[Annotated[int | str, AfterValidator(_label_of(card))]],
        Field(
            description="what the result is to have, by name or index; it is to have none of the others",
            max_length=len(card.classes),
            examples=[[card.classes[-1]]],
            json_schema_extra={"items": {"anyOf": _names_or_indices(card)}},
        ),
    ),
)
FIT = Input[Fit]("fit", _fit)
SCALE = Input[int]("scale", _scale)
SIDE = Input[int]("side", _side)
CYCLE = Input[bool](
    "cycle", lambda card: (bool, Field(False, description="answer with the way back, too, and how far it is off"))
)
HEAT_MAP = Input[bool](
    "heat_map",
    lambda card: (
        bool,
        Field(False, description="with `cycle`: a third picture, of where the way back is off"),
    ),
)
STRENGTH = Input[float]("strength", _strength)

INPUTS: dict[str, Input[Any]] = {
    each.name: each
    for each in (
        N,
        SEED,
        SEEDS,
        LATENT,
        LATENTS,
        PATH,
        TEMPERATURE,
        TRUNCATION,
        LABEL,
        TEXT,
        FRAMES,
        STEPS,
        SAMPLER,
        GUIDANCE,
        DIMENSION,
        ATTRIBUTE,
        SPAN,
        MASK,
        IMAGE,
        IMAGES,
        STYLE_IMAGE,
        BLEND,
        LAYER,
        CHANNEL,
        GUIDE_IMAGE,
        OCTAVES,
        DIRECTION,
        TARGET,
        TARGETS,
        FIT,
        SCALE,
        SIDE,
        CYCLE,
        HEAT_MAP,
        STRENGTH,
    )
}
"""Every input, by its name."""


STARTS: dict[Task, tuple[str, ...]] = {
    Task.SAMPLE: ("seed", "latent"),
    Task.CONDITIONAL: ("seed", "latent"),
    Task.TEXT: ("seed", "latent"),
    Task.TRANSLATE: ("seed", "latent", "style_image"),
    Task.INTERPOLATE: ("seeds", "images", "latents"),
    Task.STYLIZE: ("label", "style_image"),
    Task.VARY: ("image", "latent"),
    Task.TRAVERSE: ("seed", "image", "latent"),
}
"""Inputs of which a request gives one. A `seed` that is not given is drawn."""
ONE_OF = "x-one-of"
"""Of a task's JSON Schema: lists of inputs that exclude one another. One of each is needed, unless it has a `seed`."""
ALONG = ("dimension", "attribute")
"""Inputs of which a request gives one, where both are offered."""


def _attribute(card: Card, name: str) -> FieldDefinition:
    """An input of the model's own."""
    known = card.attributes[name]
    bounds = Field(None, ge=known.low, le=known.high, description=known.told)
    if known.whole:
        return int | None, bounds
    return _optional(Annotated[float, Field(allow_inf_nan=False)]), bounds


Check = Callable[[Inputs], Inputs]
NATIVE = (
    Task.STYLIZE,
    Task.DREAM,
    Task.UPSCALE,
)
"""Tasks that answer at a picture's own size if nothing is said, of models that have that for a default."""
GOES_WITH = {"side": "fit", "heat_map": "cycle", "blend": "label"}
"""Inputs that mean something only beside another one."""


@lru_cache(maxsize=1024)
def input_model(card: Card, task: Task) -> type[Inputs]:
    """The pydantic model of what `card` takes for `task`; its JSON Schema is what the API shows.

    Raises:
        KeyError: the model does not offer the task.
    """
    names = card.tasks[task]
    starts = tuple(name for name in STARTS.get(task, ()) if name in names)
    along = tuple(name for name in ALONG if name in names)
    checks: dict[str, Check] = {}
    if GOES_WITH.keys() & set(names):
        checks["together"] = _both_or_neither(card)
    if starts:
        checks["one_start"] = _one_of_starts(starts)
    if len(along) > 1:
        checks["one_along"] = _exactly_one(along)
    if task is Task.DREAM:
        checks["one_dream"] = _one_dream(card)
    chosen = {name for names in (starts, along) if len(names) > 1 for name in names}
    chosen |= {"label"} if task is Task.DREAM else set()
    validators: dict[str, Any] = {name: model_validator(mode="after")(check) for name, check in checks.items()}
    definitions: dict[str, Any] = {name: _definition(card, name, optional=name in chosen) for name in names}
    exclusive: list[JsonValue] = [list(names) for names in (starts, along) if len(names) > 1]
    return create_model(
        f"{card.name}-{task.value}-input",
        __base__=Inputs,
        __cls_kwargs__={
            "title": f"Input of {card.name} for {task.value}",
            "json_schema_extra": {ONE_OF: exclusive} if exclusive else None,
        },
        __validators__=validators,
        **definitions,
    )


def _definition(card: Card, name: str, optional: bool) -> FieldDefinition:
    if name in card.attributes:
        return _attribute(card, name)
    kind, field = INPUTS[name].definition(card)
    if optional and field.is_required():
        said = field.json_schema_extra or {}
        extra: JsonDict = {"anyOf": [*said["anyOf"], {"type": "null"}]} if "anyOf" in said else {}
        return _optional(kind), Field(None, description=field.description, json_schema_extra=extra)
    return kind, field


def _both_or_neither(card: Card) -> Check:
    fitted = card.native is not None and card.native.default

    def check(inputs: Inputs) -> Inputs:
        for name, other in GOES_WITH.items():
            value, beside = inputs.values((name, other))
            if value and (beside is None or beside is False) and not (other == "fit" and fitted):
                raise ValueError(f"`{name}` goes with `{other}`; give both or neither")
        return inputs

    return check


def _one_dream(card: Card) -> Check:
    def check(inputs: Inputs) -> Inputs:
        layer, channel = inputs.get(LAYER, usual_layer(card.layers)), inputs.get(CHANNEL)
        if inputs.get(LABEL) is not None and inputs.given(("layer", "channel", "guide_image")):
            raise ValueError("a dream of a `label` takes no `layer`, `channel` or `guide_image`")
        if channel is not None and inputs.get(GUIDE_IMAGE) is not None:
            raise ValueError("give only one of `channel` or `guide_image`")
        if channel is not None and channel >= card.layers[layer]:
            raise ValueError(f"{layer} has the channels 0 to {card.layers[layer] - 1}")
        return inputs

    return check


def framing(card: Card, task: Task, values: Mapping[str, Any]) -> Framing | None:
    """How the `image` of an input is to be answered if it is of another size than the model's own; None for the centre
    of it, at the model's size. `values` are those of a valid input."""
    if values.get("image") is None:
        return None
    native = card.native is not None and card.native.default and task in NATIVE
    fit = values.get("fit") or ("native" if native else None)
    if fit is None:
        return None
    return Framing(
        fit,
        values.get("side"),
        values.get("n", 1),
        card.native,
        values.get("scale", 1),
        transparent=task in NATIVE,
    )


def _alternatives(names: Iterable[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _exactly_one(names: tuple[str, ...]) -> Check:
    def check(inputs: Inputs) -> Inputs:
        if len(inputs.given(names)) != 1:
            raise ValueError(f"give one of {_alternatives(names)}")
        return inputs

    return check


def _one_of_starts(starts: tuple[str, ...]) -> Check:
    def check(inputs: Inputs) -> Inputs:
        given = inputs.given(starts)
        if len(given) > 1:
            raise ValueError(f"give only one of {_alternatives(starts)}")
        if not given and "seed" not in starts:
            raise ValueError(f"give {_alternatives(starts)}")
        if given in (["latent"], ["style_image"]) and "seed" in starts and _draws(inputs):
            raise ValueError(f"a `{given[0]}` makes one image as it is; leave out `n` and `truncation`")
        return inputs

    return check


def _draws(inputs: Inputs) -> bool:
    return inputs.get(N, 1) > 1 or inputs.get(TRUNCATION) is not None
