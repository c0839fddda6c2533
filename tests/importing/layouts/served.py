"""A network as other code lays it out, saved as people save it, imported by the command, and asked as a worker asks."""

from __future__ import annotations

import torch
from typer.testing import CliRunner

from cli.main import app
from models import checkpoint
from models.card import Task
from models.model import final_images
from tasks.operation import Rows
from tasks.operations import OPERATIONS

EXACT = 1e-4
"""Per value in [-1, 1]."""


class Imported:
    """A model that was imported from what `saved` is."""

    def __init__(self, folder, saved, *options: str, beside=None):
        torch.save(saved, folder / "net.pth")
        for name, also in (beside or {}).items():
            torch.save(also, folder / name)
        command = ["import", str(folder / "net.pth"), "--name", "mine", "--zoo", str(folder / "zoo"), *options]
        self.ran = CliRunner().invoke(app, command)
        self.told = self.ran.output
        assert self.ran.exit_code == 0, self.told
        self.model = checkpoint.read(folder / "zoo" / "mine")
        self.card = checkpoint.Card.read(folder / "zoo" / "mine")

    @torch.inference_mode()
    def answer(self, task: Task, tensors: dict[str, torch.Tensor], **options) -> torch.Tensor:
        """What the task makes of rows, [N, C, H, W] in [-1, 1]."""
        assert task in self.card.tasks
        rows = Rows(tensors, options)
        return final_images(OPERATIONS[task].apply(self.model, rows.tensors, **rows.options))


def pictures(count=2, side=32, channels=3) -> torch.Tensor:
    """[count, channels, side, side] in [-1, 1]."""
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def assert_same(answer: torch.Tensor, theirs: torch.Tensor) -> None:
    assert answer.shape == theirs.shape
    assert theirs.std() > 0.02, "too flat to tell networks apart"
    assert (answer - theirs).abs().max() < EXACT
