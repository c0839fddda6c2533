"""Two processes train as one does: the same losses, whoever resumes, and one of them writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.pictures import many, write
from training import recipe
from training.distributed import Group, WholeBatch
from training.trainer import Trainer

ROOT = Path(__file__).parents[2]
RECIPE = """
name = "own"
summary = "toy"
licence = "none"
family = "dcgan"

[config]
size = 16
channels = 3
latent = 4
width = 8
augment = true
turns = 2
gradient_penalty = 1.0

[data]
path = "pictures"
size = 16
flip = true

[budget]
steps = 6
batch = 4
sheet_every = 6
"""
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.training.every_step"]


def test_losses_are_those_of_one_process_and_a_run_goes_on_with_another_number(tmp_path, monkeypatch):
    """Of a game with batch norms, augmentation and a penalty that is differentiated twice."""
    write(tmp_path, {**many("pictures/{}.png", 12), "own.toml": RECIPE})
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *LAUNCH, "own.toml", "3"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, digest = recipe.load("own.toml")
    alone = Trainer(loaded, digest, tmp_path / "alone", torch.device("cpu"))
    expected = [{"step": alone.step, **losses} for losses in alone.train()]
    with Path("losses.jsonl").open("a") as log:
        resumed = Trainer(loaded, digest, tmp_path / "runs", torch.device("cpu"))
        for losses in resumed.train():
            log.write(json.dumps({"step": resumed.step, **losses}) + "\n")
    told = [json.loads(line) for line in Path("losses.jsonl").read_text().splitlines()]
    assert [each["step"] for each in told] == [1, 2, 3, 4, 5, 6]
    for one, several in zip(expected, told, strict=True):
        assert several == pytest.approx(one, rel=2e-3, abs=2e-4)


def test_a_share_of_what_is_drawn_is_its_rows_of_the_whole():
    torch.manual_seed(0)
    whole = torch.randn(4, 3), torch.rand(3, 4, 1), torch.randint(9, (4,)), torch.randn_like(torch.zeros(4, 2))
    alone = torch.randn(3)
    for rank in (0, 1):
        torch.manual_seed(0)
        with WholeBatch(Group(rank, 2), 2):
            share = torch.randn(2, 3), torch.rand(3, 2, 1), torch.randint(9, (2,)), torch.randn_like(torch.zeros(2, 2))
            assert torch.equal(torch.randn(3), alone)
        rows = slice(2 * rank, 2 * rank + 2)
        for drawn, full in zip(share, whole, strict=True):
            assert torch.equal(drawn, full[:, rows] if full.ndim == 3 else full[rows])


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="does not divide"):
        Group(0, 2).share(3)
