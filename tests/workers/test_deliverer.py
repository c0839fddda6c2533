"""Webhooks with a real Redis and a real receiver: what is told, when, how it is signed, and what stops it."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job
from rq.queue import Queue
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now
from standardwebhooks import Webhook as Signer
from standardwebhooks import WebhookVerificationError

from app.predictions.store import Store
from core.pools import Pools
from core.settings import Settings, get_settings
from jobs import keys, outbox, records
from jobs.prediction import Event, Order, Priority, Snapshot, Status, Webhook
from jobs.representation import Prediction
from models.card import Task
from models.registry import Registry
from tests.receiver import listening
from tests.workers import jobs
from workers.deliverer import AT_ONCE, PER_KEY, Deliverer, DeliveryJob, secret
from workers.engine import Engine
from workers.finisher import encode, succeed
from workers.maintenance import LOCK_S
from workers.worker import BatchWorker

SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def receiver():
    with listening() as opened:
        yield opened


@pytest.fixture
def settings(redis, redis_url, toy_zoo, monkeypatch):
    given = {"REDIS_URL": redis_url, "MODELS": toy_zoo, "THREADS": 1, "WEBHOOK_ALLOW_PRIVATE": True}
    for name, value in {**given, "WEBHOOK_SECRET": SECRET}.items():
        monkeypatch.setenv(f"EASEL_{name}", str(value))
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


@pytest.fixture
def batch_worker(redis, settings):
    engine = Engine(Registry(settings.models), "cpu", 1)
    return BatchWorker(engine, Redis.from_url(settings.redis, socket_timeout=15), settings)


@pytest.fixture
def deliver(settings):
    """Makes all deliveries that are queued."""
    return lambda: Deliverer(Redis.from_url(settings.redis)).work(burst=True)


def enqueue(redis, prediction, webhook, **fields):
    jobs.enqueue(redis, prediction, jobs.order(**fields), webhook=webhook)


def told(redis, prediction, settings):
    """The prediction as GET answers it."""
    results = redis.xrevrange(keys.results_key(prediction), count=1)
    found = records.snapshot(prediction, redis.hgetall(keys.job_key(prediction)), results)
    return Prediction.of(found, settings.result_ttl_s).model_dump(mode="json")


def attempts(redis, prediction):
    return [json.loads(line) for line in redis.lrange(keys.attempts_key(prediction), 0, -1)]


def waiting(redis):
    return Queue(outbox.QUEUE, redis, serializer=JSONSerializer).get_job_ids()


def scheduled(redis):
    return ScheduledJobRegistry(outbox.QUEUE, redis, serializer=JSONSerializer).get_job_ids()


def test_a_success_is_told_as_get_tells_it_and_the_signature_holds(redis, batch_worker, deliver, receiver, settings):
    enqueue(redis, "p", Webhook(url=f"{receiver.url}/hook"))
    batch_worker.work(burst=True)
    deliver()
    (received,) = receiver.received
    notice = Signer(SECRET).verify(received.body, received.headers)
    assert received.path == "/hook"
    assert received.headers["content-type"] == "application/json"
    assert notice["type"] == "prediction.succeeded"
    assert notice["data"] == told(redis, "p", settings)
    assert notice["data"]["output"][0]["sha256"]
    assert notice["timestamp"] == notice["data"]["completed_at"]
    (attempt,) = attempts(redis, "p")
    assert (attempt["id"], attempt["status"], attempt["error"]) == (received.headers["webhook-id"], 200, None)
    assert 0 < redis.ttl(keys.attempts_key("p")) <= settings.result_ttl_s
    assert not scheduled(redis)


def test_a_failure_is_told_with_its_error(redis, batch_worker, deliver, receiver, settings):
    enqueue(redis, "p", Webhook(url=receiver.url), n="many")
    batch_worker.work(burst=True)
    deliver()
    notice = json.loads(receiver.received[0].body)
    assert notice["type"] == "prediction.failed"
    assert notice["data"]["error"]["code"] == "invalid_input"
    assert notice["data"] == told(redis, "p", settings)


def test_a_prediction_whose_workers_died_is_told(redis, batch_worker, deliver, receiver):
    enqueue(redis, "p", Webhook(url=receiver.url))
    batch_worker.next_batch(burst=True)
    redis.hset(keys.job_key("p"), "retries_left", 0)
    started = StartedJobRegistry.key_template.format(keys.queue_name("toy-dcgan", Priority.NORMAL))
    redis.zadd(started, dict.fromkeys(redis.zrange(started, 0, -1), 1))
    batch_worker.clean_registries()
    deliver()
    notice = json.loads(receiver.received[0].body)
    assert (notice["type"], notice["data"]["error"]["code"]) == ("prediction.failed", "worker_lost")


def test_the_lock_of_a_killed_deliverer_lasts_for_seconds(redis, settings):
    (queue,) = Deliverer(Redis.from_url(settings.redis)).queues
    assert queue.acquire_maintenance_lock()
    assert 0 < redis.ttl(queue.registry_cleaning_key) <= LOCK_S


def test_a_cancellation_can_be_announced_from_outside_the_worker(redis, batch_worker, deliver, receiver):
    enqueue(redis, "p", Webhook(url=receiver.url))
    found = records.snapshot("p", redis.hgetall(keys.job_key("p")), [])
    with redis.pipeline() as pipeline:
        outbox.announce(pipeline, replace(found, status=Status.CANCELED))
        assert not waiting(redis)
        pipeline.execute()
    deliver()
    assert json.loads(receiver.received[0].body)["type"] == "prediction.canceled"


def test_an_end_and_its_announcement_are_one_transaction(redis, batch_worker, receiver):
    enqueue(redis, "p", Webhook(url=receiver.url))
    ready = batch_worker.next_batch(burst=True)
    batch, succeeded = ready.batch, encode(*batch_worker.runner.run(ready.jobs))
    job = succeeded.job.rq_job
    for end, state in (
        (lambda pipeline: job._handle_failure("boom", pipeline), b"failed"),
        (lambda pipeline: succeed(batch_worker, batch, [succeeded], now(), pipeline), b"finished"),
    ):
        with redis.pipeline() as pipeline:
            job.set_status(state.decode(), pipeline=pipeline)
            end(pipeline)
            assert redis.hget(keys.job_key("p"), "status") != state
            assert not waiting(redis)
            pipeline.execute()
        assert redis.hget(keys.job_key("p"), "status") == state
        assert len(waiting(redis)) == 1
        redis.delete(outbox.QUEUE_KEY)


def test_only_the_events_asked_for_are_told(redis, batch_worker, deliver, receiver):
    enqueue(redis, "good", Webhook(url=receiver.url, events=(Event.FAILED,)))
    enqueue(redis, "bad", Webhook(url=receiver.url, events=(Event.FAILED,)), n="many")
    enqueue(redis, "silent", None)
    batch_worker.work(burst=True)
    deliver()
    assert [json.loads(received.body)["data"]["id"] for received in receiver.received] == ["bad"]


def test_a_tampered_or_replayed_message_does_not_verify(redis, batch_worker, deliver, receiver):
    enqueue(redis, "p", Webhook(url=receiver.url))
    batch_worker.work(burst=True)
    deliver()
    (received,) = receiver.received
    verifier = Signer(SECRET)
    verifier.verify(received.body, received.headers)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(received.body.replace(b"succeeded", b"failed"), received.headers)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(received.body, received.headers | {"webhook-id": "msg_other"})
    with pytest.raises(WebhookVerificationError):
        later = str(int(received.headers["webhook-timestamp"]) + 60)
        verifier.verify(received.body, received.headers | {"webhook-timestamp": later})
    with pytest.raises(WebhookVerificationError):
        Signer("whsec_" + "B" * 43 + "=").verify(received.body, received.headers)
    old = datetime.now(UTC) - timedelta(minutes=6)
    signature = verifier.sign(received.headers["webhook-id"], old, received.body.decode())
    stale = {"webhook-timestamp": str(int(old.timestamp())), "webhook-signature": signature}
    with pytest.raises(WebhookVerificationError, match="too old"):
        verifier.verify(received.body, received.headers | stale)


def test_after_a_500_it_is_tried_again_by_the_running_process(
    redis, batch_worker, receiver, settings, monkeypatch, tmp_path
):
    monkeypatch.setattr(outbox, "RETRY_AFTER_S", (1, 1))
    receiver.statuses = [500, 200]
    enqueue(redis, "p", Webhook(url=receiver.url))
    batch_worker.work(burst=True)
    with (tmp_path / "log").open("w") as sink:
        process = subprocess.Popen([sys.executable, "-m", "cli", "deliver"], stdout=sink, stderr=sink)
    try:
        first, second = receiver.wait_for(2)
        deadline = time.monotonic() + 5
        while len(attempts(redis, "p")) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.terminate()
        assert process.wait(15) == 0
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    Signer(SECRET).verify(second.body, second.headers)
    assert [attempt["status"] for attempt in attempts(redis, "p")] == [500, 200]
    assert attempts(redis, "p")[0]["error"] == "the receiver answered with 500"


def test_tries_are_spread_and_end(redis, batch_worker, deliver, receiver, monkeypatch):
    receiver.statuses = [503]
    for name in ("p", "q", "r"):
        enqueue(redis, name, Webhook(url=receiver.url))
    batch_worker.work(burst=True)
    found = [Job.fetch(delivery, redis, JSONSerializer) for delivery in waiting(redis)]
    for waits in zip(outbox.RETRY_AFTER_S, *(job.retry_intervals for job in found), strict=True):
        assert all(waits[0] <= wait <= 1.2 * waits[0] for wait in waits[1:])
    assert len({tuple(job.retry_intervals) for job in found}) == 3
    queue = Queue(outbox.QUEUE, redis, serializer=JSONSerializer)
    for _ in range(len(outbox.RETRY_AFTER_S)):
        deliver()
        assert len(scheduled(redis)) == 3
        for delivery in scheduled(redis):
            queue.scheduled_job_registry.remove(delivery)
            queue.enqueue_job(Job.fetch(delivery, redis, JSONSerializer))
    deliver()
    assert not scheduled(redis)
    assert len(attempts(redis, "p")) == len(outbox.RETRY_AFTER_S) + 1
    assert len(FailedJobRegistry(outbox.QUEUE, redis, serializer=JSONSerializer).get_job_ids()) == 3


def test_410_stops_it(redis, batch_worker, deliver, receiver):
    receiver.statuses = [410]
    enqueue(redis, "p", Webhook(url=receiver.url))
    batch_worker.work(burst=True)
    deliver()
    assert not scheduled(redis)
    assert attempts(redis, "p")[0]["status"] == 410


def test_a_redirect_is_not_followed_and_counts_as_not_delivered(redis, batch_worker, deliver, receiver):
    with listening() as elsewhere:
        receiver.statuses, receiver.headers = [307], {"Location": elsewhere.url}
        enqueue(redis, "p", Webhook(url=receiver.url))
        batch_worker.work(burst=True)
        deliver()
        assert not elsewhere.received
    assert attempts(redis, "p")[0]["error"] == "redirects are not followed"
    assert len(scheduled(redis)) == 1


def test_a_private_address_is_refused_at_delivery_too(redis, batch_worker, deliver, receiver, monkeypatch):
    monkeypatch.setenv("EASEL_WEBHOOK_ALLOW_PRIVATE", "false")
    get_settings.cache_clear()
    enqueue(redis, "port", Webhook(url=receiver.url))
    enqueue(redis, "address", Webhook(url="http://127.0.0.1/"))
    batch_worker.work(burst=True)
    deliver()
    assert not receiver.received
    assert "port" in attempts(redis, "port")[0]["error"]
    assert "public" in attempts(redis, "address")[0]["error"]


def announce(redis, prediction, url, owner=""):
    """Queues the delivery of a prediction's end."""
    order, ended_at = Order(model="toy-dcgan", task=Task.SAMPLE, input={}, owner=owner), datetime.now(UTC)
    found = Snapshot(prediction, "q", order, Status.CANCELED, None, None, ended_at, None, ended_at, Webhook(url=url))
    with redis.pipeline() as pipeline:
        outbox.announce(pipeline, found)
        pipeline.execute()


