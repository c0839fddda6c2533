"""For whoever reports a bug: what there is to know of this machine and this Easel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cli.common import AsJson, known_models, print_json, settings_or_quit

if TYPE_CHECKING:
    from core.settings import Settings

app = typer.Typer()

_PACKAGES = ("torch", "onnxruntime", "numpy", "pillow", "fastapi", "uvicorn", "redis", "rq", "pydantic")
_EXTRAS = {"c2pa": "c2pa-python", "heic": "pillow-heif", "mcp": "mcp", "metrics": "scikit-image"}
_SECRET = ("secret", "password", "token")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Print what a bug report needs: versions, devices, settings, models, and whether Redis and the API answer.

    Secrets are left out. Nothing is changed, and nothing is sent anywhere.
    """
    settings = settings_or_quit()
    found = {
        "easel": _release("easel"),
        "machine": _machine(),
        "packages": {name: _release(name) for name in _PACKAGES},
        "extras": {extra: _release(package) for extra, package in _EXTRAS.items()},
        "settings": _changed(settings),
        "models": _models(),
        "redis": _redis(settings),
        "api": _api(settings),
    }
    if as_json:
        print_json(found)
        return
    for heading, told in found.items():
        if not isinstance(told, dict):
            print(f"{heading}: {told}")
            continue
        print(f"{heading}:")
        for name, value in told.items():
            print(f"  {name}: {value}")


def _machine() -> dict[str, Any]:
    import os
    import platform
    import shutil

    import torch

    from models.onnx_runtime import no_gpu

    gpus = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "disk": f"{shutil.disk_usage('.').free / 2**30:.1f} GiB free",
        "gpus": ", ".join(gpus) or "none",
        **({"onnx graphs": f"on the CPU: {no_gpu()}" if no_gpu() else "on the GPU"} if gpus else {}),
    }


def _release(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _changed(settings: Settings) -> dict[str, Any]:
    """The settings that are not as they are by default, without what nobody else may know."""
    from core.redis_address import without_secrets

    changed = settings.model_dump(mode="json", exclude_defaults=True)
    for name in changed:
        if any(word in name for word in _SECRET):
            changed[name] = "set"
    if settings.redis_url:
        changed["redis_url"] = without_secrets(settings.redis_url)
    return changed


def _models() -> dict[str, Any]:
    models = known_models()
    broken = {str(folder): reason.splitlines()[0] for folder, reason in models.broken.items()}
    return {"served": len(models.served()), **broken}


def _redis(settings: Settings) -> str:
    from redis.exceptions import RedisError

    from core.embedded_redis import EmbeddedRedis
    from core.redis_connections import connect

    url = settings.redis if settings.redis_url else EmbeddedRedis(settings.redis_folder).url
    try:
        with connect(url, timeout_s=2) as connection:
            return f"{connection.info('server')['redis_version']} answers"
    except RedisError as error:
        return f"does not answer: {error}"


def _api(settings: Settings) -> str:
    import urllib.error
    import urllib.request

    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    url = f"http://{host}:{settings.port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except OSError as error:
        return f"{url} does not answer: {error}"
