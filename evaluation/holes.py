"""How well holes are filled, beside what needs no learning: one colour, and a surface that joins on smoothly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from evaluation.evaluated import EvaluatedModel, batched
from evaluation.fidelity import hole_psnr
from models import noise
from models.capabilities import Completer, SamplingCompleter, hole_of
from models.card import Metric
from models.model import final_images
from models.nn.smooth import smoothed
from training.masks import Masks, hide

HOLES = 100
"""Pictures with a hole, evenly spread over the held-out split; their masks have the seeds 0, 1, 2 …"""


def inpainting(about: EvaluatedModel) -> Iterator[Metric]:
    """Signal to noise in the holes, of those kinds that the model takes, beside that of what needs no model."""
    model = about.model
    if not isinstance(model, Completer | SamplingCompleter):
        return
    images = about.real["images"]
    images = images[torch.linspace(0, len(images) - 1, min(HOLES, len(images))).long()]
    kinds: tuple[Masks, ...] = ("centre",) if hole_of(model) else ("centre", "free-form")
    for kind in kinds:
        masks = torch.stack([hide(kind, images.shape[-1], seed) for seed in range(len(images))])
        for suffix, fill in {"": _filled_by(model), **WITHOUT_LEARNING}.items():
            found = hole_psnr(fill(images, masks), images, masks)
            by = "scikit-image's inpaint_biharmonic" if fill is biharmonic else None
            yield about.metric(f"hole_psnr[{kind}]{suffix}", found.mean().item(), len(images), by)


def _filled_by(model: Completer | SamplingCompleter) -> Callable[[Tensor, Tensor], Tensor]:
    """What the model makes of images and masks; of the noise of seeds 0, 1, 2 …, if it takes any."""

    def fill(images: Tensor, masks: Tensor) -> Tensor:
        if isinstance(model, Completer):
            return batched(lambda *rows: final_images(model.complete(*rows)), images, masks)
        drawn = noise.normal(range(len(images)), model.latent_shape)
        return batched(lambda *rows: final_images(model.complete(*rows)), images, masks, drawn)

    return fill


def mean_colour(images: Tensor, masks: Tensor) -> Tensor:
    """The hole in the mean colour of what is known. [N, C, H, W], [N, 1, H, W] of 0 and 1 -> [N, C, H, W]."""
    known = 1 - masks
    colour = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    return torch.where(masks > 0, colour, images)


def push_pull(images: Tensor, masks: Tensor) -> Tensor:
    """The hole as `models.nn.smooth` fills it, which is what `gated-conv` begins with. Shapes as above."""
    return smoothed(images, 1 - masks)


def biharmonic(images: Tensor, masks: Tensor) -> Tensor:
    """The hole as a surface that bends least (Damelin and Hoang 2018, doi 10.1155/2018/3950312). Shapes as above.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    try:
        from skimage.restoration import inpaint_biharmonic
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the classical fill needs scikit-image: pip install 'easel[metrics]'") from error
    pixels, holes = images.permute(0, 2, 3, 1).double().numpy(), masks[:, 0].bool().numpy()
    pairs = zip(pixels, holes, strict=True)
    filled = [torch.from_numpy(inpaint_biharmonic(picture, hole, channel_axis=-1)) for picture, hole in pairs]
    return torch.stack(filled).permute(0, 3, 1, 2).to(images.dtype)


WITHOUT_LEARNING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    ".mean-colour": mean_colour,
    ".push-pull": push_pull,
    ".biharmonic": biharmonic,
}
"""What a model is compared with, by what its figures' names end in."""
