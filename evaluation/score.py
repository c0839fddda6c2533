"""The score of a judge's verdicts (the Inception score's formula, Salimans et al. 2016, arXiv 1606.03498, sec. 4)."""

import torch
from torch import Tensor


def classifier_score(logits: Tensor, splits: int = 10) -> float:
    """exp E KL(p(y|x) || p(y)) = exp(H(y) - E H(y|x)), mean over splits. [N, K] -> 1 to K.

    High if each image is surely of one class and all classes occur; it never looks at real images. The entropies are
    subtracted, not added. Only with Inception's verdicts is it the Inception score.
    """
    scores = []
    for part in logits.double().log_softmax(1).chunk(splits):
        marginal = part.exp().mean(0, keepdim=True)
        divergence = (part.exp() * (part - marginal.log())).sum(1)
        scores.append(divergence.mean().exp())
    return float(torch.stack(scores).mean())
