"""Trains a recipe up to a step, as one of several processes if `torchrun` started it, and writes down every loss."""

import json
import sys
from pathlib import Path

import torch

from training import distributed, recipe
from training.trainer import Trainer

if __name__ == "__main__":
    torch.set_num_threads(1)
    group, device = distributed.join(torch.device("cpu"))
    loaded, digest = recipe.load(sys.argv[1])
    trainer = Trainer(loaded, digest, Path("runs"), device, group=group)
    for losses in trainer.train():
        if group.first:
            with Path("losses.jsonl").open("a") as log:
                log.write(json.dumps({"step": trainer.step, **losses}) + "\n")
        if trainer.step == int(sys.argv[2]) < trainer.steps:
            trainer.save()
            break
    group.wait()
    distributed.leave()