def deliveries_of(settings):
    async def ask():
        store = Store(settings.redis, settings.result_ttl_s, Pools(()))
        try:
            return await store.deliveries()
        finally:
            await store.close()

    return asyncio.run(ask())


@contextmanager
def delivering(tmp_path):
    """A deliverer in a process, which leaves when it has done what it has begun."""
    with (tmp_path / "log").open("w") as sink:
        process = subprocess.Popen([sys.executable, "-m", "cli", "deliver"], stdout=sink, stderr=sink)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(15) == 0


def test_a_slow_receiver_holds_up_neither_another_nor_all_places(redis, receiver, settings, tmp_path):
    with listening() as slow:
        slow.wait_s = 3
        for index in range(10):
            announce(redis, f"slow-{index}", slow.url)
        for index in range(20):
            announce(redis, f"quick-{index}", receiver.url)
        with delivering(tmp_path):
            receiver.wait_for(20)
            assert len(slow.received) == 1, "it has not answered yet"
            assert not any(attempts(redis, f"slow-{index}") for index in range(10))
        told = deliveries_of(settings)
        assert told.outcomes[outbox.Outcome.DELIVERED] == 20 + 1, "it leaves when they are done"
        assert told.pending == 9 == len(scheduled(redis))


def test_receivers_that_hang_hold_one_place_each_and_of_a_key_no_more_than_its_own(redis, receiver, settings, tmp_path):
    with ExitStack() as stack:
        hanging = [stack.enter_context(listening()) for _ in range(AT_ONCE + 4)]
        for each in hanging:
            each.wait_s = 6
            for index in range(2):
                announce(redis, f"{each.url.split(':')[-1].strip('/')}-{index}", each.url, owner="greedy")
        for index in range(20):
            announce(redis, f"quick-{index}", receiver.url, owner="modest")
        with delivering(tmp_path):
            receiver.wait_for(20)
            called = [len(each.received) for each in hanging]
            assert max(called) == 1 and sum(called) == PER_KEY


