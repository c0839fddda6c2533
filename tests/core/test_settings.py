"""Settings from the environment."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.redis_address import SentinelAddress, sentinel_of, without_secrets
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


@pytest.mark.parametrize(
    "url", ["redis+sentinel://a:1,b:2", "redis+sentinel://a:1,b:x/easel", "redis+sentinel:///easel", "http://a"]
)
def test_a_url_that_names_no_redis_is_refused_at_the_start(url):
    with pytest.raises(ValidationError):
        Settings(redis_url=url)


def test_certificates_need_tls():
    for url in (None, "redis://a", "redis+sentinel://a/easel"):
        with pytest.raises(ValidationError, match="EASEL_REDIS"):
            Settings(redis_url=url, redis_ca="ca.pem")
    told = Settings(redis_url="rediss://a:1/0?ssl_ca_certs=/b", redis_ca="/ca", redis_cert="/c d", redis_key="/k").redis
    assert told == "rediss://a:1/0?ssl_ca_certs=/b&ssl_certfile=/c%20d&ssl_keyfile=/k"


def test_a_sentinel_url_names_hosts_primary_and_both_logins():
    url = "rediss+sentinel://u:p%40@a,[::1]:7/easel/3?sentinel_password=s%2F&ssl_ca_certs=/ca"
    assert sentinel_of(url) == SentinelAddress(
        (("a", 26379), ("::1", 7)), "easel", "rediss://u:p%40@/3?ssl_ca_certs=/ca", True, None, "s/"
    )
    assert without_secrets(url) == "rediss+sentinel://a,[::1]:7/easel/3?ssl_ca_certs=/ca"
    assert sentinel_of("redis://a") is None
