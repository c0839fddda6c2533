"""`easel train`: a model of a recipe, or of a folder of one's own pictures."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import quit_with, settings_or_quit

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from models.registry import Registry
    from training.data import Source
    from training.distributed import Group
    from training.recipe import Recipe
    from training.setting import Choice
    from training.trainer import Trainer

app = typer.Typer()

_OWN = Path("trained")
"""Where models of one's own pictures go, unless EASEL_MODELS names a folder."""


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="name of a shipped recipe, or a .toml file; absent with --data")] = "",
    data: Annotated[Path | None, typer.Option(help="a folder or zip of pictures to train on")] = None,
    family: Annotated[str, typer.Option(help="with --data: what to train, for example dcgan or cyclegan")] = "",
    init_from: Annotated[str, typer.Option(help="with --data: the model to begin with, instead of --family")] = "",
    name: Annotated[str, typer.Option(help="with --data: what the model is called; folder and family if absent")] = "",
    licence: Annotated[str, typer.Option(help="with --data: of the pictures, for the card; asked for if absent")] = "",
    layout: Annotated[str, typer.Option(help="with --data: as easel data check names it, if not recognised")] = "",
    size: Annotated[int | None, typer.Option(min=8, help="with --data: side of the model's pictures")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="how long to train, instead of --steps")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="another budget than the recipe's")] = None,
    runs: Annotated[Path, typer.Option(help="where the run keeps its state, log and sample sheets")] = Path("runs"),
    zoo: Annotated[Path | None, typer.Option(help="folder of models that the model's folder goes to")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N; a GPU if there is one when absent")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="processes, each with a GPU or its share of the cores")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads; 0: one or all cores, whichever is quicker")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin again instead of resuming")] = False,
    keep: Annotated[int | None, typer.Option(min=1, help="steps after which a model `<name>-step-<n>` is kept")] = None,
    best: Annotated[str, typer.Option(help="a figure of the log: the best by it is kept")] = "",
) -> None:
    """Train a model by a recipe, or on your own pictures. Stopped with Ctrl-C, the same command goes on where it was.

    easel train --family dcgan --data my/folder --minutes 30

    A recipe's data is read from the folder that EASEL_DATASETS names (docs/data.md says where to get it, and how
    pictures of your own are laid out). runs/<name>/progress.html shows curves and sheets while it trains.
    """
    if devices > 1 and "RANK" not in os.environ:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices)]
        os.execv(sys.executable, [*command, "-m", "cli", *sys.argv[1:]])
    from models.registry import Registry
    from training import distributed

    if data is None and not recipe:
        quit_with("name a recipe, or --data with --family")
    served = settings_or_quit().models
    models = Registry.with_shipped(served)
    try:
        group, chosen = _joined(device)
        if data is not None:
            wish = _Wish(data, family, init_from, name, licence, layout, size)
            recipe = str(_own_recipe(wish, models, runs, chosen, group, fresh))
            zoo = zoo or next(iter(served), _OWN)
        _train(_Run(recipe, runs, zoo, threads, steps, minutes, fresh, keep, best), models, chosen, group)
    except KeyError as error:
        quit_with(str(error.args[0]))
    except (FileNotFoundError, ValueError) as error:
        quit_with(str(error))
    except FloatingPointError as error:
        quit_with(f"{error}; docs/training.md (What goes wrong) says what to try")
    finally:
        distributed.leave()


@dataclass(frozen=True)
class _Wish:
    """What is asked for of pictures of one's own, as the options say it."""

    data: Path
    family: str
    init_from: str
    name: str
    licence: str
    layout: str
    size: int | None


@dataclass(frozen=True)
class _Run:
    """What is asked for of a run, as the options say it."""

    recipe: str
    runs: Path
    zoo: Path | None
    threads: int
    steps: int | None
    minutes: float | None
    fresh: bool
    keep: int | None
    best: str


def _joined(device: str) -> tuple[Group, torch.device]:
    from models import devices
    from training import distributed

    return distributed.join(devices.choose(device))


def _own_recipe(asked: _Wish, models: Registry, runs: Path, device: torch.device, group: Group, fresh: bool) -> Path:
    """The recipe of a run on one's own pictures, in its folder: the one that it was begun by, or a new one."""
    from training.presets import Wish, name_of, recipe_for

    if bool(asked.family) == bool(asked.init_from):
        raise ValueError("with --data, say what to train by --family, or what to begin with by --init-from")
    if asked.init_from and asked.init_from not in models.current:
        raise KeyError(f"there is no model {asked.init_from!r} to begin with")
    begin = models[asked.init_from].card if asked.init_from else None
    name = asked.name or name_of(asked.data, begin.family if begin else asked.family)
    file = runs / name / "recipe.toml"
    if group.first and (fresh or not file.exists()):
        licence = asked.licence
        if not licence and sys.stdin.isatty():
            licence = typer.prompt("Under which licence may the pictures be used (for the card)", "not stated")
        wish = Wish(asked.data, asked.family, name, asked.layout, licence, asked.size, begin)
        made = recipe_for(wish, device.type == "cuda")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made.toml())
    group.wait()
    return file


