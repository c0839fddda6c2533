"""`progress.html` in a run's folder: curves and sheets of a training as it goes on, in any browser."""

from __future__ import annotations

import html
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.listeners import Figures, Listener, Sheet

if TYPE_CHECKING:
    from training.trainer import Trainer

PAGE = "progress.html"
_WIDTH, _HEIGHT = 420, 140
_NOT_SHOWN = ("step", "seconds", "waited")
_SHEETS = 12
"""The latest ones, which are shown."""

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="20">
<title>{name}</title><style>
body{{font:15px system-ui;margin:2rem;color:#222;background:#fff}} h2{{font-size:1rem}}
figure{{display:inline-block;margin:0 1rem 1rem 0;vertical-align:top}} img{{max-width:{width}px}}
figcaption{{font-size:.85rem;color:#555}} path{{fill:none;stroke:#06c;stroke-width:1.5}} svg{{background:#f6f6f6}}
</style><h1>{name}</h1><p>{told}</p>
"""


class Page(Listener):
    """Writes the page anew with each line of the log and each sheet; a browser reloads it by itself."""

    def losses(self, trainer: Trainer, losses: Figures) -> None:
        self._write(trainer)

    def sheet(self, trainer: Trainer, sheet: Sheet) -> None:
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        log = trainer.run / "log.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        told = f"step {trainer.step:,} of {trainer.steps:,}, after {trainer.seconds / 60:.1f} minutes"
        sheets = sorted((trainer.run / "samples").glob("*.png"), reverse=True)[:_SHEETS]
        partial = trainer.run / f"{PAGE}.partial"
        partial.write_text(page(trainer.recipe.name, told, lines, sheets))
        partial.replace(trainer.run / PAGE)


def page(name: str, told: str, lines: Sequence[Mapping[str, float]], sheets: Sequence[Path]) -> str:
    """The page's HTML.

    Args:
        lines: of the log.
        sheets: files in `samples/`, the latest first.
    """
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in lines:
        for figure, value in line.items():
            if figure not in _NOT_SHOWN:
                curves[figure].append((line["step"], value))
    parts = [_HEAD.format(name=html.escape(name), told=html.escape(told), width=_WIDTH), "<h2>Curves</h2>"]
    parts += [_curve(figure, points) for figure, points in curves.items()]
    parts.append("<h2>Sheets, the latest first</h2>")
    parts += [
        f'<figure><img src="samples/{path.name}" alt=""><figcaption>step {int(path.stem):,}</figcaption></figure>'
        for path in sheets
    ]
    return "\n".join(parts) + "\n"


def _curve(figure: str, points: Sequence[tuple[float, float]]) -> str:
    """A line over the steps, scaled to what it reaches."""
    last, low, high = points[-1][0], min(y for _, y in points), max(y for _, y in points)
    drawn = " L".join(
        f"{_WIDTH * x / max(last, 1):.1f},{_HEIGHT - _HEIGHT * (y - low) / ((high - low) or 1):.1f}" for x, y in points
    )
    told = f"{html.escape(figure)}: {points[-1][1]:.4g} ({low:.3g} to {high:.3g})"
    return (
        f'<figure><svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{told}"><path d="M{drawn}"/></svg>'
        f"<figcaption>{told}</figcaption></figure>"
    )
