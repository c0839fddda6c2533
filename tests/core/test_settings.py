"""Settings from the environment."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings

README = Path(__file__).parents[2] / "README.md"


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("EASEL_PORT", "9000")
    monkeypatch.setenv("EASEL_MODELS", "/a:/b")
    monkeypatch.setenv("EASEL_PRELOAD", "mnist-dcgan, mnist-vae")
    settings = Settings()
    assert settings.port == 9000
    assert settings.models == (Path("/a"), Path("/b"))
    assert settings.preload == ("mnist-dcgan", "mnist-vae")


@pytest.mark.parametrize(("name", "value"), [("PORT", "0"), ("MAX_QUEUE", "-1"), ("LOG_LEVEL", "loud")])
def test_a_bad_value_is_refused_at_the_start(monkeypatch, name, value):
    monkeypatch.setenv(f"EASEL_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_cores_are_shared_among_the_workers(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert Settings(workers=4).worker_threads == 2
    assert Settings(workers=20).worker_threads == 1
    assert Settings(workers=4, threads=3).worker_threads == 3


def test_without_a_redis_the_message_says_what_to_do():
    with pytest.raises(RuntimeError, match="EASEL_REDIS_URL"):
        _ = Settings().redis


def test_the_readme_lists_every_setting_with_its_default():
    rows = dict(re.findall(r"^\| `EASEL_(\w+)` \| `?([^`|]+?)`? \|", README.read_text(), re.M))
    told = {None: "none", (): "none"}
    defaults = {
        name.upper(): told.get(field.default, str(field.default)) for name, field in Settings.model_fields.items()
    }
    assert rows == defaults | {"THREADS": "its share of the cores"}
