"""The `easel` command. Each subcommand imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import bulk, client, data, doctor, graphs, keys, make, models, serve, train

app = typer.Typer(
    name="easel",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Easel: pictures from generative models that you run yourself.\n\n"
    "Start with [bold]easel up[/bold], then open http://127.0.0.1:8000. "
    "Settings are EASEL_* environment variables; the README lists them.",
    rich_markup_mode="rich",
)
for commands in (serve, client, bulk, train, make, graphs, doctor):
    app.add_typer(commands.app)
app.add_typer(keys.app, name="keys")
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"easel {version('easel')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="which Easel this is")
    ] = False,
) -> None:
    """What goes before a command."""


def main() -> None:
    """Entry point of the console script."""
    app()