def test_what_comes_of_deliveries_is_counted(redis, deliver, receiver, settings, monkeypatch):
    monkeypatch.setattr(outbox, "RETRY_AFTER_S", (0,))
    receiver.statuses = [200, 500, 500, 410]
    for name in ("delivered", "given-up", "gone"):
        announce(redis, name, receiver.url)
        while deliveries_of(settings).pending:
            deliver()
    announce(redis, "unreachable", "http://127.0.0.1:9/")
    assert deliveries_of(settings).pending == 1
    while (told := deliveries_of(settings)).pending:
        deliver()
    assert dict(told.outcomes) == {"delivered": 1, "rejected": 3, "unreachable": 2, "given_up": 3}
    lines = told.exposition().decode().splitlines()
    assert 'easel_webhook_attempts_total{outcome="rejected"} 3.0' in lines
    assert {"easel_webhooks_given_up_total 3.0", "easel_webhooks_pending 0.0"} <= set(lines)


@pytest.mark.parametrize("function", [outbox.FUNCTION, *outbox.FORMER_FUNCTIONS])
def test_deliveries_of_the_functions_of_now_and_before_are_made(redis, deliver, receiver, monkeypatch, function):
    monkeypatch.setattr(outbox, "FUNCTION", function)
    announce(redis, "p", receiver.url)
    assert Job.fetch(waiting(redis)[0], redis, JSONSerializer).func_name == function
    deliver()
    assert json.loads(receiver.received[0].body)["type"] == "prediction.canceled"


