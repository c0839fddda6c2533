"""The `easel` command. Each subcommand imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import typer

from cli import client, keys, make, models, serve

app = typer.Typer(
    name="easel",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Easel: pictures from generative models that you run yourself.\n\n"
    "Start with [bold]easel up[/bold], then open http://127.0.0.1:8000. "
    "Settings are EASEL_* environment variables; the README lists them.",
    rich_markup_mode="rich",
)
for commands in (serve, client, make):
    app.add_typer(commands.app)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")


def main() -> None:
    """Entry point of the console script."""
    app()
