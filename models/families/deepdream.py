"""Dreams: a picture is changed until a network sees more of what it already sees in it (Mordvintsev et al. 2015).

The published recipe ("Inceptionism", and its code, google/deepdream): gradient ascent on the activations of a layer,
over octaves from small to large, with a jitter that hides the grid of the layers and a step that is as large where the
gradient is small. The network is our own (`models.features`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import Dreamer
from models.card import Task
from models.features import feature_network
from models.model import Batch, Losses, Step, Steps, device_of, register
from models.nn.native import native
from models.nn.vgg import VGG
from models.sampling_defaults import ASCENT_STEPS, DEFAULT_OCTAVES

_SMALLEST = 32
"""Side of the smallest octave."""
_GUIDE = 24
"""Places of a guide, across and down, to one of which each place of a picture is drawn."""
_MATCHED = 4096
"""Places that are compared with these at a time, which bounds the memory."""

Objective = Callable[[Tensor], Tensor]
"""How much of what is dreamt of is in pictures, [N, 3, H, W] -> [N]."""


@register("deepdream")
class DeepDream(Dreamer):
    """Dreams of a layer's activations, of one channel's, of a class, or of what is in a second picture."""

    beyond_onnx = "it is more than a network of torch's operators"
    options = {Task.DREAM: ("octaves", "steps")}

    class Config(model.Config):
        features: str = "medley-features"
        layers: tuple[str, ...] = ("relu2_2", "relu3_3", "relu4_3", "relu5_1", "relu5_2")
        """That a dream may be of."""
        widths: tuple[int, ...] = (32, 64, 128, 256, 256)
        """Channels of these layers."""
        classes: int = 28
        octave_scale: float = 1.4
        jitter: int = 16
        rate: float = 0.03
        """Mean change of a pixel in one step at full strength, of values in [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        self.layers = dict(zip(config.layers, config.widths, strict=True))
        self.native = native(1000, least=32, default=True, most=2**20)
        self.levels = nn.ParameterDict({name: nn.Parameter(torch.ones(width)) for name, width in self.layers.items()})
        """Root mean square of each channel in photographs: what is usual counts no more for being strong."""

    def dream(
        self,
        images: Tensor,
        strength: Tensor,
        layer: str | None = None,
        channel: int | None = None,
        labels: Tensor | None = None,
        guide: Tensor | None = None,
        octaves: int = DEFAULT_OCTAVES,
        steps: int = ASCENT_STEPS,
    ) -> Steps:
        """A step of gradient ascent each, `steps` in each octave.

        Of a class each, `labels` [N]; or of a layer, of one channel of it, or of what it sees in pictures `guide`.
        """
        if labels is not None:
            wanted = self._of_classes(labels)
        elif guide is not None:
            wanted = self._as_in(guide, _named(layer))
        else:
            wanted = partial(self.seen, layer=_named(layer), channel=channel)
        return self._ascend(images, wanted, octaves, steps, strength)

    def fit(self, data: Batch, step: int) -> Losses:
        """The levels, over all photographs."""
        found = self.network.features(data["images"], self.layers)
        for name, level in self.levels.items():
            level.data = found[name].square().mean((0, 2, 3)).sqrt().clamp(min=1e-3)
        return {}

    @property
    def network(self) -> VGG:
        """The network that dreams."""
        return feature_network(self.config.features, device_of(self))

    def _activations(self, images: Tensor, layer: str) -> Tensor:
        """The activations, in shares of what is usual."""
        return self.network.features(images, [layer])[layer] / self.levels[layer][:, None, None]

    def seen(self, images: Tensor, layer: str, channel: int | None = None) -> Tensor:
        """How strong the activations of a layer are, or of one channel of it: mean square, in shares of usual. [N]."""
        chosen = slice(None) if channel is None else slice(channel, channel + 1)
        return self._activations(images, layer)[:, chosen].square().mean((1, 2, 3))

    def _of_classes(self, labels: Tensor) -> Objective:
        """The logit everywhere, as if the head looked at each place by itself."""
        last, head = list(self.network.layers)[-1], self.network.head
        if head is None:
            raise ValueError("the network that dreams knows no classes")

        def wanted(images: Tensor) -> Tensor:
            everywhere = self.network.features(images, [last])[last].movedim(1, 3)
            return (everywhere * head.weight[labels][:, None, None]).sum(3).mean((1, 2))

        return wanted

    def _as_in(self, guide: Tensor, layer: str) -> Objective:
        """At each place, likeness to the place of the guide that is most like it already."""
        there = F.adaptive_avg_pool2d(self._activations(guide, layer), _GUIDE).flatten(2).transpose(1, 2)

        def wanted(images: Tensor) -> Tensor:
            here = self._activations(images, layer).flatten(2)  # [N, C, places]
            best = torch.cat([(there @ part).argmax(1) for part in here.detach().split(_MATCHED, dim=2)], dim=1)
            aims = there.gather(1, best[:, :, None].expand(-1, -1, there.shape[2]))
            return (here.transpose(1, 2) * aims).sum(2).mean(1)

        return wanted

    def _ascend(self, images: Tensor, wanted: Objective, octaves: int, steps: int, strength: Tensor) -> Steps:
        config, chance = self.config, torch.Generator().manual_seed(0)
        height, width = images.shape[2:]
        rate = config.rate * strength[:, None, None, None]
        dreamt = torch.zeros_like(images)
        for octave in range(octaves):
            share = config.octave_scale ** (octave + 1 - octaves)
            least = min(height, _SMALLEST), min(width, _SMALLEST)
            size = max(least[0], round(height * share)), max(least[1], round(width * share))
            shown = _resized(images, size)
            x = shown + _resized(dreamt, size)
            for step in range(steps):
                shift = tuple(torch.randint(config.jitter, (2,), generator=chance).tolist())
                x = x + rate * self._uphill(x.roll(shift, (2, 3)), wanted).roll([-s for s in shift], (2, 3))
                x = x.clamp(-1, 1)
                yield Step(octave * steps + step + 1, octaves * steps, _resized(x, (height, width)))
            dreamt = x - shown

    def _uphill(self, images: Tensor, wanted: Objective) -> Tensor:
        """The gradient, smoothed, its mean size 1 in every picture."""
        with torch.inference_mode(False), torch.enable_grad():
            at = images.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(wanted(at).sum(), at)
        gradient = _smooth(gradient)
        return gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if list(images.shape[2:]) == list(size):
        return images
    return F.interpolate(images, tuple(size), mode="bilinear", antialias=True)


def _smooth(gradient: Tensor) -> Tensor:
    """The gradient with its coarser parts counted more: itself, and means over growing squares."""
    padded = F.pad(gradient, (4,) * 4, mode="replicate")
    return gradient + F.avg_pool2d(padded[..., 2:-2, 2:-2], 5, 1) + 2 * F.avg_pool2d(padded, 9, 1)


def _named(layer: str | None) -> str:
    if layer is None:
        raise ValueError("a dream is of a layer, or of a class")
    return layer
