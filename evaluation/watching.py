"""Figures of a model while it trains, at each sheet: quick ones, that tell how it goes rather than how good it is."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluation.coverage import mode_coverage
from evaluation.judging import judge_of
from evaluation.kernel import kernel_distance
from models import noise
from models.capabilities import Sampler, Translator
from models.card import SOURCE_AND_TARGET
from models.features import feature_network
from models.model import Model, device_of, final_images
from models.registry import Registry
from training.data import Source, Squares
from training.trainer import Watch

WATCHED = 256
"""Samples, and held-out pictures that they are compared with."""
_FEATURES = "medley-features"
_LAYERS = ("relu2_2", "relu3_3", "relu4_3")
"""Whose means over each image stand for it."""
_PART = 64


def watch(data_set: str, registry: Registry) -> Watch:
    """What measures a model of a data set.

    Of a game's samples: `diversity`, how much they differ from one another relative to held-out pictures;
    `kernel_distance` of their features to those of held-out pictures; and with a judge of the set, what it reads.
    Of a model of one player, `held_out`: its loss on pictures that it was not trained on. Of a translator, where the
    true answers are known, `l1` to them.
    """
    judge = judge_of(data_set, registry)

    def figures(model: Model, players: int, held_out: Source) -> dict[str, float]:
        found: dict[str, float] = {}
        if not isinstance(held_out, Squares):
            return found
        if isinstance(model, Sampler) and players > 1 and "images" in held_out.fields:
            images = _samples(model)
            found |= _beside(images, held_out)
            if judge is not None:
                modes, divergence = mode_coverage(images, judge.classify, channels=judge.channels)
                found |= {"modes": modes, "mode_divergence": round(divergence, 4)}
        if isinstance(model, Translator) and held_out.paired:
            found |= _l1(model, held_out)
        if players == 1:
            model.prepare_training()
            found["held_out"] = _loss(model, held_out)
        return found

    return figures


def _samples(model: Sampler) -> Tensor:
    """[WATCHED, C, H, W] with the seeds 0, 1, 2 …"""
    device = device_of(model)
    latent = noise.normal(range(WATCHED), model.latent_shape).to(device)
    labels = (torch.arange(WATCHED) % max(model.classes, 1)).to(device)
    return final_images(model.sample(latent, labels)).cpu()


def _beside(images: Tensor, held_out: Squares) -> dict[str, float]:
    """How samples compare with held-out pictures, as far as there are enough of these."""
    real = held_out.first(WATCHED)["images"]
    if len(real) < 2 or real.shape[1:] != images.shape[1:]:
        return {}
    found = {"diversity": round(_spread(images) / max(_spread(real), 1e-6), 4)}
    if len(real) >= 16:
        ours, theirs = _features(images), _features(real)
        found["kernel_distance"] = round(kernel_distance(ours, theirs, subsets=4, size=len(theirs)), 5)
    return found


def _spread(images: Tensor) -> float:
    """Mean difference of an image from the next, in levels of -1 to 1, at a side of 8 pixels."""
    small = torch.nn.functional.adaptive_avg_pool2d(images.float(), 8)
    return float((small - small.roll(1, 0)).abs().mean())


def _features(images: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, F]."""
    network = feature_network(_FEATURES, torch.device("cpu"))
    parts = []
    for part in images.split(_PART):
        coloured = torch.nn.functional.interpolate(part.expand(-1, 3, -1, -1), 48, mode="bilinear")
        layers = network.features(coloured, _LAYERS)
        parts.append(torch.cat([layer.mean((2, 3)) for layer in layers.values()], dim=1))
    return torch.cat(parts)


def _loss(model: Model, held_out: Squares) -> float:
    """The sum of the terms, the same noise each time."""
    (player,) = model.players()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        batch = {name: value.to(device_of(model)) for name, value in held_out.batch(_PART, 0).items()}
        return round(float(sum(model.loss(player.name, batch).values())), 5)


def _l1(model: Translator, held_out: Squares) -> dict[str, float]:
    batch = {name: value.to(device_of(model)) for name, value in held_out.first(_PART).items()}
    found = {}
    for direction in model.directions:
        source, target = (batch[domain] for domain in SOURCE_AND_TARGET[direction])
        made = final_images(model.translate(source, direction))
        name = "l1" if len(model.directions) == 1 else f"l1_{direction}"
        found[name] = round(float((made - target).abs().mean()), 5)
    return found
