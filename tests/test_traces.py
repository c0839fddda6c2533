"""Traces, as a collector gets them: of real processes by OTLP, and of threads from memory."""

import sys
import time
from itertools import pairwise
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from core import tracing
from core.settings import Settings
from jobs import keys
from models.card import Serving
from tests import zoo
from tests.conftest import png
from tests.in_process import listening as api
from tests.in_process import working
from tests.receiver import listening

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "rojo=1"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
AWAY = "http://127.0.0.1:9"
DRAW = "/v1/sample/toy-dcgan?seed=1"


@pytest.fixture
def spans():
    """What this process has traced, by name, from memory."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)

    def wait_for(name, count=1):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [span for span in exporter.get_finished_spans() if span.name == name]
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError([span.name for span in exporter.get_finished_spans()])

    yield SimpleNamespace(wait_for=wait_for, all=exporter.get_finished_spans)
    tracing.use(None)


@pytest.fixture
def told(monkeypatch):
    """Why traces are off, as the log has it."""
    reasons = []
    monkeypatch.setattr(tracing.log, "error", lambda event, reason: reasons.append(reason), raising=False)
    return reasons


def accepting(redis_url, models, folder):
    """Settings of an API that takes predictions while there is no worker, and of the worker."""
    return Settings(
        redis_url=redis_url, models=str(models), auth="open", threads=1, accept_without_workers=True, data_dir=folder
    )


def exported(receiver):
    """The spans that a collector has got, by the service that sent them."""
    found = {}
    for each in list(receiver.received):
        assert each.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(each.body).resource_spans:
            named = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            for scope in resource.scope_spans:
                found.setdefault(named["service.name"], []).extend(scope.spans)
    return found


def test_one_trace_goes_from_a_callers_span_through_api_queue_and_worker(start_easel, monkeypatch):
    with listening() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        easel = start_easel()
        answer = httpx.post(easel.url + DRAW, headers=SAMPLED, timeout=60)
        assert answer.status_code == 200
        httpx.get(f"{easel.url}/livez")
        assert easel.stop() == 0, "what is left to send is sent on the way out"
        found = exported(receiver)
    ours = {
        service: {span.name: span for span in spans if span.trace_id.hex() == TRACE} for service, spans in found.items()
    }
    api, worker = ours["easel-api"], ours["easel-worker"]
    assert set(api) == {"POST /v1/sample/{model}", "enqueue"}
    assert set(worker) == {"queue", "batch", "predict", "load", "forward", "encode", "store"}
    assert not [span for span in found["easel-api"] if "livez" in span.name]
    request, enqueue, predict = api["POST /v1/sample/{model}"], api["enqueue"], worker["predict"]
    assert request.parent_span_id.hex() == PARENT
    assert enqueue.parent_span_id == request.span_id
    assert {worker[name].parent_span_id for name in ("queue", "batch", "predict")} == {enqueue.span_id}
    assert {worker[name].parent_span_id for name in ("load", "forward", "encode", "store")} == {predict.span_id}
    assert [link.span_id for link in worker["batch"].links] == [enqueue.span_id]
    assert [link.span_id for link in predict.links] == [worker["batch"].span_id]
    assert {each.trace_state for each in (request, enqueue, predict)} == {"rojo=1"}
    told = {attribute.key: attribute.value for attribute in request.attributes}
    assert told["http.response.status_code"].int_value == 200
    assert told["easel.request"].string_value == answer.headers["x-request-id"]
    order = [worker[name] for name in ("queue", "load", "forward", "encode", "store")]
    assert all(one.start_time_unix_nano <= one.end_time_unix_nano for one in order)
    for one, next_ in pairwise(order):
        assert one.end_time_unix_nano <= next_.start_time_unix_nano + 1_000_000, (one.name, next_.name)
    assert TRACE in easel.log.read_text(), "the log of the request has it"


def test_a_batch_links_to_its_requests_and_each_has_its_own_stages(spans, redis_url, redis, tmp_path):
    zoo.make(tmp_path, "toy-dcgan", Serving(max_batch=8))
    settings = Settings(
        redis_url=redis_url,
        models=str(tmp_path),
        auth="open",
        threads=1,
        accept_without_workers=True,
        data_dir=tmp_path,
    )
    with api(settings) as url:
        body = {"model": "toy-dcgan", "input": {"seed": 1}}
        made = [httpx.post(f"{url}/v1/predictions", json=body).json()["id"] for _ in range(3)]
        silent = httpx.post(f"{url}/v1/predictions", json=body, headers=UNSAMPLED).json()["id"]
        assert set(redis.hkeys(keys.job_key(made[0]))) - set(redis.hkeys(keys.job_key(silent))) == {b"traceparent"}
        enqueued = {span.attributes["easel.prediction"]: span.context for span in spans.wait_for("enqueue", 3)}
        with working(settings):
            predicts = spans.wait_for("predict", 3)
            (batch,) = spans.wait_for("batch")
    assert {each.attributes["easel.prediction"]: each.context.trace_id for each in predicts} == {
        id: enqueued[id].trace_id for id in made
    }
    assert len({each.context.trace_id for each in predicts}) == 3
    assert [link.context.span_id for link in batch.links] == [enqueued[id].span_id for id in made]
    assert batch.attributes["messaging.batch.message_count"] == 4
    assert all([link.context for link in each.links] == [batch.context] for each in predicts)
    traces = {each.trace_id for each in enqueued.values()}
    for name in ("queue", "load", "forward", "encode", "store"):
        assert {each.context.trace_id for each in spans.wait_for(name, 3)} == traces


def test_a_picture_that_is_read_and_a_failure_are_told(spans, redis_url, redis, toy_zoo, tmp_path):
    with api(accepting(redis_url, toy_zoo, tmp_path)) as url:
        files, form = {"image": ("a.png", png(), "image/png")}, {"direction": "AtoB"}
        headers = {"Prefer": "respond-async"}
        asked = httpx.post(f"{url}/v1/translate/toy-cyclegan", data=form, files=files, headers=headers)
        assert asked.status_code == 202
        (read,), (enqueue,) = spans.wait_for("read pictures"), spans.wait_for("enqueue")
        assert read.parent == enqueue.parent
        redis.delete(*redis.keys(keys.picture_key("*")))
        with working(accepting(redis_url, toy_zoo, tmp_path)):
            (predict,) = spans.wait_for("predict")
    assert predict.context.trace_id == read.context.trace_id
    assert (predict.status.status_code, predict.status.description) == (StatusCode.ERROR, "upload_expired")
    assert {span.name for span in spans.all()} >= {"queue", "batch", "store"}
    assert not [span for span in spans.all() if span.name in ("load", "forward", "encode")]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": AWAY, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "zipkin"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": AWAY}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": AWAY}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": AWAY, "OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "max_queue_size"),
        ({}, None),
    ],
)
def test_without_a_word_or_with_one_that_cannot_be_kept_nothing_is_traced(monkeypatch, told, environment, reason):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracing.configure("easel-test")
    assert tracing.tracer() is None
    assert len(told) == (reason is not None)
    assert all(reason in each for each in told)


def test_without_the_extra_the_log_says_what_is_missing(monkeypatch, told):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    tracing.configure("easel-test")
    assert tracing.tracer() is None
    assert "easel[traces]" in told[0]
