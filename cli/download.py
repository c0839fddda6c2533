"""For those who make models: data to train on."""

from __future__ import annotations

import typer

from cli.common import quit_with

app = typer.Typer(no_args_is_help=True, help="Data to train on.")


@app.callback()
def _commands() -> None:
    """Makes `mnist` a subcommand, though it is the only one."""


@app.command()
def mnist() -> None:
    """Fetch MNIST into the folder that EASEL_DATASETS names, or `data`. docs/data.md tells how to get other sets."""
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from training import data, download

    target = data.folder() / "mnist.zip"
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
