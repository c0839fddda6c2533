"""What an ONNX graph takes and makes, read from itself and from trial passes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from onnx import ModelProto

from importing.errors import NotImportable
from importing.onnx_labels import classes_of
from importing.onnx_probe import GraphInput, PassFailed, Probe
from importing.onnx_roles import GraphTask, Roles, roles_of, task_of
from importing.onnx_values import values_of
from models import onnx_graphs
from models.card import Direction, Task
from models.families.onnx_graph import Label, Latent, Law, Layout, Pictures, Values
from models.nn.native import native
from pictures.formats import Channels, ImageFormat, channels_of
from pictures.framing import Native
from tasks.onnx_export import GraphDescription, described

_FAMILIES: Mapping[GraphTask, str] = {
    "sample": "onnx-sampler",
    "conditional": "onnx-sampler",
    "translate": "onnx-translator",
    "reconstruct": "onnx-reconstructor",
    "upscale": "onnx-upscaler",
    "stylize": "onnx-stylizer",
}
_SUMMARIES: Mapping[GraphTask, str] = {
    "sample": "Pictures of noise, imported",
    "conditional": "Pictures of classes, imported",
    "translate": "Pictures to classes, imported",
    "reconstruct": "Pictures by way of a code, imported",
    "upscale": "Larger pictures, imported",
    "stylize": "Pictures in a manner of its own, imported",
}
_USUAL_SIDE = 256
_USUAL_SMALL_SIDE = 64
"""Of a picture that is to be enlarged."""
_SIDES = (32, 64, 128)
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
"""Sides that are tried of a graph that takes any size, and what they may have to be multiples of."""
_LEAST_BYTES = 64
"""Of a pass for each pixel."""
_APART = 2e-3
"""Share of what a graph makes by which a row may differ from the same among others: a quarter of a step of a pixel."""

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class GraphSettings:
    """What is said of a graph; what is absent is inferred."""

    task: GraphTask | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Names of its inputs by what they are: `image`, `latent`, `label`."""
    output: str = ""
    layout: Layout | None = None
    values: Values | None = None
    """Of the pictures that it makes; and of those that it takes, unless `values_in` says otherwise."""
    values_in: Values | None = None
    bgr: bool = False
    law: Law = "normal"
    latent: tuple[int, ...] = ()
    """Shape of one, where the graph leaves it open."""
    classes: tuple[str, ...] = ()
    """Their names; or one number, how many there are."""
    size: Size | None = None
    """Where the graph leaves it open."""
    direction: Direction = "AtoB"
    domains: tuple[str, str] | None = None
    licence: str = ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, if anything is said of them."""
        if len(self.classes) == 1 and self.classes[0].isdigit():
            return tuple(map(str, range(min(int(self.classes[0]), 100_000))))
        return self.classes


@dataclass(frozen=True)
class Reading:
    """What a graph is, and how that is known."""

    description: GraphDescription
    inferred: tuple[str, ...]
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class _Form:
    """How pictures lie in a tensor, but for what their numbers mean."""

    layout: Layout
    channels: Channels
    height: int
    width: int

    def array(self, count: int, size: Size | None = None) -> np.ndarray:
        """Pictures of noise in [0, 1], at another size if one is given."""
        height, width = size or (self.height, self.width)
        shapes = {
            "nchw": (self.channels, height, width),
            "nhwc": (height, width, self.channels),
            "flat": (self.channels * height * width,),
        }
        return np.random.default_rng(0).random((count, *shapes[self.layout]))

    def told(self) -> str:
        """In words."""
        colour = {1: "grey", 3: "coloured"}[self.channels]
        return f"{colour} pictures of {self.width} x {self.height}, {self.layout.upper()}"


def read(graph: ModelProto, settings: GraphSettings) -> Reading:
    """What a graph takes and makes; of one that `easel export` wrote, as it says, unless another task is said.

    Raises:
        NotImportable: it is not served, or something of it has to be said, by an option that the message names.
    """
    told = described(graph)
    if told is not None and settings.task in (None, told.task):
        said = {"licence": settings.licence, "classes": settings.class_names, "domains": settings.domains}
        known = told.model_copy(update={name: value for name, value in said.items() if value})
        return Reading(known, ("all of it as easel export wrote it into the file",), ())
    return _Reader(graph, settings).read()


class _Reader:
    def __init__(self, graph: ModelProto, settings: GraphSettings):
        self.graph, self.settings, self.probe = graph, settings, Probe(graph)
        self.inferred: list[str] = []
        self.assumed: list[str] = []

    def read(self) -> Reading:
        settings = self.settings
        roles = roles_of(self.probe.inputs, settings.inputs, settings.task)
        task = task_of(roles, settings.task)
        latent = self._latent(roles["latent"]) if "latent" in roles else None
        label = self._label(roles["label"]) if "label" in roles else None
        taken = self._taken(roles["image"], roles, label, task) if "image" in roles else None
        trial = _Trial(roles, latent, label, taken, self.probe.batch)
        outputs = self.probe.run(trial.feeds(trial.fixed or 1))
        output, made = self._made(outputs, taken, trial.fixed or 1)
        batch = self._batch(trial, output)
        values = self._values(output)
        config: dict[str, Any] = {"batch": batch, "made": self._pictures(output, made, values)}
        seen = made
        if taken is not None:
            config["images"] = self._pictures(roles["image"].name, taken, self._values_in(roles["image"], values))
            scale = self._scale(taken, made) if task == "upscale" else 1
            config["native"] = self._native(trial, output, scale, task)
            seen = taken
            if task == "upscale":
                config["scale"] = scale
        config |= {"latent": latent} if latent else {}
        config |= {"label": label} if label else {}
        family = "onnx-target-translator" if task == "translate" and label else _FAMILIES[task]
        if family == "onnx-translator":
            config["direction"] = settings.direction
        channels = made.channels if taken is None else max(taken.channels, made.channels)
        description = GraphDescription(
            task=Task(task),
            family=family,
            config={name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
                    for name, value in config.items()},
            summary=self._summary(family, task),
            image=ImageFormat(height=seen.height, width=seen.width, channels=channels_of(channels)),
            classes=(settings.class_names or tuple(map(str, range(label.classes)))) if label else (),
            domains=settings.domains or ("A", "B"),
            licence=settings.licence or "unknown",
        )  # fmt: skip
        return Reading(description, tuple(self.inferred), tuple(self.assumed))

    def _summary(self, family: str, task: GraphTask) -> str:
        if family != "onnx-translator":
            return _SUMMARIES[task]
        domains = self.settings.domains or ("A", "B")
        source, target = domains if self.settings.direction == "AtoB" else reversed(domains)
        return f"{source} to {target}, imported"

    def _latent(self, each: GraphInput) -> Latent:
        settings = self.settings
        known = tuple(length for length in each.shape[1:] if length is not None)
        shape = known if known and len(known) == len(each.shape) - 1 else settings.latent
        if not shape:
            raise NotImportable(f"how long a latent is ({each.name}) is left open; say it by --latent, for example 100")
        if settings.latent and math.prod(shape) != math.prod(settings.latent):
            raise NotImportable(f"a latent of it is {_times(shape)}, not {_times(settings.latent)} (--latent)")
        self.inferred.append(f"latents of {_times(shape)} ({each.name})")
        if settings.law == "normal":
            self.assumed.append("latents are normal (--law uniform: uniform in [-1, 1])")
        return Latent(name=each.name, shape=shape, law=settings.law)

    def _label(self, each: GraphInput) -> Label:
        lengths, said = each.shape[1:], len(self.settings.class_names)
        hot = each.kind.kind == "f" and bool(lengths) and lengths != (1,)
        told = [length for length in lengths if length is not None]
        if hot:
            count = math.prod(told) if len(told) == len(lengths) else None
        else:
            count = classes_of(self.graph.graph, each.name)
        count = count or said
        if not count:
            raise NotImportable(f"how many classes there are ({each.name}) is not told; say it by --classes, as in 10")
        if said and said != count:
            raise NotImportable(f"it has {count} classes, not {said} (--classes)")
        self.inferred.append(f"{count} classes ({each.name}), {'one-hot' if hot else 'by index'}")
        return Label(
            name=each.name,
            form="one-hot" if hot else "index",
            classes=count,
            shape=() if hot else tuple(length or 1 for length in lengths),
        )

    def _taken(self, each: GraphInput, roles: Roles, label: Label | None, task: GraphTask) -> _Form:
        """How pictures go in: the first of the forms that its shape allows with which a pass goes through."""
        forms = self._forms_in(each, task)
        failed: PassFailed | None = None
        for form in forms:
            trial = _Trial(roles, None, label, form, self.probe.batch)
            try:
                self.probe.run(trial.feeds(trial.fixed or 1))
            except PassFailed as error:
                failed = failed or error
                continue
            self.inferred.append(f"takes {form.told()} ({each.name})")
            if len(forms) > 1:
                self.assumed.append(f"{form.layout.upper()} with {form.channels} channels, the first that went through")
            return form
        raise NotImportable(f"no picture of {_sizes(forms)} goes through it (--size, --layout): {failed}")

    def _forms_in(self, each: GraphInput, task: GraphTask) -> list[_Form]:
        shape, layouts = each.shape, self._layouts(each.shape)
        forms = []
        for layout in layouts:
            if layout == "flat":
                forms.append(self._flat(math.prod(self._closed(each.name, shape[1:]))))
                continue
            channels = shape[1] if layout == "nchw" else shape[3]
            height, width = shape[2:] if layout == "nchw" else shape[1:3]
            if channels not in (1, 3, None):
                continue
            size = self._size(height, width, _USUAL_SMALL_SIDE if task == "upscale" else _USUAL_SIDE)
            counts: tuple[Channels, ...] = (channels_of(channels),) if channels else (3, 1)
            forms += [_Form(layout, count, *size) for count in counts]
        if not forms:
            raise NotImportable(f"{each.name} is {_times(shape)}, which are no pictures in grey (1) or colour (3)")
        return forms

    def _layouts(self, shape: tuple[int | None, ...]) -> tuple[Layout, ...]:
        """Those in which a tensor of a shape may hold pictures."""
        if len(shape) != 4:
            return ("flat",)
        if self.settings.layout:
            return (self.settings.layout,)
        if shape[1] in (1, 3) and shape[3] in (1, 3):
            raise NotImportable(f"pictures of {_times(shape)} may lie both ways; say which by --layout nchw or nhwc")
        if shape[1] in (1, 3):
            return ("nchw",)
        return ("nhwc",) if shape[3] in (1, 3) else ("nchw", "nhwc")

    def _flat(self, count: int) -> _Form:
        """So many numbers as a picture: of the size that is said, or a square one."""
        for channels in (1, 3):
            if self.settings.size and math.prod(self.settings.size) * channels == count:
                return _Form("flat", channels_of(channels), *self.settings.size)
            side = math.isqrt(count // channels)
            if not self.settings.size and side * side * channels == count:
                return _Form("flat", channels_of(channels), side, side)
        said = self.settings.size
        asked = f", nor one of {_times(said)}" if said else ""
        raise NotImportable(f"{count:,} numbers in a row are no square picture{asked}")

    @staticmethod
    def _closed(name: str, lengths: tuple[int | None, ...]) -> list[int]:
        known = [length for length in lengths if length is not None]
        if not known or len(known) < len(lengths):
            raise NotImportable(f"{name} is {_times(lengths)}, which leaves open how large its pictures are")
        return known

    def _size(self, height: int | None, width: int | None, usual: int) -> Size:
        said = self.settings.size
        for declared, wanted in zip((height, width), said or (), strict=False):
            if declared not in (None, wanted):
                raise NotImportable(
                    f"it takes pictures of {_times((height, width))}, not of {_times(said or ())} (--size)"
                )
        if said is None and (height is None or width is None):
            self.assumed.append(f"pictures of {usual} x {usual}, where nothing else is asked for (--size)")
        height, width = height or (said or (usual, usual))[0], width or (said or (usual, usual))[1]
        return height, width

    def _made(self, outputs: Mapping[str, np.ndarray], taken: _Form | None, rows: int) -> tuple[str, _Form]:
        """The output that is pictures, and how they lie in it."""
        wanted, found = self.settings.output, {}
        if wanted and wanted not in outputs:
            raise NotImportable(f"it has no output {wanted} (--output); it has {', '.join(outputs)}")
        refused: NotImportable | None = None
        for name, array in outputs.items():
            if wanted in ("", name):
                try:
                    found[name] = self._form_out(name, array, taken, rows)
                except NotImportable as error:
                    refused = refused or error
        if not found:
            raise refused or NotImportable("it makes no tensors")
        if len(found) > 1:
            raise NotImportable(f"{' and '.join(found)} may both be its pictures; say which by --output")
        ((name, form),) = found.items()
        self.inferred.append(f"makes {form.told()} ({name})")
        return name, form

    def _form_out(self, name: str, array: np.ndarray, taken: _Form | None, rows: int) -> _Form:
        shape: tuple[int, ...] = array.shape
        if array.ndim < 2 or array.shape[0] != rows or array.dtype.kind not in "fu":
            raise NotImportable(f"{name} is {_times(shape)} of {array.dtype} for {rows} rows, which are no pictures")
        if len(shape) == 3 and 1 not in shape[1:] and not self.settings.size:
            return _Form("flat", 1, shape[1], shape[2])
        if len(shape) != 4:
            return self._flat(math.prod(shape[1:]))
        both = shape[1] in (1, 3) and shape[3] in (1, 3)
        layout = self.settings.layout or (taken.layout if taken and both else None)
        layouts = (layout,) if layout in ("nchw", "nhwc") else self._layouts(shape)
        _, one, two, three = array.shape
        count, height, width = (one, two, three) if layouts[0] == "nchw" else (three, one, two)
        if len(layouts) != 1 or count not in (1, 3):
            raise NotImportable(f"{name} is {_times(shape)}, which are no pictures in grey (1) or colour (3)")
        return _Form(layouts[0], channels_of(count), height, width)

    def _batch(self, trial: _Trial, output: str) -> int | None:
        """The rows that it takes at once, where it takes no other number or they do not stay themselves.

        Raises:
            NotImportable: a picture always depends on the others.
        """
        fixed = trial.fixed
        count = fixed or 3
        if fixed == 1:
            self.inferred.append("one picture in a pass")
            return 1
        feeds = trial.feeds(count)
        alone = {name: feed[[0] * (fixed or 1)] for name, feed in feeds.items()}
        try:
            together, once = self.probe.run(feeds)[output], self.probe.run(alone)[output]
        except PassFailed:
            if fixed:
                raise
            self.inferred.append("one picture in a pass: several fail")
            return 1
        span = max(float(np.ptp(once[0].astype(np.float32))), 1e-3)
        same = len(together) == count and np.abs(together[0].astype(np.float32) - once[0]).max() <= _APART * span
        if fixed:
            if not same:
                raise NotImportable(
                    f"a picture depends on the other {fixed - 1} of its batch; export it for one at once"
                )
            self.inferred.append(f"{fixed} pictures in a pass, neither more nor fewer")
            return fixed
        if not same:
            self.inferred.append("one picture in a pass: of several, each depends on the others")
        return None if same else 1

    def _values(self, output: str) -> Values:
        if self.settings.values:
            return self.settings.values
        values = values_of(self.graph.graph, output)
        if values is None:
            raise NotImportable(
                f"its last operators do not tell what black and white are in {output}; say it by --values "
                "-1,1 or 0,1 or 0,255"
            )
        self.inferred.append(f"{output} from {values.replace(',', ' to ')}")
        return values

    def _values_in(self, each: GraphInput, values: Values) -> Values:
        if each.kind == np.uint8:
            return "0,255"
        if self.settings.values_in is None and self.settings.values is None:
            self.assumed.append(f"{each.name} from {values.replace(',', ' to ')}, as what it makes (--values-in)")
        return self.settings.values_in or values

    def _pictures(self, name: str, form: _Form, values: Values) -> Pictures:
        order: Literal["rgb", "bgr"] = "bgr" if self.settings.bgr and form.channels == 3 else "rgb"
        return Pictures(name=name, values=values, order=order, **vars(form))

    @staticmethod
    def _scale(taken: _Form, made: _Form) -> int:
        scale = made.height // taken.height
        if scale < 2 or (taken.height * scale, taken.width * scale) != (made.height, made.width):
            raise NotImportable(
                f"it makes {_times((made.width, made.height))} of {_times((taken.width, taken.height))}, which is not "
                "two or more times as large"
            )
        return scale

    def _native(self, trial: _Trial, output: str, scale: int, task: GraphTask) -> Native | None:
        """The pictures that it takes at their own size: whether it does, and of which multiples, is tried."""
        assert trial.taken is not None
        lengths = trial.roles["image"].shape
        open_ones = lengths[2:] if trial.taken.layout == "nchw" else lengths[1:3]
        if trial.taken.layout == "flat" or open_ones != (None, None):
            return None
        for side, multiple in itertools.product(_SIDES, _MULTIPLES):
            if all(
                self._fits(trial, output, size, scale) for size in ((side, side + multiple), (side + multiple, side))
            ):
                self.inferred.append(f"pictures of any size, sides multiples of {multiple}, from {side} on")
                sizes = {name: feed.shape for name, feed in trial.feeds(trial.fixed or 1, (side, side)).items()}
                pixels = side * side * (trial.fixed or 1)
                each = max(_LEAST_BYTES, onnx_graphs.bytes_per_pixel(self.graph, sizes, pixels)) * (trial.fixed or 1)
                return native(each, multiple, side, default=task in ("upscale", "stylize"))
        return None

    def _fits(self, trial: _Trial, output: str, size: Size, scale: int) -> bool:
        try:
            made = self.probe.run(trial.feeds(trial.fixed or 1, size))[output]
        except PassFailed:
            return False
        wanted = tuple(length * scale for length in size)
        return made.ndim == 4 and wanted in (made.shape[2:], made.shape[1:3])


@dataclass(frozen=True)
class _Trial:
    """What a graph is tried with."""

    roles: Roles
    latent: Latent | None
    label: Label | None
    taken: _Form | None
    fixed: int | None
    """Rows that it takes at once, where it takes no other number."""

    def feeds(self, count: int, size: Size | None = None) -> dict[str, np.ndarray]:
        """Typical input, `count` rows of it; pictures of the size given."""
        feeds: dict[str, np.ndarray] = {}
        random = np.random.default_rng(1)
        if self.latent is not None:
            feeds[self.latent.name] = random.standard_normal((count, *self.latent.shape))
        if self.label is not None:
            indices = np.arange(count) % self.label.classes
            hot = np.eye(self.label.classes)[indices]
            feeds[self.label.name] = hot if self.label.form == "one-hot" else indices.reshape(-1, *self.label.shape)
        if self.taken is not None:
            feeds[self.roles["image"].name] = self.taken.array(count, size)
        for each in self.roles.values():
            if None not in each.shape[1:]:
                feeds[each.name] = feeds[each.name].reshape(count, *(length or 1 for length in each.shape[1:]))
        return feeds


def _times(lengths: Sequence[int | None]) -> str:
    return " x ".join("?" if length is None else str(length) for length in lengths)


def _sizes(forms: list[_Form]) -> str:
    return " or ".join(dict.fromkeys(f"{form.width} x {form.height}" for form in forms))
