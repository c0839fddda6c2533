"""What is done with the news of a training: written to a log, kept as sheets, shown on a page, judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pictures import codec

if TYPE_CHECKING:
    from training.trainer import Trainer

Figures = Mapping[str, float]
"""By name."""


@dataclass(frozen=True)
class Sheet:
    """What the averaged weights make at some step."""

    picture: np.ndarray | None
    """uint8 [H, W, C]; None of a model that makes no pictures."""
    figures: Figures


class Listener:
    """Is told how a training goes. Does nothing with it unless it says otherwise."""

    def losses(self, trainer: Trainer, losses: Figures) -> None:
        """The losses of a step, every hundred steps."""

    def sheet(self, trainer: Trainer, sheet: Sheet) -> None:
        """A sheet of samples, and what was measured of the model that made it."""


class Log(Listener):
    """`log.jsonl`: a line for the losses of every hundredth step, and for the figures of each sheet."""

    def __init__(self, path: Path):
        self.path = path

    def losses(self, trainer: Trainer, losses: Figures) -> None:
        self._note(trainer, {**losses, "waited": round(trainer.waited, 2)})

    def sheet(self, trainer: Trainer, sheet: Sheet) -> None:
        self._note(trainer, sheet.figures)

    def _note(self, trainer: Trainer, found: Figures) -> None:
        if found:
            with self.path.open("a") as log:
                log.write(json.dumps({"step": trainer.step, "seconds": round(trainer.seconds, 1), **found}) + "\n")


class Sheets(Listener):
    """`samples/`: each sheet as a PNG, named by its step."""

    def __init__(self, folder: Path):
        self.folder = folder

    def sheet(self, trainer: Trainer, sheet: Sheet) -> None:
        self.folder.mkdir(exist_ok=True)
        if sheet.picture is not None:
            (self.folder / f"{trainer.step:07d}.png").write_bytes(codec.encode(sheet.picture))


class Signs(Listener):
    """Says in words, once each, when a game looks as if it is going wrong.

    Args:
        say: is called with each sentence.
    """

    LEAST_DIVERSITY = 0.4
    """Share of the data's own diversity below which samples are too much alike."""
    SETTLED = 300
    """Steps before which samples are alike in any training."""
    FADED = 1 / 30
    """Share of its early length at which a generator's gradient is next to none."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._said: set[str] = set()
        self._early: dict[str, float] = {}

    def losses(self, trainer: Trainer, losses: Figures) -> None:
        if len(trainer.players) < 2:
            return
        for name, value in losses.items():
            if not name.endswith("/gradient_norm"):
                continue
            early = self._early.setdefault(name, value)
            player = name.removesuffix("/gradient_norm")
            if value < self.FADED * early:
                self._once(
                    name,
                    f"step {trainer.step}: the gradient of `{player}` has faded to {value:.2g} from {early:.2g}: it "
                    "hardly learns any more, as in a collapse (docs/training.md, What goes wrong)",
                )

    def sheet(self, trainer: Trainer, sheet: Sheet) -> None:
        diversity = sheet.figures.get("diversity")
        if diversity is not None and diversity < self.LEAST_DIVERSITY and trainer.step >= self.SETTLED:
            self._once(
                "diversity",
                f"step {trainer.step}: samples differ from one another {diversity:.0%} as much as the pictures do: the "
                "generator may be collapsing to a few of them (docs/training.md, What goes wrong)",
            )

    def _once(self, kind: str, sentence: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._say(sentence)


class Best(Listener):
    """Keeps the model that had the best of a figure so far, as `<name>-best` beside the last one.

    Args:
        figure: as the log names it.
        zoo: where models go.
    """

    HIGHER = frozenset({"diversity", "modes"})
    """Figures of which more is better; of all others, less."""

    def __init__(self, figure: str, zoo: Path):
        self.figure, self.zoo = figure, zoo

    def sheet(self, trainer: Trainer, sheet: Sheet) -> None:
        if self.figure not in sheet.figures:
            known = ", ".join(sorted(sheet.figures)) or "none"
            raise ValueError(f"no figure {self.figure!r} is measured at a sheet of this model; there are: {known}")
        value = sheet.figures[self.figure]
        path = trainer.run / "best.json"
        before = json.loads(path.read_text()) if path.exists() else None
        sign = -1 if self.figure in self.HIGHER else 1
        if before is None or before["figure"] != self.figure or sign * value < sign * before["value"]:
            trainer.export(self.zoo, f"{trainer.recipe.name}-best")
            path.write_text(json.dumps({"figure": self.figure, "value": value, "step": trainer.step}))