MEDDLED = []


def meddle(**kwargs):
    """What no deliverer runs."""
    MEDDLED.append(kwargs)


def test_a_delivery_that_names_another_function_runs_nothing(redis, deliver, receiver, monkeypatch):
    monkeypatch.setattr(outbox, "FUNCTION", f"{__name__}.{meddle.__name__}")
    announce(redis, "p", receiver.url)
    deliver()
    assert not MEDDLED
    assert not receiver.received
    assert not attempts(redis, "p")


@contextmanager
def deliverer_process(log):
    """A deliverer that runs until the end of `with`, when it is told to leave."""
    with log.open("w") as sink:
        process = subprocess.Popen([sys.executable, "-m", "cli", "deliver"], stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(15) == 0


def test_whoever_writes_jobs_into_redis_runs_nothing_by_the_deliverer(redis, receiver, settings, tmp_path):
    made = [str(tmp_path / name) for name in ("function", "success", "failure", "dropped")]
    queue = Queue(outbox.QUEUE, redis, serializer=JSONSerializer)
    queue.enqueue("os.mkdir", made[0])
    dropped = queue.enqueue("os.mkdir", made[3])
    redis.hset(dropped.key, "status", "no such status")
    for name, field in (("good", "success_callback_name"), ("bad", "failure_callback_name")):
        announce(redis, name, receiver.url)
        where = made[1] if name == "good" else made[2]
        redis.hset(keys.job_key(waiting(redis)[-1]), mapping={field: "os.mkdir", "webhooks": json.dumps([where])})
    with deliverer_process(tmp_path / "log"):
        receiver.wait_for(2)
        announce(redis, "later", receiver.url)
        receiver.wait_for(3)
    assert not any(Path(path).exists() for path in made)


def test_a_deliverer_lives_while_the_memory_of_redis_is_full(redis, receiver, settings, tmp_path):
    announce(redis, "before", receiver.url)
    with deliverer_process(tmp_path / "log") as process:
        receiver.wait_for(1)
        redis.config_set("maxmemory", 1)
        try:
            time.sleep(4)
            assert process.poll() is None
        finally:
            redis.config_set("maxmemory", 0)
        announce(redis, "after", receiver.url)
        told = {json.loads(received.body)["data"]["id"] for received in receiver.wait_for(2)}
    assert told == {"before", "after"}


@pytest.mark.parametrize("field", ["success_callback_name", "failure_callback_name", "stopped_callback_name"])
def test_no_job_of_ours_has_callbacks_or_webhooks_of_rq(redis, field):
    announce(redis, "p", "http://127.0.0.1:9/")
    (name,) = waiting(redis)
    hook = json.dumps([{"url": "http://169.254.169.254/", "statuses": ["finished"], "headers": {}, "timeout": 1}])
    redis.hset(keys.job_key(name), mapping={field: f"{__name__}.meddle", "webhooks": hook, "dependency_ids": '["x"]'})
    for kind in (DeliveryJob, outbox.AnnouncedJob):
        job = kind.fetch(name, redis, JSONSerializer)
        assert job.success_callback is job.failure_callback is job.stopped_callback is None
        assert not job.webhooks
        assert not job._dependency_ids
    with pytest.raises(ValueError, match="by its name"):
        _ = outbox.AnnouncedJob.fetch(name, redis, JSONSerializer).func


def test_a_prediction_whose_worker_died_calls_nothing_back(redis, batch_worker):
    enqueue(redis, "p", None)
    redis.hset(keys.job_key("p"), "failure_callback_name", f"{__name__}.{meddle.__name__}")
    batch_worker.next_batch(burst=True)
    started = StartedJobRegistry.key_template.format(keys.queue_name("toy-dcgan", Priority.NORMAL))
    redis.zadd(started, dict.fromkeys(redis.zrange(started, 0, -1), 1))
    batch_worker.maintenance.run(0)
    assert redis.hget(keys.job_key("p"), "status") == b"queued", "it was rescued"
    assert not MEDDLED


def test_messages_about_one_keys_predictions_verify_with_its_own_secret_alone(redis, deliver, receiver, settings):
    for owner in ("a" * 12, "b" * 12, ""):
        announce(redis, f"of-{owner}", receiver.url, owner)
        deliver()
    secrets = [secret(redis, settings, owner) for owner in ("a" * 12, "b" * 12, "")]
    assert len(set(secrets)) == 3
    assert secrets[2] == SECRET
    for place, received in enumerate(receiver.wait_for(3)):
        for other, theirs in enumerate(secrets):
            if other == place:
                Signer(theirs).verify(received.body, received.headers)
            else:
                with pytest.raises(WebhookVerificationError):
                    Signer(theirs).verify(received.body, received.headers)


def test_a_delivery_outlives_its_prediction(redis, batch_worker, deliver, receiver):
    enqueue(redis, "p", Webhook(url=receiver.url))
    batch_worker.work(burst=True)
    redis.delete(keys.job_key("p"), keys.results_key("p"))
    deliver()
    assert json.loads(receiver.received[0].body)["data"]["output"]


def test_a_deliverer_does_not_count_as_a_worker(redis, settings):
    deliverer = Deliverer(Redis.from_url(settings.redis))
    deliverer.register_birth()

    async def count():
        store = Store(settings.redis, 60, Pools(()))
        try:
            return await store.workers()
        finally:
            await store.close()

    try:
        assert asyncio.run(count()) == 0
    finally:
        deliverer.teardown()


def test_the_secret_is_the_setting_or_drawn_once(redis, redis_url, settings):
    assert secret(redis, settings) == SECRET
    without = Settings(redis_url=redis_url, webhook_secret=None)
    drawn = secret(redis, without)
    assert drawn.startswith("whsec_")
    assert drawn == secret(redis, without) != SECRET
    Signer(drawn)


def test_the_command_shows_the_secret(redis, settings, monkeypatch):
    monkeypatch.delenv("EASEL_WEBHOOK_SECRET")
    redis.hset(keys.API_KEYS, "a" * 12, "{}")

    def shown(*arguments):
        command = [sys.executable, "-m", "cli", "webhook-secret", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    assert shown().stdout == shown().stdout == redis.get(keys.WEBHOOK_SECRET).decode() + "\n"
    assert shown("a" * 12).stdout.strip() == secret(redis, Settings(webhook_secret=None), "a" * 12)
    assert "easel keys list" in shown("gallery").stderr


def test_the_deliverer_is_light():
    code = "import sys, workers.deliverer; print({'torch', 'fastapi', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
