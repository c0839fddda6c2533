"""For operators: run Easel, whole or in parts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import audited, quit_with, require_redis, settings_or_quit
from cli.keys import require_key
from core.parts import Part

if TYPE_CHECKING:
    from core.settings import Settings

app = typer.Typer()


@app.command()
def up(
    parts: Annotated[
        list[Part] | None, typer.Argument(help="what to start; without it everything, and Redis", show_default=False)
    ] = None,
) -> None:
    """Start everything: Redis (unless EASEL_REDIS_URL names one), the API, the workers, the webhooks' deliverer."""
    from core import logs
    from core.supervisor import Supervisor
    from models.registry import Registry

    settings = settings_or_quit()
    logs.configure(settings)
    _require_store(settings)
    if not parts or Part.API in parts:
        _require_signer(settings)
        _require_audit_log(settings)

    def longest_batch_s() -> float:
        served = Registry.with_shipped(settings.models).served()
        return max((entry.card.serving.timeout_s for entry in served), default=0)

    def announce() -> None:
        if parts and Part.API not in parts:
            print(f"\nEasel's {' and '.join(parts)} run. Ctrl-C stops them.\n", flush=True)
            return
        address = f"http://{settings.host}:{settings.port}"
        address = settings.home or address
        print(f"\nEasel is ready: {address} (try {address}/docs). Ctrl-C stops it.\n", flush=True)

    try:
        supervisor = Supervisor(settings, [sys.executable, "-m", "cli"], longest_batch_s, parts or ())
        supervisor.run(lambda url: _require_usable(settings, url), announce)
    except RuntimeError as error:
        quit_with(str(error))


@app.command()
def api() -> None:
    """Run the HTTP API alone. Needs EASEL_REDIS_URL."""
    import uvicorn

    settings = settings_or_quit()
    require_redis(settings)
    _require_signer(settings)
    _require_store(settings)
    _require_audit_log(settings)
    from app.http.connection_limits import BoundedProtocol
    from core.ports import listen

    try:
        _require_usable(settings, settings.redis)
        sockets = [listen(settings.host, settings.port, "EASEL_PORT", settings.share_port)]
    except RuntimeError as error:
        quit_with(str(error))
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=30,
    )
    server = uvicorn.Server(config)
    server.run(sockets)
    if not server.started:
        raise typer.Exit(3)


def _require_signer(settings: Settings) -> None:
    """Keeps a command from serving unsigned what is to be signed."""
    from app.predictions.signing import signer_of
    from pictures.content_credentials import Unsigned

    try:
        signer_of(settings)
    except Unsigned as error:
        quit_with(str(error))


def _require_audit_log(settings: Settings) -> None:
    """Refuses an audit log that was asked for and cannot be written."""
    from core.audit import AuditLog

    try:
        if settings.audit_log:
            AuditLog(settings.audit_log).write([])
    except OSError as error:
        quit_with(f"EASEL_AUDIT_LOG cannot be written: {error}")


def _require_store(settings: Settings) -> None:
    """Refuses a store that cannot be one. Whether it can be reached shows when it is needed."""
    from core.object_store import ObjectStore

    try:
        if settings.store:
            ObjectStore(settings.store)
    except RuntimeError as error:
        quit_with(str(error))


@app.command()
def worker() -> None:
    """Run one worker alone: it holds models and answers predictions. Needs EASEL_REDIS_URL."""
    settings = settings_or_quit()
    require_redis(settings)
    _require_store(settings)
    from core.ports import require_free_port
    from workers.worker import run

    try:
        _require_readable_redis(settings.redis)
        if port := settings.worker_metrics_port:
            require_free_port(settings.host, port, "EASEL_WORKER_METRICS_PORT")
    except RuntimeError as error:
        quit_with(str(error))
    run(settings)


@app.command()
def deliver() -> None:
    """Run the process that delivers webhooks alone. Needs EASEL_REDIS_URL."""
    settings = settings_or_quit()
    require_redis(settings)
    from workers.deliverer import run

    try:
        _require_readable_redis(settings.redis)
    except RuntimeError as error:
        quit_with(str(error))
    run(settings)


@app.command()
def webhook_secret(
    key: Annotated[str, typer.Argument(help="id of the key that asks for the webhooks, which has its own")] = "",
) -> None:
    """Show what webhooks are signed with, for whoever receives them. Keep it as you would a password."""
    from redis.exceptions import RedisError

    from core.embedded_redis import EmbeddedRedis
    from core.redis_connections import connect
    from jobs.keys import API_KEYS
    from workers.deliverer import secret

    settings = settings_or_quit()
    url = settings.redis if settings.redis_url else EmbeddedRedis(settings.redis_folder).url
    try:
        with audited("webhook_secret.read", key), connect(url) as connection:
            if key and not connection.hexists(API_KEYS, key):
                quit_with(f"there is no key {key}; `easel keys list` shows those there are")
            print(secret(connection, settings, key))
    except RedisError as error:
        quit_with(f"Redis cannot be reached: {error}; it runs while `easel up` does")


def _require_usable(settings: Settings, redis_url: str) -> None:
    """Raises `RuntimeError` if what is in Redis cannot be read, or nobody could ask for anything."""
    _require_readable_redis(redis_url)
    require_key(settings, redis_url)


def _require_readable_redis(redis_url: str) -> None:
    """That Easel can work with this Redis and reads what is there. One that does not answer yet is no obstacle."""
    from contextlib import suppress

    from redis.exceptions import RedisError

    from core.redis_connections import connect, require_suitable
    from jobs.stored_format import require_format

    with suppress(RedisError), connect(redis_url) as redis:
        require_suitable(redis)
        require_format(redis)
