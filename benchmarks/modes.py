"""How much of a known distribution ALI finds: `python -m benchmarks.modes`, half an hour of one thread.

25 normals of standard deviation 0.05 on a 5 x 5 grid whose points lie 2 apart (as in ALI, arXiv 1606.00704), as
pictures of one pixel and two channels. A mode is found if of 10,000 samples 20, a twentieth of its share, lie within
three standard deviations of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from models.model import Model, build

GRID = torch.cartesian_prod(*[torch.linspace(-4, 4, 5)] * 2)
SPREAD = 0.05
SAMPLES, ENOUGH = 10_000, 20
STEPS, BATCH, RATE, BETAS = 15_000, 256, 1e-3, (0.0, 0.99)
ALI = {"network": "mlp", "channels": 2, "size": 1, "latent": 2, "width": 128, "hidden": 128}
MODELS = {"ali": ALI, "ali, penalty": {**ALI, "penalty": 0.1}}


def points(count: int) -> Tensor:
    """[N, 2, 1, 1]."""
    centres = GRID[torch.randint(len(GRID), (count,))]
    return (centres + SPREAD * torch.randn(count, 2))[:, :, None, None]


def trained(config: dict[str, Any], steps: int) -> Model:
    """The model after so many turns of both players, their rates going down to 0."""
    model = build("ali", config)
    model.prepare_training()
    optimisers = {each.name: torch.optim.Adam(each.parameters(), RATE, betas=BETAS) for each in model.players()}
    for step in range(steps):
        for player in model.players():
            optimiser = optimisers[player.name]
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
            optimiser.zero_grad()
            loss = sum(model.loss(player.name, {"images": points(BATCH)}).values())
            loss.backward(inputs=player.parameters())
            optimiser.step()
    return model.eval()


@torch.inference_mode()
def found(model: Model) -> tuple[int, float]:
    """Modes that samples of the model lie in, and the share of samples that lie in one."""
    made = model.sample(torch.randn(SAMPLES, *model.latent_shape)).flatten(1)
    distance, nearest = torch.cdist(made, GRID).min(1)
    inside = distance < 3 * SPREAD
    modes = (nearest[inside].bincount(minlength=len(GRID)) >= ENOUGH).sum()
    return int(modes), inside.float().mean().item()


def rows(seeds: int, steps: int) -> Iterator[str]:
    """Lines of a table."""
    for name, config in MODELS.items():
        for seed in range(seeds):
            torch.manual_seed(seed)
            modes, share = found(trained(config, steps))
            yield f"| {name} | {seed} | {modes} of {len(GRID)} | {share:.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | seed | modes | samples in a mode |\n| --- | ---: | ---: | ---: |")
    for row in rows(asked.seeds, asked.steps):
        print(row, flush=True)


if __name__ == "__main__":
    main()
