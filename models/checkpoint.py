"""A model on disk: `model.safetensors` (half precision unless imported) and `card.json`, held together by a sha256."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from models.attributes import LatentDirection
from models.card import DIRECTIONS_FILE, WEIGHTS_FILE, Card, WeightsRecord
from models.model import Model, build, freeze, parameter_count


class BadCheckpoint(ValueError):
    """A model folder that cannot be served: the message says what is wrong with it."""


def read(folder: Path, card: Card | None = None) -> Model:
    """The model in `folder`, ready to serve, in float32 on the CPU.

    Raises:
        BadCheckpoint: no or damaged weights, weights that are not the card's, or a family or setting that is not known.
    """
    card = card or Card.read(folder)
    try:
        blob = (folder / WEIGHTS_FILE).read_bytes()
    except OSError as error:
        raise BadCheckpoint(f"{card.name}: weights cannot be read: {error.strerror}") from error
    if hashlib.sha256(blob).hexdigest() != card.weights.sha256:
        raise BadCheckpoint(f"{card.name}: {WEIGHTS_FILE} does not have the sha256 that the card states")
    try:
        model = build(card.family, card.config)
        model.load_state_dict(
            {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load(blob).items()}
        )
        _read_directions(model, folder, card)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise BadCheckpoint(f"{card.name}: {error}") from error
    return freeze(model)


def write(model: Model, folder: Path, precision: torch.dtype = torch.float16) -> WeightsRecord:
    """Writes the weights and returns what the card says of them."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().cpu().to(precision if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in model.state_dict().items()
    }
    blob = save(state)
    (folder / WEIGHTS_FILE).write_bytes(blob)
    return WeightsRecord(sha256=hashlib.sha256(blob).hexdigest(), bytes=len(blob), parameters=parameter_count(model))


def _read_directions(model: Model, folder: Path, card: Card) -> None:
    """Gives the model the attributes that its card has and its family does not."""
    found = card.attributes.keys() - model.attributes.keys()
    if found:
        vectors = load((folder / DIRECTIONS_FILE).read_bytes())
        directions = {
            name: LatentDirection(vectors[name].view(model.latent_shape), card.attributes[name]) for name in found
        }
        model.attributes = {name: directions.get(name) or model.attributes[name] for name in card.attributes}
