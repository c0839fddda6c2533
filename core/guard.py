"""The one way out to addresses that callers name: no private network is reached, no redirect followed (SSRF, CWE-918).

A host is resolved once, its address is judged, and that very address is connected to, so that a name which resolves
differently the next moment gains nothing. `Host` and the TLS server name stay what the URL says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from socket import SOCK_STREAM
from urllib.parse import urlsplit

import httpcore

PORTS = frozenset({80, 443, 8080, 8443})
"""Where web servers listen; other ports of a public host may be something that was never meant to be sent HTTP."""
LONGEST_URL = 2048
TIMEOUT_S = 10.0


class Refused(ValueError):
    """An address that is not called. The message is in the caller's terms."""


class Unreachable(Exception):
    """Nobody answered in time, or not in HTTP. The message is in the caller's terms."""


@dataclass(frozen=True)
class Target:
    """A URL whose host was resolved and judged."""

    scheme: str
    host: str
    port: int
    path: str
    address: str

    @property
    def authority(self) -> str:
        """What belongs into the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Reply:
    """An answer. `body` has one byte more than was asked for if there was more to read."""

    status: int
    body: bytes


_DEFAULT_PORTS = {"http": 80, "https": 443}
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is assigned to the public internet (RFC 4291, 2.4). Mapped and NAT64 forms lie outside it."""
_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        ),
    )
)  # fmt: skip
"""IANA's special-purpose registries (RFC 6890 and its updates), whole: `ipaddress` has those of its Python's release,
without what can be reached from everywhere and is still nobody's web server, such as anycast relays."""


async def resolve(url: str, allow_private: bool = False) -> Target:
    """Judges a URL and resolves its host, within `TIMEOUT_S`.

    With `allow_private` any address and any port may be called; what is not a plain http(s) URL is refused even then.

    Raises:
        Refused: the URL is not one that is called.
    """
    scheme, host, port, path = _parts(url)
    if not allow_private and port not in PORTS:
        raise Refused(f"port {port} is not called; {', '.join(map(str, sorted(PORTS)))} are")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, TimeoutError):
        raise Refused("the host's name cannot be resolved") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(ip_address(address)) for address in addresses):
        raise Refused("the host is not on the public internet")
    return Target(scheme, host, port, path, addresses[0])


async def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
    *,
    allow_private: bool = False,
    max_bytes: int = 0,
) -> Reply:
    """One request and its answer, within `TIMEOUT_S` in all; of the body no more than `max_bytes` + 1 are kept.

    Raises:
        Refused: the URL is not one that is called.
        Unreachable: there was no answer.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            target = await resolve(url, allow_private)
            return await _exchange(method, target, headers, content, max_bytes)
    except (TimeoutError, httpcore.TimeoutException):
        raise Unreachable(f"no answer within {TIMEOUT_S:g} s") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise Unreachable(f"the connection failed: {error or type(error).__name__}") from None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is an ordinary one of the public internet.

    IPv6 forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are not: they would lead to it unjudged.
    """
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path with query. Raises `Refused` for anything but a plain http(s) URL."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Refused(f"not a URL of up to {LONGEST_URL} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise Refused("not an http:// or https:// URL")
    if "@" in parts.netloc:
        raise Refused("a URL with a user name or password is not called")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port, path


async def _exchange(
    method: str, target: Target, headers: Mapping[str, str], content: bytes | None, max_bytes: int
) -> Reply:
    url = httpcore.URL(scheme=target.scheme, host=target.address, port=target.port, target=target.path)
    async with (
        httpcore.AsyncConnectionPool(ssl_context=_trust()) as pool,
        pool.stream(
            method,
            url,
            headers={"Host": target.authority, "Connection": "close", **headers},
            content=content,
            extensions={"sni_hostname": target.host},
        ) as answer,
    ):
        body = bytearray()
        async for chunk in answer.aiter_stream():
            body += chunk
            if len(body) > max_bytes:
                break
        return Reply(answer.status, bytes(body[: max_bytes + 1]))


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """The certificates that this machine trusts; `SSL_CERT_FILE` names others."""
    return ssl.create_default_context()