def _train(asked: _Run, models: Registry, device: torch.device, group: Group) -> None:
    import shutil

    import torch
    from rich.console import Console

    from evaluation.watching import watch
    from models.registry import SHIPPED
    from training import recipe as recipes
    from training.listeners import Best, Signs
    from training.page import PAGE, Page
    from training.trainer import STATE_FILE, Trainer

    console = Console(quiet=not group.first)
    loaded, digest = recipes.load(asked.recipe)
    run, zoo = asked.runs / loaded.name, asked.zoo or SHIPPED
    if asked.fresh and group.first:
        for path in run.glob("*"):
            if path.is_dir():
                shutil.rmtree(path)
            elif path != Path(asked.recipe):
                path.unlink()
    group.wait()
    source = _read(loaded, group, console)
    _say_doubts(loaded, source, console)
    new = not (run / STATE_FILE).exists()
    choice = _measure(loaded, digest, source, device, group, asked.threads, models, console) if new else None
    steps = asked.steps
    if asked.minutes and choice and not steps:
        steps = max(1, round(asked.minutes * 60 / choice.seconds))
        if run in Path(asked.recipe).parents:
            loaded, digest = _with_steps(loaded, steps, Path(asked.recipe), group)
    trainer = Trainer(
        loaded,
        digest,
        run,
        device,
        steps,
        watch(loaded.data.name, models),
        (Page(), Signs(console.print), *([Best(asked.best, zoo)] if asked.best else [])),
        choice.setting if choice else None,
        group,
        models,
        source,
    )
    if asked.threads:
        torch.set_num_threads(asked.threads)
    for remark in trainer.left:
        console.print(f"of {loaded.init_from}: {remark}", markup=False)
    if choice:
        left = (trainer.steps - trainer.step) * choice.seconds / 60
        console.print(
            f"{trainer.steps:,} steps of {loaded.budget.batch} pictures: about {left:,.0f} minutes, sheets not counted"
        )
    console.print(f"curves and sheets: {run / PAGE}")
    before = trainer.seconds
    _follow(trainer, asked.keep, zoo, console)
    if not group.first:
        return
    card = trainer.export(zoo)
    computing = 1 - trainer.waited / max(trainer.seconds - before, 1e-9)
    told = f"{card.weights.parameters:,} parameters, {card.weights.bytes / 1e6:.1f} MB, in {zoo / card.name}"
    console.print(f"{card.name}: {told}; {computing:.1%} of the time went into computing", markup=False)
    for name, value in trainer.figures.items():
        console.print(f"  {name}: {value:g}", markup=False)
    if zoo != SHIPPED:
        console.print(f"EASEL_MODELS={zoo} easel up serves it", markup=False)


def _read(recipe: Recipe, group: Group, console: Console) -> Source:
    """The pictures; one process decodes them, and the others find them decoded."""
    from rich.progress import Progress

    from training import data

    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("decoding pictures", total=None, visible=False)

        def told(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, visible=True)

        found = data.load(recipe.data, told) if group.first else None
        group.wait()
        return found or data.load(recipe.data)


def _say_doubts(recipe: Recipe, source: Source, console: Console) -> None:
    """What is wrong with one's own pictures."""
    from training.data import listed
    from training.datasets.check import doubts
    from training.datasets.listing import TRAIN

    for file, why in source.broken.items():
        console.print(f"left out: {file}: {why}", markup=False)
    if recipe.data.path:
        _, splits = listed(recipe.data)
        for remark in (*splits[TRAIN].remarks, *doubts(splits)):
            console.print(f"note: {remark}", markup=False)


def _measure(
    recipe: Recipe,
    digest: str,
    source: Source,
    device: torch.device,
    group: Group,
    threads: int,
    models: Registry,
    console: Console,
) -> Choice | None:
    """What computes this quickest, measured and said; several processes share the cores and take what is usual."""
    import torch

    from models.model import Model, family_class
    from training import setting
    from training.trainer import Trainer

    if group.size > 1:
        torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // group.size))
        return None
    if family_class(recipe.family)[0].players is Model.players:
        return None  # it is fitted to all of its data at once
    trial = recipe.model_copy(update={"budget": recipe.budget.model_copy(update={"sheet_every": 10**9})})

    def make(run: Path, each: setting.Setting) -> Trainer:
        return Trainer(trial, digest, run, device, 10**9, setting=each, models=models, source=source)

    choice = setting.choose(make, recipe.budget, device, threads)
    for line in choice.told:
        console.print(f"measured: {line}", markup=False)
    console.print(f"chosen: {choice.setting}", markup=False)
    return choice


def _with_steps(recipe: Recipe, steps: int, file: Path, group: Group) -> tuple[Recipe, str]:
    """The recipe of a run on one's own pictures, with a budget that was measured; written, so that it goes on so."""
    from training import recipe as recipes
    from training.presets import for_steps

    if group.first:
        file.write_text(for_steps(recipe, steps).toml())
    group.wait()
    return recipes.load(str(file))


def _follow(trainer: Trainer, keep: int | None, zoo: Path, console: Console) -> None:
    """Trains to the end, with a bar that tells how far it is, how quick, and how it goes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name, batch = trainer.recipe.name, trainer.recipe.budget.batch
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    before, already = trainer.step, trainer.seconds
    try:
        with Progress(*columns, refresh_per_second=2, console=console) as progress:
            bar = progress.add_task(name, total=trainer.steps, completed=trainer.step, told="")
            for losses in trainer.train():
                quick = (trainer.step - before) * batch / max(trainer.seconds - already, 1e-9)
                values = "  ".join(f"{name} {value:.3g}" for name, value in {**losses, **trainer.figures}.items())
                progress.update(bar, completed=trainer.step, told=f"{quick:,.1f} pictures/s  {values}")
                if keep and trainer.step % keep == 0 and trainer.step < trainer.steps and trainer.group.first:
                    trainer.export(zoo, f"{name}-step-{trainer.step}")
    except KeyboardInterrupt:
        trainer.save()
        quit_with(f"stopped at step {trainer.step}; the same command goes on from here")
