"""Images from codes: of a picture, between codes, around one, and along one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import noise
from models.capabilities import Decoder, Encoder, LatentSampler, Reconstructor, Varier
from models.card import Card, Task
from models.model import Model, Steps
from tasks.inputs import ATTRIBUTE, DIMENSION, FRAMES, LATENT, LATENTS, PATH, SEEDS, SPAN, STRENGTH, Inputs, N
from tasks.latents import along_attribute, drawn, encoded, from_numbers, image_seeds, path, typical, with_attributes
from tasks.operation import Operation, Rows, noise_images, to_tensor

AnyDecoder = Decoder | Reconstructor


class Decode(Operation[AnyDecoder]):
    """Codes to images; a task says where its codes come from. What shows no codes reconstructs, and no more."""

    capabilities = (Decoder,)

    def probe(self, model: AnyDecoder, card: Card, count: int) -> Rows:
        if isinstance(model, Reconstructor):
            return Rows({"images": noise_images(card, count)})
        return Rows({"latent": typical(model, count)})

    def apply(self, model: AnyDecoder, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        if isinstance(model, Reconstructor):
            return model.reconstruct(tensors["images"])
        return model.decode(tensors["latent"])


class Reconstruct(Decode):
    """An image to its code and back, with attributes changed on the way if it is asked for."""

    task = Task.RECONSTRUCT
    capabilities = (Decoder, Reconstructor)

    def inputs(self, model: AnyDecoder) -> tuple[str, ...]:
        return ("image", *model.attributes) if isinstance(model, Encoder | Reconstructor) else ()

    def prepare(self, model: AnyDecoder, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        if isinstance(model, Reconstructor):
            return Rows({"images": to_tensor(pictures)}, seeds=(None,))
        return Rows({"latent": with_attributes(model, inputs, encoded(model, pictures))}, seeds=(None,))


class Interpolate(Decode):
    """Images along a path of codes. Latents are normal, so their path is spherical unless a straight one is wanted."""

    task = Task.INTERPOLATE

    def inputs(self, model: AnyDecoder) -> tuple[str, ...]:
        if not isinstance(model, Encoder):
            return ()
        return (*(("seeds",) if _draws(model) else ()), "images", "latents", "frames", "path")

    def prepare(self, model: AnyDecoder, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        if pictures:
            stops = encoded(model, pictures)
        elif latents := inputs.get(LATENTS):
            stops = from_numbers(model, latents)
        else:
            stops = noise.normal(inputs[SEEDS], model.latent_shape)
        kind, frames = inputs.get(PATH, "lerp" if pictures else "slerp"), inputs[FRAMES]
        return Rows({"latent": path(stops, frames, kind)}, seeds=(None,) * frames)


class Traverse(Decode):
    """Images along one dimension of the latent, the others as they are (beta-VAE, Higgins et al. 2017, figure 1), or
    along an attribute from its least value to its most."""

    task = Task.TRAVERSE

    def inputs(self, model: AnyDecoder) -> tuple[str, ...]:
        reads = isinstance(model, Encoder)
        if not reads and not model.attributes:
            return ()
        along = ("dimension", "attribute") if model.attributes else ("dimension",)
        starts = (*(("seed",) if _draws(model) else ()), "latent", *(("image",) if reads else ()))
        return (*along, *starts, "frames", "span", *model.attributes)

    def prepare(self, model: AnyDecoder, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        start = encoded(model, pictures) if pictures else drawn(model, inputs).tensors["latent"]
        start, frames, attribute = with_attributes(model, inputs, start), inputs[FRAMES], inputs.get(ATTRIBUTE)
        if attribute is not None:
            codes = along_attribute(model.attributes[attribute], start, frames)
        else:
            codes = start.flatten(1).repeat(frames, 1)
            codes[:, inputs[DIMENSION]] = torch.linspace(-inputs[SPAN], inputs[SPAN], frames)
            codes = codes.unflatten(1, model.latent_shape)
        return Rows({"latent": codes}, seeds=(None,) * frames)


class Vary(Operation[Varier | Decoder]):
    """Images around one picture, by the model's own way if it has one; else around a picture's code or a latent: that,
    and noise from each image's seed, times the strength."""

    task = Task.VARY
    capabilities = (Varier, Decoder)

    def inputs(self, model: Varier | Decoder) -> tuple[str, ...]:
        if isinstance(model, Varier):
            return ("image", "n", "seed", "strength", *model.options.get(self.task, ()))
        return ("image", "latent", "n", "seed", "strength") if isinstance(model, Encoder) else ()

    def prepare(self, model: Varier | Decoder, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        seeds, strength = image_seeds(inputs), inputs[STRENGTH]
        draws = noise.normal(seeds, model.latent_shape)
        if isinstance(model, Varier):
            tensors = {"images": to_tensor(list(pictures) * inputs[N]), "noise": draws}
            return Rows(tensors, {"strength": strength, **self.options_of(model, inputs)}, seeds)
        centre = encoded(model, pictures) if pictures else from_numbers(model, [inputs[LATENT]])
        return Rows({"latent": centre + strength * draws}, seeds=seeds)

    def probe(self, model: Varier | Decoder, card: Card, count: int) -> Rows:
        draws = typical(model, count)
        if isinstance(model, Varier):
            return Rows({"images": noise_images(card, count), "noise": draws}, {"strength": 0.5})
        return Rows({"latent": draws})

    def apply(self, model: Varier | Decoder, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        if isinstance(model, Varier):
            return model.vary(tensors["images"], tensors["noise"], **options)
        return model.decode(tensors["latent"])


def _draws(model: Model) -> bool:
    """Whether codes may be drawn: they are normal, as latents are."""
    return isinstance(model, LatentSampler)
