"""Small models with random weights, one for each kind of task, so that the service can be tested without training."""

from pathlib import Path

import torch

from models import checkpoint, operations
from models.card import Card, ImageFormat, Serving
from models.model import build

DIGITS = tuple("0123456789")

MODELS = {
    "toy-dcgan": ("dcgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-cgan": ("cgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-vae": ("vae", {"size": 28, "latent": 4, "width": 8}, (28, 1)),
    "toy-gmm": ("gmm", {"size": 28, "components": 2, "rank": 2}, (28, 1)),
    "toy-pix2pix": ("pix2pix", {"size": 32, "width": 8, "direction": "BtoA"}, (32, 3)),
    "toy-cyclegan": ("cyclegan", {"width": 8, "blocks": 1}, (32, 3)),
}

SERVING = Serving(max_batch=16)


def make(folder: Path, name: str, serving: Serving = SERVING) -> Path:
    """Writes the model `name` of `MODELS` into `folder` and returns where it lies."""
    family, config, (size, channels) = MODELS[name]
    torch.manual_seed(len(name))
    model = build(family, config).eval()
    with torch.no_grad():  # fresh weights make almost grey images; these have contrast
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.dim() == 4 else 1)
    weights = checkpoint.write(model, folder / name)
    Card(
        name=name,
        family=family,
        summary="random weights",
        config=config,
        tasks=operations.tasks_of(model),
        image=ImageFormat(height=size, width=size, channels=channels),
        latent=model.latent_shape,
        classes=DIGITS if model.classes else (),
        domains={"A": "left", "B": "right"} if model.directions else {},
        directions=model.directions,
        weights=weights,
        serving=serving,
        licence="none",
    ).write(folder / name)
    return folder / name
