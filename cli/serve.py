"""For operators: run Easel, whole or in parts, and see what it serves."""

from __future__ import annotations

import sys

import typer

from cli.common import quit_with, require_redis, settings_or_quit
from cli.keys import require_key

app = typer.Typer()


@app.command()
def up() -> None:
    """Start everything: Redis (unless EASEL_REDIS_URL names one), the API, the workers, the webhooks' deliverer."""
    from core import logs
    from core.supervisor import Supervisor

    settings = settings_or_quit()
    logs.configure(settings)

    def announce() -> None:
        address = f"http://{settings.host}:{settings.port}"
        print(f"\nEasel is ready: {address} (try {address}/docs). Ctrl-C stops it.\n", flush=True)

    try:
        Supervisor(settings, [sys.executable, "-m", "cli"]).run(lambda url: require_key(settings, url), announce)
    except RuntimeError as error:
        quit_with(str(error))


@app.command()
def api() -> None:
    """Run the HTTP API alone. Needs EASEL_REDIS_URL."""
    import uvicorn

    settings = settings_or_quit()
    require_redis(settings)
    from app.http.connection_limits import BoundedProtocol

    try:
        require_key(settings, settings.redis)
    except RuntimeError as error:
        quit_with(str(error))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=30,
    )


@app.command()
def worker() -> None:
    """Run one worker alone: it holds models and answers predictions. Needs EASEL_REDIS_URL."""
    settings = settings_or_quit()
    require_redis(settings)
    from workers.worker import run

    run(settings)


@app.command()
def deliver() -> None:
    """Run the process that delivers webhooks alone. Needs EASEL_REDIS_URL."""
    settings = settings_or_quit()
    require_redis(settings)
    from workers.deliverer import run

    run(settings)


@app.command()
def webhook_secret() -> None:
    """Show what webhooks are signed with, for whoever receives them. Keep it as you would a password."""
    from redis import Redis
    from redis.exceptions import RedisError

    from core.embedded_redis import EmbeddedRedis
    from workers.deliverer import secret

    settings = settings_or_quit()
    url = settings.redis_url or EmbeddedRedis(settings.data_dir / "redis").url
    try:
        with Redis.from_url(url) as connection:
            print(secret(connection, settings))
    except RedisError as error:
        quit_with(f"Redis cannot be reached: {error}; it runs while `easel up` does")
