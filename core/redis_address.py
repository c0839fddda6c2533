"""Where Redis is: the URLs that `EASEL_REDIS_URL` takes. Needs no Redis library, so that settings can check them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

SCHEMES = r"^(rediss?(\+sentinel)?|unix)://."
_SENTINEL = "+sentinel"
_SENTINEL_PORT = 26379
_OPTIONS = ("sentinel_username", "sentinel_password")
_TLS = {"ssl_ca_certs": "ca", "ssl_certfile": "cert", "ssl_keyfile": "key"}
"""redis-py's names of what a URL may say in its query, by the settings' names."""


@dataclass(frozen=True)
class SentinelAddress:
    """A primary by its name, and the Sentinels that know where it is.

    `url` is that of a Redis without host, with all else that a connection to the primary needs.
    """

    hosts: tuple[tuple[str, int], ...]
    name: str
    url: str
    tls: bool
    username: str | None = None
    password: str | None = None
    """The Sentinels' own."""


def sentinel_of(url: str) -> SentinelAddress | None:
    """What `redis+sentinel://[user:password@]host[:port],host[:port]/name[/db]` says; None of another URL.

    Raises:
        ValueError: a host or the primary's name is missing, or a port is no number.
    """
    parts = urlsplit(url)
    if not parts.scheme.endswith(_SENTINEL):
        return None
    login, at, hosts = parts.netloc.rpartition("@")
    name, _, db = parts.path.strip("/").partition("/")
    if not hosts or not name:
        raise ValueError("a Sentinel URL is redis+sentinel://HOST:26379,HOST:26379/NAME, with the name of the primary")
    query = {option: values[0] for option, values in parse_qs(parts.query).items()}
    own = {option: query.pop(option, None) for option in _OPTIONS}
    scheme = parts.scheme.removesuffix(_SENTINEL)
    return SentinelAddress(
        tuple(map(_host, hosts.split(","))),
        unquote(name),
        f"{scheme}://{login}{at}/{db}{_query(query)}",
        scheme == "rediss",
        own["sentinel_username"],
        own["sentinel_password"],
    )


def with_tls(url: str, ca: Path | None, cert: Path | None, key: Path | None) -> str:
    """The URL with the files of its TLS connections in the query, where it does not name others.

    Raises:
        ValueError: files are named, and the URL asks for no TLS.
    """
    files = {"ca": ca, "cert": cert, "key": key}
    told = {option: str(files[name]) for option, name in _TLS.items() if files[name]}
    if not told:
        return url
    parts = urlsplit(url)
    if not parts.scheme.startswith("rediss"):
        raise ValueError("certificates are for TLS, so EASEL_REDIS_URL has to begin with rediss://")
    query = told | {option: values[0] for option, values in parse_qs(parts.query).items()}
    return parts._replace(query=_query(query)[1:]).geturl()


def without_secrets(url: str) -> str:
    """The URL as it may be shown: without user and passwords."""
    parts = urlsplit(url)
    query = {option: values[0] for option, values in parse_qs(parts.query).items() if "password" not in option}
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=_query(query)[1:]).geturl()


def _host(text: str) -> tuple[str, int]:
    """Of `host`, `host:port`, `[::1]` or `[::1]:port`."""
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:\[\]]+)(?::(\d+))?", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no host of a Sentinel")
    return found[1] or found[3], int(found[2] or found[4] or _SENTINEL_PORT)


def _query(options: dict[str, str]) -> str:
    return "?" + "&".join(f"{name}={quote(value, safe='/')}" for name, value in options.items()) if options else ""
