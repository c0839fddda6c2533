"""What the commands share: settings, names of models, and how a command tells what it found or ends."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

if TYPE_CHECKING:
    from core.audit import Act, Outcome
    from core.settings import Settings
    from models.registry import Registry

AsJson = Annotated[bool, typer.Option("--json", help="tell it as JSON, for programs")]


def settings_or_quit() -> Settings:
    """This process's settings, or the end of it with a word on each that is wrong."""
    from pydantic import ValidationError

    from core.settings import get_settings

    try:
        return get_settings()
    except ValidationError as error:
        wrong = [
            ": ".join([*(f"EASEL_{str(name).upper()}" for name in item["loc"][:1]), item["msg"]])
            for item in error.errors()
        ]
        quit_with("\n".join(wrong))


def known_models() -> Registry:
    """The models of EASEL_MODELS and those that are shipped. Says so of each folder that is missing."""
    from models.registry import Registry

    folders = settings_or_quit().models
    for folder in folders:
        if not folder.is_dir():
            complain(f"EASEL_MODELS: there is no folder {folder}")
    return Registry.with_shipped(folders)


def models_that(*tasks: str) -> Callable[[str], list[str]]:
    """A shell's completion of the names of models that offer one of the tasks, or of all models."""

    def complete(begun: str) -> list[str]:
        cards = [entry.card for entry in known_models() if entry.card.name.startswith(begun)]
        return [card.name for card in cards if not tasks or set(tasks) & set(card.tasks)]

    return complete


def require_redis(settings: Settings) -> None:
    if settings.redis_url is None:
        quit_with("EASEL_REDIS_URL is not set; name a Redis, or run `easel up`, which starts one")


@contextmanager
def audited(action: str, object: str = "") -> Iterator[Act]:
    """Has what is done meanwhile in the audit log, with how it ended. What the log does not take is said."""
    from core.audit import Act, AuditLog

    act, outcome = Act(action, object), cast("Outcome", "failed")
    try:
        yield act
        outcome = "done"
    except typer.Exit:
        outcome = "refused"
        raise
    finally:
        log = AuditLog(settings_or_quit().audit_file)
        try:
            log.write([act.line(outcome, by="cli", user=_user())])
        except OSError as error:
            complain(f"this is not in the audit log {log.file}: {error}")


def _user() -> str:
    """Who runs the command, by the name that the system has for them or else by its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def print_json(found: Any) -> None:
    """For programs. Dates and paths are told as text."""
    print(json.dumps(found, indent=2, default=str))


def complain(message: str) -> None:
    typer.secho(message, fg="red", err=True)


def quit_with(message: str) -> NoReturn:
    complain(message)
    sys.stdout.flush()
    raise typer.Exit(1)
