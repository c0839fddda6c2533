"""Around every request: an id, a log line, a metric, a bound on the body. Plain ASGI, so streams stay streams."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from secrets import token_hex
from types import MappingProxyType

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.errors import TooLarge, TooSlow, Unavailable, render
from app.http.page import policy
from app.monitoring.metrics import ApiMetrics
from core import audit, logs
from core.audit import Act, AuditLog

log = logs.get("app.requests")

CORS = {
    "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "allow_headers": (
        "Authorization", "Cancel-After", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer",
        "X-Request-Id", "traceparent",
    ),
    "expose_headers": (
        "Content-Location", "ETag", "Location", "Preference-Applied", "RateLimit-Limit", "RateLimit-Remaining",
        "RateLimit-Reset", "Retry-After", "Server-Timing", "X-Request-Id", "X-Seed",
    ),
}  # fmt: skip
"""What pages of the allowed origins may send and read. No credentials: a key travels in a header, never in a cookie."""

_CAUTIOUS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
"""Headers of every answer. No handler sets them, nor the others that `Observe` adds."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Observe:
    """Gives each request an id (the caller's `X-Request-Id` if that is plain), binds it to the logs, and counts it.

    The trace that a caller's `traceparent` names (W3C Trace Context) is in the logs too.

    What a request does that belongs in the audit log (`core.audit`) is there before the answer is.

    The answer carries what is put into `request.state.headers`, unless it says otherwise itself.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics, audit_log: AuditLog):
        self.app = app
        self.metrics = metrics
        self.audit_log = audit_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else token_hex(16)
        added: dict[str, str] = {}
        scope.setdefault("state", {}).update(request_id=request_id, headers=added)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        if trace := _TRACEPARENT.fullmatch(Headers(scope=scope).get("traceparent", "")):
            structlog.contextvars.bind_contextvars(trace=trace[1])
        started, status, acts = time.perf_counter(), 500, audit.collect()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if acts:
                    await self._record(acts, scope, status)
                always = [(b"x-request-id", request_id.encode()), *_CAUTIOUS]
                always.append((b"content-security-policy", policy(scope["path"])))
                message["headers"] = [*message["headers"], *always]
                if added:
                    headers = MutableHeaders(scope=message)
                    for name, value in added.items():
                        headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seconds = time.perf_counter() - started
            self.metrics.observe_request(scope["method"], route, status, seconds)
            quiet = route in ("/livez", "/readyz", "/metrics")
            log.log(
                10 if quiet else 20,
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 1),
            )

    async def _record(self, acts: list[Act], scope: Scope, status: int) -> None:
        """Writes what a request did into the audit log, and into the other one, which may be all that there is."""
        caller = scope["state"].get("caller")
        outcome = "done" if status < 400 else "refused" if status < 500 else "failed"
        who = {"by": "http", "key": caller.key.id if caller and caller.key else None}
        lines = [act.line(outcome, **who, request=scope["state"]["request_id"], status=status) for act in acts]
        for line in lines:
            log.info("audit", **{name: value for name, value in line.items() if name not in ("time", "request")})
        try:
            await asyncio.to_thread(self.audit_log.write, lines)
        except OSError as error:
            log.error("audit_not_written", file=str(self.audit_log.file), reason=str(error))


class Head:
    """Answers HEAD as GET, without the body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})

        await self.app({**scope, "method": "GET"}, receive, without_body)


LINGER_S, LINGER_BYTES = 10, 2**28
"""How long at most, and for how many bytes, the rest of a body that nobody reads is let come; never longer than a body
may take as a whole."""


class LimitBody:
    """Bounds bodies: each in size and in time, and all that are held at once in size.

    One that is too large is refused by `Content-Length` before a byte is read, or once the stream passes the bound.
    The bodies of some routes go to disk as they come: they are not held, have a bound of their own, and take as long as
    they like while something comes.

    What is still to come of a body that is not read any further is dropped for a while before the connection is given
    up: a client that sends all of its body before it listens would else see a reset, and not the answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        max_held: int,
        timeout_s: float,
        streamed: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ):
        """
        Args:
            streamed: how many bytes the bodies of such routes may have, by method and path.
        """
        self.app = app
        self.max_bytes = max_bytes
        self.streamed = streamed
        self.max_held = max_held
        self.timeout_s = timeout_s
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        streamed = self.streamed.get((scope["method"], scope["path"]))
        most = self.max_bytes if streamed is None else streamed
        received = held = 0
        more = declared not in ("", "0") or "transfer-encoding" in headers
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout_s

        async def bounded() -> Message:
            nonlocal received, held, more, deadline
            if not more:  # what is waited for now is the client's leaving, or word that there is no body
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                late = "did not arrive" if streamed is None else "stood still: nothing of it arrived"
                raise TooSlow(f"the request's body {late} within {self.timeout_s:g} s") from None
            more = message.get("more_body", False)
            size = len(message.get("body", b""))
            received += size
            if streamed is None:
                held += size
                self._held += size
            else:
                deadline = loop.time() + self.timeout_s
            if received > most:
                raise _too_large(most)
            if self._held > self.max_held:
                raise Unavailable("too many request bodies are being read at the moment", code="busy")
            return message

        async def lingering(message: Message) -> None:
            if message["type"] != "http.response.body" or message.get("more_body") or not more:
                await send(message)
                return
            await send({**message, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(loop.time() + LINGER_S, deadline)):
                    await _drop(receive, LINGER_BYTES)
            await send({"type": "http.response.body"})

        if declared.isdigit() and int(declared) > most:
            await render(Request(scope), _too_large(most))(scope, receive, lingering)
            return
        try:
            await self.app(scope, bounded, lingering)
        finally:
            self._held -= held


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the request body exceeds the limit of {most:,} bytes")


async def _drop(receive: Receive, most: int) -> None:
    """Reads what comes of a body, up to so many bytes, and keeps nothing of it."""
    dropped, more = 0, True
    while more and dropped < most:
        message = await receive()
        dropped += len(message.get("body", b""))
        more = message.get("more_body", False)
