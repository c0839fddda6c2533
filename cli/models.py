"""For operators: the models that are served, and which version of each a name stands for."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import AsJson, audited, complain, known_models, print_json, quit_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.library import Library
    from models.registry import Entry, Registry

app = typer.Typer(
    help="List the models that are served, and change what is in the folders that EASEL_MODELS names. A running Easel "
    "sees a change within seconds.",
)


@app.callback(invoke_without_command=True)
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models in models/zoo and in the folders that EASEL_MODELS names."""
    if context.invoked_subcommand:
        return
    from rich.console import Console
    from rich.table import Table

    registry = known_models()
    if as_json:
        print_json([entry.card.model_dump(mode="json") for entry in registry.served()])
        return
    table = Table("model", "version", "tasks", "size", "weights", "what it makes")
    for entry in registry.served():
        card = entry.card
        versions = len(registry.versions_of(card.name))
        version = card.weights.sha256[:12] + (f" (of {versions})" if versions > 1 else "")
        size = f"{card.image.width}x{card.image.height}"
        weights = f"{card.weights.bytes / 1e6:.1f} MB"
        table.add_row(card.name, version, ", ".join(card.tasks), size, weights, card.summary)
    Console().print(table)
    _tell_broken(registry)


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="a model's folder: card.json, model.safetensors", exists=True)],
    draft: Annotated[bool, typer.Option("--draft", help="only as a version; its name stands for what it did")] = False,
) -> None:
    """Copy a model into the first folder of EASEL_MODELS, as a new version that its name stands for."""
    with audited("model.add", str(folder)) as act, _library() as library:
        _check(folder)
        entry = library.add(folder, publish=not draft)
        act.object = entry.card.reference
        act.details["published"] = not draft
        print(f"{entry.card.reference} is in {entry.folder}" + ("" if draft else f"; {entry.card.name} stands for it"))


@app.command()
def remove(
    model: Annotated[str, typer.Argument(help="a model, with all of its versions; or one version: name@sha256")],
) -> None:
    """Delete a model or a version. Predictions that wait for it fail as `model_not_found`."""
    with audited("model.remove", model) as act, _library() as library:
        removed = library.remove(model)
        act.details["versions"] = [entry.card.reference for entry in removed]
    for entry in removed:
        print(f"{entry.folder} is gone")


@app.command()
def alias(
    name: Annotated[str, typer.Argument(help="a model's name, or one of your own such as zebra-latest")],
    model: Annotated[str | None, typer.Argument(help="what it is to stand for: name@sha256, or a model's name")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="the name stands for nothing from now on")] = False,
) -> None:
    """Have a name stand for a version, from one request to the next; without MODEL, show what it stands for."""
    from pydantic import TypeAdapter, ValidationError

    from models.card import ModelName

    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        quit_with(f"{name!r} is no name: small letters, digits and single hyphens between them")
    if forget:
        with audited("alias.forget", name), _library() as library:
            library.forget(name)
        print(f"{name} stands for nothing")
        return
    if model:
        with audited("alias.set", name) as act, _library() as library:
            act.details["version"] = version = library.point(name, model).card.reference
        print(f"{name} stands for {version}")
        return
    with _library() as library:
        if name in library.registry.current:
            print(f"{name} stands for {library.registry[name].card.reference}")
        else:
            quit_with(f"{name} stands for nothing")


@app.command()
def rollback(name: Annotated[str, typer.Argument(help="a model's name, or an alias")]) -> None:
    """Have a name stand for what it stood for before."""
    with audited("model.rollback", name) as act, _library() as library:
        act.details["version"] = version = library.back(name).card.reference
    print(f"{name} stands for {version}")


@app.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="one model's folder; all that are served if absent")] = None,
) -> None:
    """Read every model whole, as a worker would, and say what is wrong. Ends with status 1 if anything is."""
    if folder:
        print(f"{_check(folder).card.reference} can be served")
        return
    from models.admission import fault

    registry, wrong = known_models(), 0
    for entry in registry.versions.values():
        if reason := fault(entry.folder):
            wrong += 1
            complain(f"{entry.folder}: {reason}")
    print(f"{len(registry.versions) - wrong} of {len(registry.versions)} versions can be served")
    _tell_broken(registry)
    if wrong or registry.broken:
        raise typer.Exit(1)


@contextmanager
def _library() -> Iterator[Library]:
    """The folders that may be changed; what cannot be done ends the command with a word on it."""
    from models.aliases import BadAliases
    from models.library import Library, NotPossible

    try:
        yield Library(known_models())
    except (NotPossible, BadAliases, OSError) as error:
        quit_with(str(error))


def _check(folder: Path) -> Entry:
    from models.admission import fault
    from models.registry import read_entry

    if reason := fault(folder):
        quit_with(f"{folder}: {reason}")
    return read_entry(folder)


def _tell_broken(registry: Registry) -> None:
    for folder, reason in registry.broken.items():
        complain(f"{folder}: {reason}")
