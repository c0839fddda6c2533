"""For those who make models: import, measure and document them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli import graphs
from cli.common import AsJson, known_models, models_that, print_json, quit_with

if TYPE_CHECKING:
    from importing.layouts.layout import ImportSettings
    from models.card import Card, Direction
    from models.registry import Registry

app = typer.Typer()


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="a checkpoint or an ONNX graph: netG.pth, model.onnx", exists=True)],
    name: Annotated[str, typer.Option(help="what requests will call the model, for example maps-pix2pix")],
    family: Annotated[
        Literal["pix2pix", "cyclegan"] | None,
        typer.Option(help="of a translator: what it was trained as; cyclegan with --back, if absent"),
    ] = None,
    back: Annotated[Path | None, typer.Option(help="of a translator: the generator of the way back")] = None,
    beside: Annotated[Path | None, typer.Option("--with", help="a second file of a network that has two")] = None,
    direction: Annotated[Literal["AtoB", "BtoA"], typer.Option(help="which way a translator in FILE goes")] = "AtoB",
    domains: Annotated[str, typer.Option(help="what A and B are, for example horse,zebra")] = "A,B",
    classes: Annotated[str, typer.Option(help="names of classes or attributes in turn, with commas between")] = "",
    size: Annotated[int | None, typer.Option(help="side of the pictures; what is usual if absent")] = None,
    scale: Annotated[int | None, typer.Option(help="how many times as large, where no shape tells")] = None,
    padding: Annotated[Literal["reflect", "replicate"], typer.Option(help="of a ResNet's padded blocks")] = "reflect",
    statistics: Annotated[
        Literal["stored", "picture"] | None,
        typer.Option(help="of norms: those in the file, or each picture's own; what is usual if absent"),
    ] = None,
    dropout: Annotated[
        Literal["drawn", "off"] | None,
        typer.Option(help="of a network that has it: drawn from each request's seed, or none; what is usual if absent"),
    ] = None,
    values: Annotated[
        graphs.Values | None,
        typer.Option(help="of the pictures that it was trained on, where nothing tells; what is usual if absent"),
    ] = None,
    layout: Annotated[str, typer.Option(help="read it as this, not as the first layout that it fits")] = "",
    key: Annotated[str, typer.Option(help="where in FILE the weights are: state_dict; they are looked for")] = "",
    strip: Annotated[str, typer.Option(help="take names with this prefix alone, and the prefix off")] = "",
    check: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="a picture, and what the original code made of it: says how far the model is from that"),
    ] = None,
    licence: Annotated[str, typer.Option(help="under which the weights may be used, for the card")] = "unknown",
    zoo: Annotated[Path, typer.Option(help="folder of models that the model's folder goes to")] = Path("imported"),
    task: graphs.TaskOption = None,
    inputs: graphs.InputOption = None,
    output: graphs.OutputOption = "",
    values_in: graphs.ValuesInOption = None,
    bgr: graphs.BlueFirstOption = False,
    latent: graphs.LatentOption = "",
    law: graphs.LawOption = "normal",
) -> None:
    """Make a model of a checkpoint or an ONNX graph that other code made (docs/importing.md lists what is known).

    easel import generator.onnx --name my-faces

    easel import netG_epoch_24.pth --name faces-dcgan

    easel import latest_net_G_A.pth --back latest_net_G_B.pth --name horse2zebra --domains horse,zebra
    """
    from pydantic import TypeAdapter, ValidationError

    from importing.errors import NotImportable
    from importing.importer import import_files
    from importing.layouts.layout import ImportSettings
    from models.card import BACK, ModelName

    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        quit_with(f"{name!r} is no name for a model: small letters, digits and single hyphens between them")
    named = _names(domains)
    if len(named) != 2 or not all(named):
        quit_with(f"--domains takes two names with a comma between them, not {domains!r}")
    if file.suffix.lower() == ".onnx":
        if check is not None:
            quit_with("--check is of checkpoints of translators")
        wish = graphs.GraphWish(task, inputs, output, layout, values, values_in, bgr, latent, law, _names(classes))
        _tell(graphs.import_file(name, file, wish, size, direction, named, licence, zoo), zoo)
        return
    if values == "0,255":
        quit_with("--values 0,255 is of ONNX graphs alone")
    files: dict[Direction, Path] = {direction: file}
    if back is not None:
        files[BACK[direction]] = back
    settings = ImportSettings(
        padding=padding,
        statistics=statistics,
        dropout=dropout,
        size=size,
        domains=named,
        classes=_names(classes),
        scale=scale,
        values=values,
        licence=licence,
        layout=layout,
        key=key,
        strip=strip,
    )
    try:
        card = import_files(name, family, files, settings, zoo, beside)
    except NotImportable as error:
        quit_with(str(error))
    _tell(card, zoo)
    if check is not None:
        _check_import(card, family, files, settings, *check)


def _tell(card: Card, zoo: Path) -> None:
    if card.imported is not None:
        for line in card.imported.inferred:
            print(f"found: {line}")
        for line in card.imported.assumed:
            print(f"assumed: {line}")
    print(
        f"{card.name}: {card.summary}; {card.weights.parameters:,} parameters, {card.weights.bytes / 1e6:.1f} MB, "
        f"in {zoo / card.name}. EASEL_MODELS={zoo} easel up serves it"
    )


def _check_import(
    card: Card, family: str | None, files: dict[Direction, Path], settings: ImportSettings, given: Path, expected: Path
) -> None:
    """Says how far the model is from a picture of the original; ends the command if that is too far."""
    from importing import check
    from importing.errors import NotImportable

    try:
        checked = check.check(card, family, files, settings, given, expected)
    except (NotImportable, OSError) as error:
        quit_with(f"it could not be compared: {error}")
    if checked.difference.passes:
        without = ", without dropout" if card.latent else ""
        print(f"checked{without}: {checked.difference}; that is the same picture")
        return
    tries = [f"with {options} they would be {difference}" for options, difference in checked.better.items()]
    advice = "; ".join(tries) or "no other --padding or --statistics comes nearer: the network pads or ends otherwise"
    if card.latent:
        advice += (
            "; they are compared without dropout, and yours has to be made so: by test.py --no_dropout of a U-Net, by "
            "--eval of a ResNet (with batch norm, that is --statistics stored)"
        )
    quit_with(f"the pictures are {checked.difference}, and equal networks are {check.LEVELS} level at most: {advice}")


def _names(listed: str) -> tuple[str, ...]:
    """What stands between the commas of an option."""
    return tuple(part.strip() for part in listed.split(",")) if listed else ()


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Argument(help="a model of the zoo, for example mnist-cgan", autocompletion=models_that())
    ],
    write: Annotated[bool, typer.Option("--write", help="write figures and today's tasks into the card")] = False,
    limits: Annotated[str | None, typer.Option(help="what the model does badly, as you saw it, for the card")] = None,
    featured: Annotated[
        bool | None, typer.Option(help="whether the model is shown before the others, for the card")
    ] = None,
    baseline: Annotated[
        bool | None, typer.Option(help="whether the model is there for others to be compared with, for the card")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="measure only this kind of figures, keep the others")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on data that it was not trained on. Data is read from the folder that EASEL_DATASETS names."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evaluation.evaluate import evaluate as measure

    registry = known_models()
    try:
        with Console(stderr=True).status("reading the model") as status:
            card = measure(model, registry, only or (), status.update)
    except KeyError as error:
        quit_with(f"there is no model {error}")
    except (FileNotFoundError, ModuleNotFoundError, ValueError) as error:
        quit_with(str(error))
    if as_json:
        print_json([metric.model_dump(mode="json") for metric in card.metrics])
    table = Table("figure", "value", "images", "against", "judge")
    for metric in card.metrics:
        table.add_row(
            escape(metric.name), f"{metric.value:g}", str(metric.count), metric.reference, metric.extractor or ""
        )
    if not as_json:
        Console().print(table)
    if write:
        said = {"limits": limits, "featured": featured, "baseline": baseline}
        card = card.model_copy(update={name: value for name, value in said.items() if value is not None})
        card.write(registry[model].folder)


@app.command()
def directions(
    model: Annotated[
        str, typer.Argument(help="a model with a latent, for example mnist-cgan", autocompletion=models_that())
    ],
    write: Annotated[bool, typer.Option("--write", help="ship them with the model, as inputs of its tasks")] = False,
) -> None:
    """Find directions of a model's latent along which one thing changes, such as the thickness of strokes.

    Data is read from the folder that EASEL_DATASETS names.
    """
    from rich.console import Console
    from rich.table import Table

    from evaluation import latent_directions

    try:
        entry = known_models()[model]
        found = latent_directions.find(entry)
    except KeyError as error:
        quit_with(f"there is no model {error}")
    except (FileNotFoundError, ValueError) as error:
        quit_with(str(error))
    table = Table("attribute", "effect of a step, in standard deviations")
    for name, each in found.items():
        table.add_row(name, f"{each.effect:.2f}")
    Console().print(table)
    if write:
        latent_directions.write(entry.folder, found)


@app.command()
def report(out: Annotated[Path, typer.Option("--out", "-o", help="folder of the docs")] = Path("docs")) -> None:
    """Write the docs' page of all models, with a sample sheet of each. Needs the data sets, as evaluate does."""
    from evaluation.report import write

    _write_page(write, out)


@app.command()
def gallery(out: Annotated[Path, typer.Option("--out", "-o", help="folder of the docs")] = Path("docs")) -> None:
    """Write the docs' page of translations, a sheet for each way of each translator. Needs the data sets."""
    from evaluation.gallery import write

    _write_page(write, out)


def _write_page(write: Callable[[Registry, Path], None], out: Path) -> None:
    try:
        write(known_models(), out)
    except FileNotFoundError as error:
        quit_with(str(error))
