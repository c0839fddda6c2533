"""How different several translations of one image are."""

from torch import Tensor


def diversity(variants: Tensor) -> float:
    """Root mean square difference of two translations of an image, as a share of the range of values: 0 to 1.

    Over all pairs of an image's translations, in values of [-1, 1].

    Args:
        variants: [N, K, C, H, W], K translations of each of N images.
    """
    flat = variants.flatten(2)
    count, size = flat.shape[1:]
    # Of K rows the squared differences of all pairs sum up to K times that from their mean.
    spread = count * (flat - flat.mean(1, keepdim=True)).square().sum((1, 2))
    per_pair = spread / (count * (count - 1) / 2) / size
    return (per_pair.sqrt() / 2).mean().item()
