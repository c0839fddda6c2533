"""For many pictures: by this machine's own engine, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import quit_with, settings_or_quit

if TYPE_CHECKING:
    from models.card import Card, Task
    from workers.bulk import Destination

app = typer.Typer()

SHOWN = 20
"""Failures that are told by name."""


@app.command()
def bulk(
    model: Annotated[str, typer.Argument(help="any model whose answer is pictures")],
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", help="folder, or store such as s3://…, to write to; what is there is not made again"
        ),
    ],
    images: Annotated[
        Path | None, typer.Option(help="folder of pictures and animations to work on", exists=True, file_okay=False)
    ] = None,
    n: Annotated[int | None, typer.Option("-n", min=1, help="how many samples to draw")] = None,
    seed: Annotated[int, typer.Option(min=0, help="sample i is drawn with seed + i")] = 0,
    task: Annotated[str | None, typer.Option(help="what to do; the model's first fitting task if absent")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="another input, such as label=7 or direction=BtoA")
    ] = None,
    format: Annotated[str, typer.Option(help="png, jpg, webp or avif")] = "png",
    quality: Annotated[int, typer.Option(min=1, max=100, help="for jpg, webp and avif")] = 90,
    shard: Annotated[str, typer.Option(help="i/n: this process makes part i of n, from 0")] = "0/1",
) -> None:
    """Make many pictures without a server: easel bulk mnist-cgan -n 1000000 -i label=7 -o sevens

    Or work on a folder of photographs and animations: easel bulk horse2zebra-cyclegan --images horses -o zebras.
    Stopped with Ctrl-C, the same command goes on where it was.
    """
    from pydantic import ValidationError
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from core.object_store import StoreError
    from jobs.prediction import Output
    from workers import bulk as run
    from workers.entrypoint import engine_for

    if (images is None) == (n is None):
        quit_with("say either --images, a folder to work on, or -n, how many samples to draw")
    settings, part = settings_or_quit(), _shard(shard)
    engine = engine_for(settings)
    try:
        card = engine.registry[model].card
    except KeyError:
        quit_with(f"there is no model {model!r}; `easel models` lists those there are")
    try:
        output = Output.model_validate({"format": format, "quality": quality})
    except ValidationError:
        quit_with(f"pictures are written as png, jpg, webp or avif, not as {format!r}")
    wanted = run.Wanted(card, _task(card, task, images is not None), _inputs(given), output, settings.max_pixels)
    items = run.pictures(wanted, images, part) if images else run.samples(wanted, n or 0, seed, part)
    target = _target(out)
    columns = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        bar = progress.add_task(model, total=None if n is None or part[1] > 1 else n)
        try:
            tally = run.make(
                engine,
                items,
                card.serving.max_batch,
                target,
                lambda tally: progress.update(bar, completed=tally.made + tally.there),
            )
        except (OSError, StoreError) as error:
            progress.stop()
            quit_with(f"{out} does not take what was made: {error}; the same command goes on where it was")
    print(f"{tally.made} made, {tally.there} were there, {len(tally.failed)} failed")
    for name, reason in list(tally.failed.items())[:SHOWN]:
        typer.secho(f"  {name}: {reason}", fg="red", err=True)
    if tally.failed:
        raise typer.Exit(1)


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and int(part) < int(parts)):
        quit_with(f"a shard is i/n with i from 0 to n - 1, not {text!r}")
    return int(part), int(parts)


def _task(card: Card, asked: str | None, on_pictures: bool) -> Task:
    """The task that was asked for, or the model's first that fits what there is to work on."""
    from workers import bulk as run

    offered = run.tasks(card, on_pictures)
    wanted = offered[:1] if asked is None else [each for each in offered if each.value == asked]
    if not wanted:
        among = ", ".join(offered) or "nothing of the kind"
        kind = "of a folder of pictures" if on_pictures else "of seeds"
        quit_with(f"{card.name} does not {asked or 'make pictures'} {kind} in bulk; it offers {among}")
    return wanted[0]


def _target(out: str) -> Destination:
    """Where to write: a store, if it begins as the address of one, or a folder."""
    from core.object_store import SCHEMES, ObjectStore
    from workers import bulk as run

    if not out.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        return run.DestinationFolder(Path(out))
    try:
        return run.DestinationStore(ObjectStore(out))
    except RuntimeError as error:
        quit_with(str(error))


def _inputs(given: list[str] | None) -> dict[str, object]:
    """`name=value` each; a value that is JSON is taken as that, any other as a string."""
    values: dict[str, object] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or name in ("n", "seed", "image", "images", "mask"):
            quit_with(f"an input is given as name=value, and not the picture, `n` or `seed`; {each!r} is not")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values
