"""Traces for OpenTelemetry, where the extra `traces` is installed and the standard `OTEL_*` variables ask for them.

Where they are off, which is how Easel comes, each place that could begin a span looks at whether there is a tracer, and
no more; OpenTelemetry is not even imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING

from core import logs

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

log = logs.get(__name__)

FIELDS = ("traceparent", "tracestate")
"""How a trace is named to another process (W3C Trace Context): headers of HTTP, and fields of a job."""

_PROTOCOLS = ("", "http/protobuf")

_tracer: Tracer | None = None
_NOTHING: AbstractContextManager[None] = nullcontext()


def configure(service: str) -> None:
    """Begins to send traces, if the environment asks for them. What is in their way is logged and stops nothing.

    Args:
        service: what this process is called in them, where neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES`
            says it.
    """
    if not _wanted():
        return
    protocol = _variable("PROTOCOL")
    if protocol not in _PROTOCOLS:
        log.error("traces_off", reason=f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; Easel sends http/protobuf")
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.error("traces_off", reason="OTEL_* variables ask for traces, which need `pip install 'easel[traces]'`")
        return
    resource = Resource.create({"service.version": version("easel")})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    try:
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        log.error("traces_off", reason=f"an OTEL_* variable cannot be read: {error}")
        return
    use(provider)
    log.info("traces_on", service=str(resource.attributes[SERVICE_NAME]))


def use(provider: TracerProvider | None) -> None:
    """Hands the spans of this process to a provider from now on; to none, and traces are off."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("easel", version("easel"))


def tracer() -> Tracer | None:
    """What begins spans; None where traces are off."""
    return _tracer


def span(name: str) -> AbstractContextManager[Span | None]:
    """A stage of the work in hand, to be used with `with`: part of the span that is current there."""
    return _NOTHING if _tracer is None else _tracer.start_as_current_span(name)


@contextmanager
def handing_on(tracer: Tracer, name: str, **attributes: str) -> Iterator[dict[str, str]]:
    """A stage whose work goes on in another process: the fields by which that one finds the trace, none of a trace that
    is not sampled."""
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    with tracer.start_as_current_span(name, kind=SpanKind.PRODUCER, attributes=attributes) as span:
        fields: dict[str, str] = {}
        if span.get_span_context().trace_flags.sampled:
            TraceContextTextMapPropagator().inject(fields)
        yield fields


def context_of(fields: Mapping[str, str]) -> Context:
    """The trace that `FIELDS` name, to begin spans in; an empty one if they name none that is well-formed."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(dict(fields), Context())


def _wanted() -> bool:
    """Whether the environment asks for traces: by an exporter, or by the address of a collector."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if exporter not in ("", "otlp", "none"):
        log.error("traces_off", reason=f"OTEL_TRACES_EXPORTER is {exporter}; Easel knows otlp and none")
        return False
    return exporter == "otlp" or (exporter == "" and bool(_variable("ENDPOINT")))


def _variable(name: str) -> str:
    """Of the exporter: what is said of traces, or else of all that is exported."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")
