"""The latents of a request: drawn from seeds, sent as numbers, or read from a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models import noise
from models.attributes import LatentAttribute
from models.capabilities import Encoder, require
from models.model import Model, device_of
from tasks.inputs import LATENT, SEED, TRUNCATION, Inputs, N
from tasks.operation import Rows, to_tensor


def image_seeds(inputs: Inputs) -> tuple[int, ...]:
    """The seed of each image that a request wants."""
    return tuple(inputs[SEED] + index for index in range(inputs.get(N, 1)))


def drawn(model: Model, inputs: Inputs) -> Rows:
    """The latent that a request sends, or one of each seed."""
    latent = inputs.get(LATENT)
    if latent is not None:
        return Rows({"latent": from_numbers(model, [latent])}, seeds=(None,))
    seeds, truncation = image_seeds(inputs), inputs.get(TRUNCATION)
    if truncation is None:
        return Rows({"latent": noise.normal(seeds, model.latent_shape)}, seeds=seeds)
    return Rows({"latent": noise.truncated(seeds, model.latent_shape, truncation)}, seeds=seeds)


def typical(model: Model, count: int) -> Tensor:
    """Latents for a probe, [count, *latent_shape]."""
    return noise.normal(range(count), model.latent_shape)


def from_numbers(model: Model, latents: Sequence[Sequence[float]]) -> Tensor:
    """Flat lists of numbers as latents [N, *latent_shape]."""
    return torch.tensor(latents, dtype=torch.float32).unflatten(1, model.latent_shape)


def encoded(model: Model, pictures: Sequence[np.ndarray]) -> Tensor:
    """The codes of pictures, [N, *latent_shape]. Raises `TypeError`: the model has no encoder."""
    with torch.inference_mode():
        return require(model, Encoder).encode(to_tensor(pictures).to(device_of(model))).cpu()


def with_attributes(model: Model, inputs: Inputs, latent: Tensor) -> Tensor:
    """The latents [N, *latent_shape] with the attributes set that a request gives."""
    for name, attribute in model.attributes.items():
        value = inputs.attribute_value(name)
        latent = latent if value is None else attribute.put(latent, value)
    return latent


def along_attribute(attribute: LatentAttribute, latent: Tensor, frames: int) -> Tensor:
    """The latent [1, *latent_shape] with values of the attribute from its least to its most. -> [frames, ...]."""
    record = attribute.record
    values = torch.linspace(record.low, record.high, frames)
    values = values.round() if record.whole else values
    return torch.cat([attribute.put(latent, value) for value in values.tolist()])


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Spherical interpolation (Shoemake 1985; in latents: White 2016, arXiv 1609.04468). Any shape; share in [0, 1]."""
    cosine = torch.nn.functional.cosine_similarity(start.flatten(), end.flatten(), dim=0).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if torch.sin(angle) < 1e-6:
        return torch.lerp(start, end, share)
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


def lerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Straight interpolation. Any shape; share in [0, 1]."""
    return torch.lerp(start, end, share)


PATHS = {"lerp": lerp, "slerp": slerp}
"""The ways from one latent to another, by their names in requests."""


def path(stops: Tensor, frames: int, kind: str) -> Tensor:
    """`frames` points, evenly spaced from the first stop through each to the last. [S, ...] -> [frames, ...].

    Args:
        kind: one of `PATHS`.
    """
    points, between = [], PATHS[kind]
    for place in torch.linspace(0, len(stops) - 1, frames).tolist():
        leg = min(int(place), len(stops) - 2)
        points.append(between(stops[leg], stops[leg + 1], place - leg))
    return torch.stack(points)
