"""A history of generated images for the discriminator (Shrivastava et al. 2016, arXiv 1612.07828, section 2.3)."""

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` images; half of what it hands out is older. Size 0 hands back what it is given.

    Not part of a training checkpoint: after a resume it fills again within `size` steps.
    """

    def __init__(self, size: int):
        self.size = size
        self.images: list[Tensor] = []

    def swap(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape, where some images were exchanged for older ones."""
        chosen = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image)
            elif self.size and torch.rand(()) < 0.5:
                slot = int(torch.randint(self.size, ()))
                image, self.images[slot] = self.images[slot], image
            chosen.append(image)
        return torch.stack(chosen)
