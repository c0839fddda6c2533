"""What the commands share: this process's settings, and how a command ends that cannot go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from core.settings import Settings


def settings_or_quit() -> Settings:
    """This process's settings, or the end of it with a word on each that is wrong."""
    from pydantic import ValidationError

    from core.settings import get_settings

    try:
        return get_settings()
    except ValidationError as error:
        wrong = [f"EASEL_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        quit_with("\n".join(wrong))


def require_redis(settings: Settings) -> None:
    if settings.redis_url is None:
        quit_with("EASEL_REDIS_URL is not set; name a Redis, or run `easel up`, which starts one")


def quit_with(message: str) -> NoReturn:
    typer.secho(message, fg="red", err=True)
    sys.stdout.flush()
    raise typer.Exit(1)
