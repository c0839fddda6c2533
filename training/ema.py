"""Averaged weights, and the batch-norm statistics that belong to them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.capabilities import Categoriser, Classifier, Encoder, LatentSampler, Matcher, Sampler, TextSampler
from models.model import Model, final_images
from training.data import Source


class Average:
    """An exponential moving average of the served part of a model in training.

    Args:
        model: a model without its training-only parts; it takes on `trained`'s weights.
        decay: share that stays at each step; early steps use less, so that the start is forgotten (t + 1) / (t + 10).
    """

    def __init__(self, model: Model, trained: Model, decay: float):
        self.model = model.requires_grad_(False)
        self.decay = decay
        names = set(model.state_dict())
        model.load_state_dict({name: tensor for name, tensor in trained.state_dict().items() if name in names})
        theirs = dict(trained.named_parameters())
        self.own: list[Tensor] = list(model.parameters())
        self.trained: list[Tensor] = [theirs[name] for name, _ in model.named_parameters()]
        theirs_buffers = dict(trained.named_buffers())
        self.buffers = [(buffer, theirs_buffers[name]) for name, buffer in model.named_buffers()]
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the trained weights; buffers are copied."""
        decay = min(self.decay, (self.updates + 1) / (self.updates + 10))
        self.updates += 1
        get_ema_multi_avg_fn(decay)(self.own, [parameter.detach() for parameter in self.trained], self.updates)
        for own, theirs in self.buffers:
            own.copy_(theirs)


@torch.no_grad()
def standing_statistics(model: Model, source: Source, passes: int = 64, batch: int = 64) -> None:
    """Re-estimates batch-norm statistics, if any, over many batches (BigGAN, arXiv 1809.11096, appendix B)."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) and m.affine]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
    model.train()
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    reads = _readers(model)
    for index in range(passes):
        if isinstance(model, LatentSampler):
            latent = torch.randn(batch, *model.latent_shape, generator=generator).to(device)
            if isinstance(model, TextSampler):
                final_images(model.sample(latent, source.batch(batch, index)["text"].to(device)))
            elif isinstance(model, Sampler):
                labels = torch.randint(max(model.classes, 1), (batch,), generator=generator)
                final_images(model.sample(latent, labels.to(device)))
        for read in reads:
            images = source.batch(batch, index)
            for name in source.fields:
                read(images[name].to(device))
    model.eval()


def _readers(model: Model) -> list[Callable[[Tensor], Tensor]]:
    """The methods of a model that take images alone, and so see each batch of them."""
    readers: list[Callable[[Tensor], Tensor]] = []
    if isinstance(model, Encoder):
        readers.append(model.encode)
    if isinstance(model, Classifier):
        readers.append(model.classify)
    if isinstance(model, Categoriser):
        readers.append(model.categorise)
    if isinstance(model, Matcher):
        readers.append(model.match)
    return readers
