"""For operators: API keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.common import AsJson, audited, print_json, quit_with, settings_or_quit

if TYPE_CHECKING:
    from app.access.keys import Keys
    from app.schemas.keys import Scope
    from core.settings import Settings

Found = TypeVar("Found")

_NO_KEY = "there is no key {}; `easel keys list` shows those there are"

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys, and tell what they have had, "
    "in the Redis that EASEL_REDIS_URL names or else in that of `easel up`.",
)


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="whom or what the key is for")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="predict: ask for pictures; priority: with high priority, too; read: models, queues and metrics; "
            "admin: all. Can be repeated"
        ),
    ] = None,
    rate: Annotated[str | None, typer.Option(help="requests for predictions, for example 60/minute")] = None,
    outstanding: Annotated[int | None, typer.Option(help="predictions that may be unfinished")] = None,
    daily: Annotated[int | None, typer.Option(help="images in 24 hours")] = None,
) -> None:
    """Make a key and print its token, this once: easel keys create gallery --rate 60/minute"""
    from pydantic import ValidationError

    scopes = [_scope(each) for each in scope or ["predict"]]
    with audited("key.create") as act:
        act.details |= {"name": name, "scopes": sorted(scopes)}
        try:
            key, token = _with_keys(lambda kept: kept.create(name, scopes, rate, outstanding, daily))
        except ValidationError as error:
            quit_with("\n".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors()))
        act.object = key.id
    typer.echo(f"{key.id} ({', '.join(sorted(key.scopes))}) for {key.name}. The token is shown only now:", err=True)
    print(token)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys. A limit that is not shown is the default of the settings."""
    from rich.console import Console
    from rich.table import Column, Table

    kept = _with_keys(lambda kept: kept.all())
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"digest"}) for key in kept])
        return
    table = Table(Column("id", no_wrap=True), "name", "scopes", "rate", "outstanding", "daily", "created")
    for key in kept:
        limits = [str(limit or "") for limit in (key.rate, key.outstanding, key.daily)]
        table.add_row(key.id, key.name, ", ".join(sorted(key.scopes)), *limits, f"{key.created_at:%Y-%m-%d %H:%M}")
    Console().print(table)


@app.command("grant")
def grant_scope(
    id: Annotated[str, typer.Argument(help="as `easel keys list` shows it")],
    scope: Annotated[str, typer.Argument(help="as `easel keys create --scope` takes it")],
) -> None:
    """Give a key one more scope, from the next request on: easel keys grant 0b7ad439d156 priority"""
    granted = _scope(scope)
    with audited("key.grant", id) as act:
        act.details["scope"] = granted
        key = _with_keys(lambda kept: kept.grant(id, granted))
        if key is None:
            quit_with(_NO_KEY.format(id))
    print(f"{id} has {', '.join(sorted(key.scopes))}")


@app.command("revoke")
def revoke_key(id: Annotated[str, typer.Argument(help="as `easel keys list` shows it")]) -> None:
    """Revoke a key, from the next request on; what it asked for is canceled, and streams that it watches end.

    What it made stays until it expires, for admins to see.
    """
    with audited("key.revoke", id) as act:
        canceled = _at_redis(lambda url: _revoke(settings_or_quit(), url, id))
        if canceled is None:
            quit_with(_NO_KEY.format(id))
        act.details["canceled"] = canceled
    print(f"{id} is revoked; {canceled} of its predictions are canceled")


@app.command("usage")
def tell_usage(
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the first day (UTC)")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the last day (UTC)")] = None,
    key: Annotated[str | None, typer.Option(help="of this key alone, by its id")] = None,
) -> None:
    """What keys have had on each day, as JSON lines, as far as Redis has it: easel keys usage --since 2026-11-01

    The files in EASEL_USAGE_DIR have the same, and older days.
    """
    from app.monitoring.usage_files import read
    from jobs.usage import kept_days

    days = [
        day
        for day in kept_days(datetime.now(UTC).date())
        if (since is None or day >= since.date()) and (until is None or day <= until.date())
    ]
    for row in _with_keys(lambda kept: read(kept.redis, days)):
        if key in (None, row.key):
            print(row.model_dump_json())


def _scope(name: str) -> Scope:
    """The scope of a name; without one, the end of the command."""
    from app.schemas.keys import Scope

    try:
        return Scope(name)
    except ValueError:
        quit_with(f"scopes: one of {', '.join(Scope)}")


def _revoke(settings: Settings, url: str, id: str) -> int | None:
    """How many predictions of the key were canceled; None if there is no such key."""
    import asyncio

    from app.predictions.store import Store
    from core.pools import Pools

    async def cancel() -> int:
        store = Store(url, settings.result_ttl_s, Pools(settings.pools))
        try:
            return await store.cancel_all_of(id)
        finally:
            await store.close()

    return asyncio.run(cancel()) if ask_keys(url, lambda kept: kept.revoke(id)) else None


def _with_keys(act: Callable[[Keys], Awaitable[Found]]) -> Found:
    """What `act` makes of the keys."""
    return _at_redis(lambda url: ask_keys(url, act))


def _at_redis(act: Callable[[str], Found]) -> Found:
    """What `act` makes of the Redis at a URL; without one, the end of the command."""
    from contextlib import nullcontext

    from redis.exceptions import RedisError

    from core.embedded_redis import EmbeddedRedis

    settings = settings_or_quit()
    own = EmbeddedRedis(settings.redis_folder, settings.redis_memory_mb)
    place = nullcontext(settings.redis) if settings.redis_url else own.visited()
    try:
        with place as url:
            return act(url)
    except (RuntimeError, RedisError) as error:
        quit_with(str(error))


def ask_keys(url: str, act: Callable[[Keys], Awaitable[Found]]) -> Found:
    import asyncio

    from app.access.keys import Keys

    async def run() -> Found:
        async with Keys.at(url, settings_or_quit().redis_replicas) as kept:
            return await act(kept)

    return asyncio.run(run())


def require_key(settings: Settings, redis_url: str) -> None:
    """Keeps a command from serving a network on which nobody could ask for anything.

    A Redis that does not answer yet is no obstacle: until it does, nobody gets in either.

    Raises:
        RuntimeError: requests would need a key, and there is none.
    """
    from redis.exceptions import RedisError

    if settings.open_access or settings.on_loopback:
        return
    try:
        if ask_keys(redis_url, lambda kept: kept.any()):
            return
    except RedisError:
        return
    raise RuntimeError(
        f"{settings.host} can be reached from other machines, so requests need an API key, and there is none: make one "
        "with `easel keys create NAME`, or set EASEL_AUTH=open to let everybody in"
    )
