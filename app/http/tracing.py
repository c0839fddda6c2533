"""The span of a request, where traces are on: it continues the trace that a caller's `traceparent` names."""

from __future__ import annotations

import structlog
from opentelemetry.trace import SpanKind, StatusCode, Tracer, format_trace_id
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import tracing

_UNTRACED = ("/livez", "/readyz", "/metrics")
"""What is asked every few seconds by those who watch."""


class Trace:
    """Gives each request a span, named by its route, and its trace id to the logs."""

    def __init__(self, app: ASGIApp, tracer: Tracer):
        self.app, self.tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = {name: headers[name] for name in tracing.FIELDS if name in headers}
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"]
        about = {"http.request.method": method, "url.path": scope["path"], "url.scheme": scope["scheme"]}
        with self.tracer.start_as_current_span(
            method, tracing.context_of(given), SpanKind.SERVER, {**about, "easel.request": scope["state"]["request_id"]}
        ) as span:
            structlog.contextvars.bind_contextvars(trace=format_trace_id(span.get_span_context().trace_id))
            try:
                await self.app(scope, receive, noting)
            finally:
                if route := getattr(scope.get("route"), "path", None):
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
