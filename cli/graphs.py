"""ONNX graphs: what `easel import` asks of one, and `easel export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from cli.common import known_models, models_that, quit_with

if TYPE_CHECKING:
    from models.card import Card, Direction

app = typer.Typer()

_PANEL = "ONNX graphs: what they do not tell themselves"

Task = Literal["sample", "conditional", "translate", "reconstruct", "upscale", "stylize"]
Values = Literal["-1,1", "0,1", "0,255"]
Law = Literal["normal", "uniform"]

TaskOption = Annotated[Task | None, typer.Option(help="what it does", rich_help_panel=_PANEL)]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--input", help="which input is the image, latent or label: label=NAME", rich_help_panel=_PANEL),
]
OutputOption = Annotated[str, typer.Option(help="the output that is its pictures", rich_help_panel=_PANEL)]
ValuesInOption = Annotated[
    Values | None, typer.Option("--values-in", help="of pictures that go in, if not --values", rich_help_panel=_PANEL)
]
BlueFirstOption = Annotated[bool, typer.Option("--bgr", help="blue comes before red", rich_help_panel=_PANEL)]
LatentOption = Annotated[str, typer.Option(help="shape of one, as in 100 or 100,1,1", rich_help_panel=_PANEL)]
LawOption = Annotated[Law, typer.Option(help="of latents; uniform is in [-1, 1]", rich_help_panel=_PANEL)]


@dataclass(frozen=True)
class GraphWish:
    """What is said of a graph, as the options say it."""

    task: Task | None
    inputs: list[str] | None
    output: str
    layout: str
    values: Values | None
    values_in: Values | None
    bgr: bool
    latent: str
    law: Law
    classes: tuple[str, ...]


def import_file(
    name: str,
    file: Path,
    wish: GraphWish,
    size: int | None,
    direction: Direction,
    domains: tuple[str, ...],
    licence: str,
    zoo: Path,
) -> Card:
    """The card of the model that was made of a graph, or the end of the command with a word on why there is none."""
    from importing.errors import NotImportable
    from importing.onnx_graph import import_graph
    from importing.onnx_reader import GraphSettings
    from models.families.onnx_graph import Layout

    given = [each.partition("=") for each in wish.inputs or ()]
    if any(not target for _, _, target in given):
        quit_with("--input takes what an input is and its name, as in label=NAME")
    lengths = [each.strip() for each in wish.latent.split(",")] if wish.latent else []
    if not all(each.isdigit() and 0 < int(each) < 10**6 for each in lengths):
        quit_with(f"--latent takes lengths with commas between, not {wish.latent!r}")
    layout = next((each for each in get_args(Layout) if each == wish.layout), None)
    if wish.layout and layout is None:
        quit_with(f"--layout of an ONNX graph is {', '.join(get_args(Layout))}, not {wish.layout!r}")
    settings = GraphSettings(
        task=wish.task,
        inputs={role: target for role, _, target in given},
        output=wish.output,
        layout=layout,
        values=wish.values,
        values_in=wish.values_in,
        bgr=wish.bgr,
        law=wish.law,
        latent=tuple(map(int, lengths)),
        classes=wish.classes,
        size=(size, size) if size else None,
        direction=direction,
        domains=(domains[0], domains[1]) if domains != ("A", "B") else None,
        licence="" if licence == "unknown" else licence,
    )
    try:
        return import_graph(name, file, settings, zoo)
    except NotImportable as error:
        quit_with(str(error))


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="a model, for example mnist-dcgan", autocompletion=models_that())],
    onnx: Annotated[bool, typer.Option("--onnx", help="as an ONNX graph")] = False,
    task: Annotated[str, typer.Option(help="which of its tasks; its first if absent")] = "",
    direction: Annotated[
        Literal["AtoB", "BtoA"] | None, typer.Option(help="of a translator; its first if absent")
    ] = None,
    scale: Annotated[int | None, typer.Option(help="of an upscaler; its largest if absent")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="the file; MODEL.onnx if absent")] = None,
) -> None:
    """Write one task of a model as a file for other programs: an ONNX graph (docs/importing.md).

    easel export mnist-dcgan --onnx
    """
    from models import checkpoint
    from tasks.compilation import CannotCompile
    from tasks.onnx_export import exported

    if not onnx:
        quit_with("say as what: --onnx is the only way out so far")
    registry = known_models()
    try:
        entry = registry[model]
    except KeyError:
        quit_with(f"there is no model {model!r}")
    card = entry.card
    wanted = task or next(iter(card.tasks), "")
    if wanted not in card.tasks:
        quit_with(f"{card.name} has no task {wanted}; it has {', '.join(card.tasks) or 'none'}")
    try:
        loaded = checkpoint.read(entry.folder, card)
        graph = exported(loaded, card, next(each for each in card.tasks if each == wanted), direction, scale)
    except CannotCompile as error:
        quit_with(f"{card.name} cannot be exported for {wanted}: {error}")
    except ValueError as error:
        quit_with(str(error))
    file = out or Path(f"{card.name}.onnx")
    file.write_bytes(graph)
    print(f"{file}: {wanted} of {card.reference}, {len(graph) / 1e6:.1f} MB, checked against torch")
