"""For those who train: data to train on, fetched or of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import quit_with

if TYPE_CHECKING:
    from training.datasets.check import Report

app = typer.Typer(no_args_is_help=True, help="Data to train on.")

_NAMED = 10
"""Files that are named of each kind of trouble."""


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="a folder of pictures, or a zip of one")],
    layout: Annotated[str, typer.Option(help="how it is laid out, where it is not to be recognised")] = "",
    sheet: Annotated[Path | None, typer.Option(help="where its contact sheet goes; <name>-sheet.png if absent")] = None,
) -> None:
    """Tell how a folder is laid out, what is in it, broken or there twice, and make a contact sheet.

    Pictures are decoded once, into the cache that training reads from, too (docs/data.md).
    """
    from pictures import codec
    from training.datasets.check import check as look
    from training.datasets.layouts import LAYOUTS

    if layout and layout not in LAYOUTS:
        quit_with(f"--layout is one of {', '.join(LAYOUTS)}")
    try:
        report = look(path, layout)
    except (FileNotFoundError, ValueError) as error:
        quit_with(str(error))
    target = sheet or Path(f"{path.resolve().stem}-sheet.png")
    target.write_bytes(codec.encode(report.sheet))
    for line in _lines(report):
        print(line)
    print(f"contact sheet: {target}")


@app.command()
def mnist() -> None:
    """Fetch MNIST into the folder that EASEL_DATASETS names, or `data`. docs/data.md tells how to get other sets."""
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from training import download
    from training.datasets import places

    target = places.archives() / "mnist.zip"
    if target.is_file():
        print(f"{target} is there already")
        return
    try:
        with Progress(TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn()) as progress:
            bar = progress.add_task("mnist", total=None)
            download.mnist(target, lambda done: progress.update(bar, completed=done))
    except (OSError, ValueError) as error:
        quit_with(f"{download.ORIGIN}: {error}\nThe same by hand: docs/data.md, under “Building the archives”")
    print(f"{target}; EASEL_DATASETS={target.parent} easel train mnist-dcgan")


def _lines(report: Report) -> list[str]:
    small, middle, large = (f"{width} x {height}" for width, height in report.sizes)
    by_whom = "as its folders say" if report.divided else "by the hash of each file"
    lines = [f"layout: {report.layout}", f"split: {by_whom}"]
    for split, listing in report.splits.items():
        of = {name: len(pieces) for name, pieces in listing.fields.items()}
        if listing.paired:
            told = f"{listing.count} pairs"
        elif "images" in of:
            told = f"{listing.count} pictures"
        else:
            told = ", ".join(f"{count} of {name.upper()}" for name, count in of.items())
        lines.append(f"  {split}: {told}")
    trained = report.splits["train"]
    if trained.classes:
        counts = (f"{name} {trained.labels.count(place)}" for place, name in enumerate(trained.classes))
        lines.append(f"classes to train on: {', '.join(counts)}")
    if trained.attributes:
        lines.append(f"attributes: {', '.join(trained.attributes)}")
    if trained.texts:
        lines.append(f"texts: of {sum(map(bool, trained.texts))} pictures, such as {trained.texts[0][0]!r}")
    lines.append(f"sizes: {small} to {large}, in the middle {middle}; {'grey' if report.grey else 'in colour'}")
    lines += _some("broken, left out", [f"{file}: {why}" for file, why in report.broken.items()])
    lines += _some("the same file more than once", [" = ".join(files) for files in report.equal])
    lines += _some("look the same", [" ~ ".join(files) for files in report.alike])
    return lines + [f"note: {remark}" for remark in report.remarks]


def _some(kind: str, found: list[str]) -> list[str]:
    if not found:
        return []
    more = [f"  and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return [f"{kind}: {len(found)}", *(f"  {each}" for each in found[:_NAMED]), *more]
