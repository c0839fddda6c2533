"""Small models with random weights, one for each kind of task, so that the service can be tested without training."""

from pathlib import Path

import numpy as np
import torch

from evaluation import latent_directions
from evaluation.latent_directions import MeasuredDirection
from models import checkpoint
from models.capabilities import directions_of, hole_of, layers_of, scales_of
from models.card import EXAMPLES, SHEET_FILE, Card, Serving
from models.model import build
from models.nn.stylist import ConditionalNorm
from pictures import codec
from pictures.formats import ImageFormat
from tasks import operations

DIGITS = tuple("0123456789")

MODELS = {
    "toy-dcgan": ("dcgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-cgan": ("cgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-acgan": ("acgan", {"size": 28, "latent": 8, "width": 8}, (28, 1)),
    "toy-infogan": ("infogan", {"size": 28, "noise": 6, "width": 8}, (28, 1)),
    "toy-vae": ("vae", {"size": 28, "latent": 4, "width": 8}, (28, 1)),
    "toy-gmm": ("gmm", {"size": 28, "components": 2, "rank": 2}, (28, 1)),
    "toy-pixelcnn": ("pixelcnn", {"size": 28, "block": 2, "width": 8, "layers": 2}, (28, 1)),
    "toy-glow": ("glow", {"size": 28, "depth": 1, "width": 8}, (28, 1)),
    "toy-diffusion": ("diffusion", {"size": 28, "widths": [32], "classes": 10}, (28, 1)),
    "toy-gan-int-cls": ("gan-int-cls", {"size": 32, "latent": 4, "width": 8, "embedding": 8, "told": 8}, (32, 3)),
    "toy-text-diffusion": ("text-diffusion", {"size": 32, "channels": 3, "widths": [32], "embedding": 8}, (32, 3)),
    "toy-ss-gan": ("ss-gan", {"size": 32, "latent": 4, "style": 4, "width": 8}, (32, 3)),
    "toy-pix2pix": ("pix2pix", {"size": 32, "width": 8, "direction": "BtoA"}, (32, 3)),
    "toy-cyclegan": ("cyclegan", {"width": 8, "blocks": 1}, (32, 3)),
    "toy-munit": ("munit", {"width": 4, "blocks": 1, "style": 3}, (32, 3)),
    "toy-context-encoder": ("context-encoder", {"size": 32, "width": 4}, (32, 3)),
    "toy-gated-conv": ("gated-conv", {"width": 8, "dilations": [1]}, (32, 3)),
    "toy-stargan": ("stargan", {"size": 32, "width": 4, "blocks": 1, "classes": 3}, (32, 3)),
    "toy-edsr": ("edsr", {"width": 4, "blocks": 1}, (32, 3)),
    "toy-fast-style": ("fast-style", {"classes": 3, "width": 4, "blocks": 1}, (32, 3)),
    "toy-adain": ("adain", {"classes": 3, "widths": [4, 4], "depths": [1, 1]}, (32, 3)),
    "toy-gatys": ("gatys", {"classes": 3}, (32, 3)),
    "toy-deepdream": ("deepdream", {"classes": 3}, (32, 3)),
    "toy-faces": ("stargan", {"size": 32, "width": 4, "blocks": 1, "classes": 4, "attributes": True}, (32, 3)),
}

_SMALL = {"whole": 250_000, "limit": 250_000}
BOUNDS = {"toy-edsr": {"limit": 250_000}, "toy-cyclegan": _SMALL, "toy-fast-style": _SMALL}
"""Less than their networks take, so that pictures are too large for them which are none for the service."""

CONTRASTED = {"context-encoder", "gated-conv"}
"""Families whose fresh weights are as large as they have to be, but for layers that start from 0."""

DIRECTED = {"toy-acgan": ("thickness", "slant")}
"""Directions along one dimension of the latent each."""

SERVING = Serving(max_batch=16)


def with_contrast(network: torch.nn.Module, times: int = 5) -> torch.nn.Module:
    """Fresh weights make almost grey images, layers that start from 0 none, and all styles alike; these do not."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.copy_(parameter * times if parameter.any() else torch.randn_like(parameter) * 0.1)
        for norm in network.modules():
            if isinstance(norm, ConditionalNorm):
                norm.shift.normal_()
    return network


def make(folder: Path, name: str, serving: Serving = SERVING) -> Path:
    """Writes the model `name` of `MODELS` into `folder` and returns where it lies."""
    family, config, (size, channels) = MODELS[name]
    torch.manual_seed(len(name))
    model = with_contrast(build(family, config), 1 if family in CONTRASTED else 5).eval()
    weights = checkpoint.write(model, folder / name)
    Card(
        name=name,
        family=family,
        summary="random weights",
        config=config,
        tasks=operations.tasks_of(model),
        image=ImageFormat(height=size, width=size, channels=channels),
        native=model.native and model.native.model_copy(update=BOUNDS.get(name, {})),
        scales=scales_of(model),
        hole=hole_of(model),
        layers=layers_of(model),
        latent=model.latent_shape,
        attributes={name: attribute.record for name, attribute in model.attributes.items()},
        classes=DIGITS[: model.classes],
        domains={"A": "left", "B": "right"} if directions_of(model) else {},
        directions=directions_of(model),
        weights=weights,
        serving=serving,
        licence="none",
    ).write(folder / name)
    if name in DIRECTED:
        axes = torch.eye(model.latent_shape[0])
        latent_directions.write(
            folder / name, {each: MeasuredDirection(axes[place], 1.0) for place, each in enumerate(DIRECTED[name])}
        )
    _draw(folder / name, size, channels, kinds=("A", "B") if directions_of(model) else ("image",))
    return folder / name


def _draw(folder: Path, size: int, channels: int, kinds: tuple[str, ...]) -> None:
    """A sheet, and two pictures of noise of each kind to try the model on."""
    drawn = np.random.default_rng(0).integers(0, 256, (5, size, size, channels), np.uint8)
    (folder / SHEET_FILE).write_bytes(codec.encode(drawn[4], "webp"))
    (folder / EXAMPLES).mkdir(exist_ok=True)
    for place, kind in enumerate(kinds):
        for index in range(2):
            picture = codec.encode(drawn[2 * place + index])
            (folder / EXAMPLES / f"{kind}-{index}.png").write_bytes(picture)
