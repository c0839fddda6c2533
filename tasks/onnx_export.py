"""A task of a model as an ONNX graph for other programs, which says in itself what it takes and makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from onnx import ModelProto, helper
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from models.capabilities import (
    Decoder,
    Encoder,
    Reconstructor,
    Sampler,
    Stylizer,
    TargetTranslator,
    Translator,
    Upscaler,
    require,
)
from models.card import Card, Direction, Task
from models.families.onnx_graph import Graph, Label, Latent, Pictures
from models.model import Model, Steps
from models.onnx_graphs import BadGraph
from pictures.formats import ImageFormat, channels_of
from tasks.compilation import export
from tasks.operation import Operation, PictureOperation
from tasks.operations import OPERATIONS
from tasks.upscaling import Upscale

_KEY = "easel"
"""Of the metadata in which a graph is described for programs."""
_INPUTS = {
    "latent": "normal noise",
    "labels": "indices of classes",
    "images": "pictures, RGB or grey, from -1 to 1",
    "targets": "1 for each class that the result is to be of, else 0",
    "mask": "1 where a picture is to be filled in, else 0",
    "noise": "normal noise",
    "strength": "from 0 to 1",
    "temperature": "how much chance there is, 1 as it was trained",
    "text": "counts of words' parts (models/nn/text.py)",
    "manner": "the style, as the model encodes it",
}


class GraphDescription(BaseModel):
    """What a graph takes and makes, as a family of graphs (`models.families.onnx_graph`) and as its card has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    family: str
    config: dict[str, Any]
    summary: str
    image: ImageFormat
    classes: tuple[str, ...] = ()
    domains: tuple[str, str] = ("A", "B")
    licence: str


def described(graph: ModelProto) -> GraphDescription | None:
    """What `exported` wrote into a graph, if it did. Raises `BadGraph` for what it cannot have written."""
    told = next((each.value for each in graph.metadata_props if each.key == _KEY), None)
    try:
        return None if told is None else GraphDescription.model_validate_json(told)
    except ValidationError as error:
        raise BadGraph(
            f"what it says of itself ({_KEY}) is not as Easel writes it: {error.error_count()} errors"
        ) from None


@torch.inference_mode()
def exported(
    model: Model, card: Card, task: Task, direction: Direction | None = None, scale: int | None = None
) -> bytes:
    """The task as a graph, whose metadata tell name, licence, version and what it takes and makes.

    Inputs are called `latent`, `labels`, `images`, `targets`, …, the output `result`; all have any number of rows.

    Args:
        direction: of a translator, one of its directions; the first if absent.
        scale: of an upscaler, one of its scales; the largest if absent.

    Raises:
        CannotCompile: no graph does what it does.
        ValueError: the model has no such task, direction or scale.
    """
    if task not in card.tasks:
        raise ValueError(f"{card.name} has no task {task}; it has {', '.join(card.tasks)}")
    if isinstance(model, Graph):
        return _told(ModelProto.FromString(model.graph), card, task, _description(model, card, task, {}, None))
    operation: Operation[Any] = OPERATIONS[task]
    if task is Task.RECONSTRUCT and not isinstance(model, Reconstructor):
        operation = _WholeReconstruction()
    rows = operation.probe(model, card, 3)
    options = dict(rows.options)
    if "direction" in options:
        options["direction"] = _chosen("direction", direction, card.directions, card.directions[0])
    if isinstance(operation, Upscale):
        options["scale"] = _chosen("scale", scale, card.scales, max(card.scales))
    rows = replace(rows, options=options)
    done = export(model, operation, rows, torch.get_num_threads())
    made = done({name: tensor[:1] for name, tensor in rows.tensors.items()})
    description = _description(model, card, task, options, made) if task.pictured else None
    return _told(ModelProto.FromString(done.graph), card, task, description)


class _WholeReconstruction(PictureOperation[Any]):
    """An image to its code and back, in one pass."""

    task = Task.RECONSTRUCT
    capabilities = (Encoder,)

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",)

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return require(model, Decoder).decode(require(model, Encoder).encode(tensors["images"]))


def _chosen(what: str, wanted: Any, known: tuple[Any, ...], usual: Any) -> Any:
    if wanted not in (None, *known):
        raise ValueError(f"there is no {what} {wanted}; there is {', '.join(map(str, known))}")
    return usual if wanted is None else wanted


def _told(graph: ModelProto, card: Card, task: Task, description: GraphDescription | None) -> bytes:
    """The graph with its metadata."""
    del graph.metadata_props[:]
    graph.producer_name, graph.graph.name = "easel", card.name
    graph.doc_string = f"{card.name}: {card.summary}"
    for each in graph.graph.input:
        each.doc_string = each.doc_string or _INPUTS.get(each.name, "")
    told = {
        "name": card.name,
        "task": task.value,
        "summary": card.summary,
        "licence": card.licence,
        "version": card.weights.sha256,
    }
    if task.pictured:
        pictures = description.config["made"] if description else {}
        told |= {
            "values": pictures.get("values", "-1,1"),
            "layout": pictures.get("layout", "nchw"),
            "order": pictures.get("order", "rgb"),
        }
    if card.classes:
        told["classes"] = json.dumps(card.classes)
    if description is not None:
        told[_KEY] = description.model_dump_json(exclude_defaults=True)
    helper.set_model_props(graph, told)
    return graph.SerializeToString()


def _description(
    model: Model, card: Card, task: Task, options: Mapping[str, Any], made: Tensor | None
) -> GraphDescription | None:
    """Of a graph that `easel import` takes; None of another."""
    if isinstance(model, Graph):
        family, config = card.family, card.config
    else:
        assert made is not None
        found = _family(model, card, task, options)
        if found is None:
            return None
        family, config = found
        height, width = made.shape[2:]
        config["made"] = _pictures("result", made.shape[1], height, width)
    return GraphDescription(
        task=task,
        family=family,
        config={name: each.model_dump(mode="json") if isinstance(each, BaseModel) else each
                for name, each in config.items()},
        summary=card.summary,
        image=card.image,
        classes=card.classes if model.classes else (),
        domains=(card.domains.get("A", "A"), card.domains.get("B", "B")),
        licence=card.licence,
    )  # fmt: skip


def _family(model: Model, card: Card, task: Task, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The family of graphs that does the same, and its settings but for what it makes."""
    if isinstance(model, Sampler) and task in (Task.SAMPLE, Task.CONDITIONAL) and model.temperature != "sample":
        label = Label(name="labels", form="index", classes=model.classes) if model.classes else None
        return "onnx-sampler", {"latent": Latent(name="latent", shape=model.latent_shape), "label": label}
    image = card.image
    images = {"images": _pictures("images", image.channels, image.height, image.width), "native": card.native}
    if task is Task.TRANSLATE and isinstance(model, Translator):
        return "onnx-translator", {**images, "direction": options["direction"]}
    if task is Task.TRANSLATE and isinstance(model, TargetTranslator):
        label = Label(name="targets", form="one-hot", classes=model.classes)
        return "onnx-target-translator", {**images, "label": label, "many": model.targets == "many"}
    if task is Task.UPSCALE and isinstance(model, Upscaler):
        return "onnx-upscaler", {**images, "scale": options["scale"]}
    if task is Task.STYLIZE and isinstance(model, Stylizer):
        return "onnx-stylizer", images
    return ("onnx-reconstructor", images) if task is Task.RECONSTRUCT else None


def _pictures(name: str, channels: int, height: int, width: int) -> Pictures:
    return Pictures(name=name, layout="nchw", values="-1,1", channels=channels_of(channels), height=height, width=width)
