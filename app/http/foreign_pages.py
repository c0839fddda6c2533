"""What a page in the user's browser may not do: call an open server under a name of its own, or change anything from
another site. What is no browser sends no such headers, and goes on."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.errors import Forbidden, render

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""


class RefuseForeignPages:
    """Judges `Host` where access is open, and `Sec-Fetch-Site` or `Origin` of all that changes state.

    A page whose name is made to resolve to this machine (DNS rebinding) is of one site with the server, and needs no
    key where none is asked for; its name betrays it.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] | None, origins: Collection[str]):
        """
        Args:
            names: by which the server may be called besides addresses, `localhost` and names without a dot; None: by
                any.
            origins: whose pages may do what pages of the server itself may.
        """
        self.app = app
        self.names = None if names is None else frozenset(map(str.lower, names))
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._foreign_name(headers) or self._cross_site(scope["method"], headers):
            await render(Request(scope), problem)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _foreign_name(self, headers: Headers) -> Forbidden | None:
        if self.names is None or all(map(self._is_ours, headers.getlist("host"))):
            return None
        return Forbidden(
            "without keys this server answers to addresses, to localhost and to the names in EASEL_SERVER_NAMES alone",
            code="foreign_host",
        )

    def _is_ours(self, authority: str) -> bool:
        host = _host(authority)
        if host is None:
            return False
        local = "." not in host or host.endswith(".localhost")
        return local or _is_address(host) or host in (self.names or ())

    def _cross_site(self, method: str, headers: Headers) -> Forbidden | None:
        """Of a request that a page of another site sent. `same-site` is another, too: any port of this machine is."""
        origin = headers.get("origin")
        if method in _SAFE or origin in self.origins:
            return None
        if site := headers.get("sec-fetch-site"):
            ours = site in ("same-origin", "none")
        else:
            ours = origin is None or _authority(origin) == headers.get("host", "").lower()
        if ours:
            return None
        return Forbidden(
            "pages of other sites may change nothing here; EASEL_CORS_ORIGINS names those that may", code="cross_site"
        )


def _host(authority: str) -> str | None:
    """The name or address of an authority, without its port and without a name's last dot; None of what is none."""
    try:
        host = urlsplit(f"//{authority}").hostname
    except ValueError:
        return None
    return host.removesuffix(".") if host else None


def _authority(origin: str) -> str | None:
    """Host and port of an origin; None of `null`."""
    try:
        return urlsplit(origin.lower()).netloc or None
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
