"""Small models with random weights, one for each kind of task, so that the service can be tested without training."""

from pathlib import Path

import numpy as np
import torch

from models import checkpoint, operations, pictures
from models.card import EXAMPLES, SHEET_FILE, Card, ImageFormat, Serving
from models.model import build

DIGITS = tuple("0123456789")

MODELS = {
    "toy-dcgan": ("dcgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-cgan": ("cgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-vae": ("vae", {"size": 28, "latent": 4, "width": 8}, (28, 1)),
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
        classes=DIGITS if model.classes else (),
        domains={"A": "left", "B": "right"} if model.directions else {},
        directions=model.directions,
        weights=weights,
        serving=serving,
        licence="none",
    ).write(folder / name)
    _draw(folder / name, size, channels, kinds=("A", "B") if model.directions else ("image",))
    return folder / name


def _draw(folder: Path, size: int, channels: int, kinds: tuple[str, ...]) -> None:
    """A sheet, and two pictures of noise of each kind to try the model on."""
    drawn = np.random.default_rng(0).integers(0, 256, (5, size, size, channels), np.uint8)
    (folder / SHEET_FILE).write_bytes(pictures.encode(drawn[4], "webp"))
    (folder / EXAMPLES).mkdir(exist_ok=True)
    for place, kind in enumerate(kinds):
        for index in range(2):
            picture = pictures.encode(drawn[2 * place + index])
            (folder / EXAMPLES / f"{kind}-{index}.png").write_bytes(picture)
