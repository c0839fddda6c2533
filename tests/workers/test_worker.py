"""The batching worker with a real Redis: what is batched, what fails alone, and what survives a kill."""

import os
import signal
import threading
import time
from datetime import timedelta

import numpy as np
import pytest
import torch
from redis import Redis
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from core.settings import Settings
from jobs import completions, keys, records
from jobs.prediction import Order, Priority, Status
from models import checkpoint, noise
from models.card import Task
from models.registry import Registry
from pictures import codec
from tests import zoo
from tests.conftest import pixels_of
from tests.workers.jobs import enqueue, order, snapshot, wait_until
from workers import dequeuer, engine, maintenance, results, worker
from workers.dequeuer import FAIR_EVERY, BatchStarter, QueueCandidate, ServedQueue
from workers.engine import Engine
from workers.work import Work
from workers.worker import BatchWorker

STARTED = StartedJobRegistry.key_template.format(keys.queue_name("toy-dcgan", Priority.NORMAL))


@pytest.fixture
def settings(redis_url, toy_zoo):
    return Settings(redis_url=redis_url, models=str(toy_zoo), threads=1)


def a_worker(settings):
    engine = Engine(Registry(settings.models), "cpu", 1)
    return BatchWorker(engine, Redis.from_url(settings.redis, socket_timeout=15), settings)


@pytest.fixture
def batch_worker(redis, settings):
    return a_worker(settings)


@pytest.fixture
def pair(redis, settings):
    """Two workers of the same queues that are known to rq, and take only what a test has them take."""
    workers = a_worker(settings), a_worker(settings)
    for each in workers:
        each.register_birth()
    yield workers
    for each in workers:
        each.teardown()


def test_waiting_jobs_share_one_forward_pass(redis, batch_worker):
    for index in range(10):
        enqueue(redis, f"p{index}", order(seed=index))
    batch_worker.work(burst=True)
    found = [snapshot(redis, f"p{index}") for index in range(10)]
    assert {each.status for each in found} == {Status.SUCCEEDED}
    assert {each.answer.timing.batch_size for each in found} == {10}
    assert len({each.answer.images[0].sha256 for each in found}) == 10


def test_workers_share_what_waits_rather_than_one_taking_all(redis, pair):
    one, other = pair
    for index in range(10):
        enqueue(redis, f"p{index}", order(seed=index))
    assert len(one.next_batch(burst=True).jobs) == 5
    for index in range(10, 14):
        enqueue(redis, f"p{index}", order(seed=index))
    assert len(other.next_batch(burst=True).jobs) == 7, "half of what waits or runs"


def test_a_worker_that_is_busy_with_another_model_has_no_share(redis, pair):
    one, other = pair
    enqueue(redis, "other", order("toy-vae"))
    other.next_batch(burst=True)
    for index in range(10):
        enqueue(redis, f"p{index}", order(seed=index))
    assert len(one.next_batch(burst=True).jobs) == 10


def test_an_api_process_that_waits_is_sent_the_end_with_its_images(redis, batch_worker):
    heard = redis.pubsub(ignore_subscribe_messages=True)
    heard.subscribe(keys.completions_channel("api"))
    heard.get_message(timeout=1)
    enqueue(redis, "waited", order(n=2), waiter="api")
    enqueue(redis, "other", order())
    batch_worker.work(burst=True)
    (completion,) = completions.unpack(heard.get_message(timeout=5)["data"])
    found = snapshot(redis, "waited")
    assert (completion.id, completion.answer, completion.started_at) == ("waited", found.answer, found.started_at)
    assert completion.ended_at == found.ended_at
    assert list(completion.blobs) == redis.mget(keys.image_key("waited", 0), keys.image_key("waited", 1))


def test_a_batch_is_never_larger_than_the_card_allows(redis, batch_worker):
    for index in range(20):
        enqueue(redis, f"p{index}", order(seed=index))
    batch_worker.work(burst=True)
    assert max(snapshot(redis, f"p{index}").answer.timing.batch_size for index in range(20)) == 16


def test_rq_itself_tells_the_truth(redis, batch_worker):
    enqueue(redis, "good", order())
    enqueue(redis, "bad", order(n="many"))
    batch_worker.work(burst=True)
    name = keys.queue_name("toy-dcgan", Priority.NORMAL)
    assert FinishedJobRegistry(name, redis).get_job_ids() == ["good"]
    assert FailedJobRegistry(name, redis).get_job_ids() == ["bad"]
    assert StartedJobRegistry(name, redis).get_job_ids() == []
    job = Job.fetch("good", redis, JSONSerializer)
    assert job.get_status() == JobStatus.FINISHED
    assert job.latest_result().return_value["images"][0]["seed"] == 1
    assert redis.ttl(keys.job_key("good")) > 0
    assert redis.ttl(keys.image_key("good", 0)) > 0
    assert redis.lrange(Queue(name, redis).intermediate_queue_key, 0, -1) == []


def test_a_poisonous_job_fails_alone(redis, batch_worker):
    for index in range(8):
        enqueue(redis, f"p{index}", order(seed="poison" if index == 3 else index))
    batch_worker.work(burst=True)
    statuses = [snapshot(redis, f"p{index}").status for index in range(8)]
    assert statuses.count(Status.SUCCEEDED) == 7
    assert statuses[3] is Status.FAILED
    assert snapshot(redis, "p3").failure.code == "invalid_input"


def test_a_job_that_breaks_the_forward_pass_fails_alone_and_is_not_run_again(redis, batch_worker, monkeypatch):
    batch_worker.engine.eager = True
    loaded = batch_worker.engine.load("toy-dcgan")
    generator, calls = loaded.model.generator, []

    def break_on_poison(latent):
        calls.append(len(latent))
        if (latent == poison).all(dim=1).any():
            raise RuntimeError("boom")
        return generator(latent)

    poison = noise.normal([666], loaded.model.latent_shape)
    monkeypatch.setattr(loaded.model, "sample", break_on_poison)
    for index in range(4):
        enqueue(redis, f"p{index}", order(seed=666 if index == 2 else index))
    batch_worker.work(burst=True)
    assert [snapshot(redis, f"p{index}").status for index in range(4)].count(Status.SUCCEEDED) == 3
    failed = snapshot(redis, "p2")
    assert failed.failure.code == "internal_error"
    assert "boom" not in failed.failure.detail
    assert calls[-5:] == [4, 1, 1, 1, 1], "one batch, then each job once"


def test_memory_that_runs_out_while_an_answer_is_made_is_said(redis, batch_worker, monkeypatch):
    enqueue(redis, "p", order())

    def encode(*args):
        raise MemoryError

    monkeypatch.setattr(results, "encode", encode)
    batch_worker.work(burst=True)
    assert snapshot(redis, "p").failure.code == "out_of_memory"


def test_a_job_of_another_function_is_refused(redis, batch_worker):
    fields = records.new_job("evil", order(), Priority.NORMAL, 60, 100)
    job = Job.create("os.getcwd", id="evil", connection=redis, serializer=JSONSerializer)
    redis.hset(keys.job_key("evil"), mapping=fields | {"data": job.to_dict()["data"]})
    redis.sadd(keys.QUEUES, keys.queue_key("toy-dcgan", Priority.NORMAL))
    redis.rpush(keys.queue_key("toy-dcgan", Priority.NORMAL), "evil")
    batch_worker.work(burst=True)
    assert redis.hget(keys.job_key("evil"), "status") == b"failed"


def test_a_damaged_model_fails_its_own_predictions_and_the_worker_lives(redis, redis_url, tmp_path):
    for name in ("toy-dcgan", "toy-cgan"):
        zoo.make(tmp_path, name)
    weights = tmp_path / "toy-cgan" / "model.safetensors"
    weights.write_bytes(b"not weights".ljust(weights.stat().st_size))
    settings = Settings(redis_url=redis_url, models=str(tmp_path))
    enqueue(redis, "bad", order("toy-cgan", Task.CONDITIONAL, label=1))
    enqueue(redis, "good", order())
    engine = Engine(Registry([tmp_path]), "cpu", 1)
    BatchWorker(engine, Redis.from_url(redis_url, socket_timeout=15), settings).work(burst=True)
    assert snapshot(redis, "bad").failure.code == "model_unusable"
    assert snapshot(redis, "good").status is Status.SUCCEEDED


def test_an_expired_picture_is_said(redis, batch_worker):
    enqueue(redis, "late", Order(model="toy-pix2pix", task=Task.TRANSLATE, input={"image": "picture:gone"}))
    batch_worker.work(burst=True)
    assert snapshot(redis, "late").failure.code == "upload_expired"


def test_higher_priority_goes_first_and_no_model_starves(redis, batch_worker, monkeypatch):
    monkeypatch.setattr(dequeuer, "OVERDUE_S", 60)
    for index in range(40):
        enqueue(redis, f"d{index}", order(seed=index))
    enqueue(redis, "c", order("toy-cgan", Task.CONDITIONAL, label=1))
    enqueue(redis, "urgent", order("toy-vae"), Priority.HIGH)
    order_of_batches = batches_of(batch_worker, monkeypatch)
    batch_worker.work(burst=True)
    assert order_of_batches[0] == "toy-vae"
    assert "toy-cgan" in order_of_batches[1:3]


def batches_of(batch_worker, monkeypatch):
    """The models of the batches that the worker runs, as it runs them."""
    run, models = batch_worker.engine.run, []

    def note(works, report):
        models.append(works[0].order.model)
        return run(works, report)

    monkeypatch.setattr(batch_worker.engine, "run", note)
    return models


def age(redis, prediction, seconds):
    """Makes a waiting job one that has waited for longer."""
    redis.hset(keys.job_key(prediction), "enqueued_at", utcformat(now() - timedelta(seconds=seconds)))


def test_models_in_memory_go_first(redis, batch_worker, monkeypatch):
    batch_worker.engine.load("toy-vae")
    enqueue(redis, "d", order("toy-dcgan"))
    for index in range(32):
        enqueue(redis, f"v{index}", order("toy-vae", seed=index))
    models = batches_of(batch_worker, monkeypatch)
    batch_worker.work(burst=True)
    assert models == ["toy-vae", "toy-vae", "toy-dcgan"]


def test_what_is_overdue_goes_before_models_in_memory_the_oldest_first(redis, batch_worker, monkeypatch):
    for model in ("toy-cgan", "toy-dcgan", "toy-vae"):
        batch_worker.engine.load(model)
    for index in range(32):
        enqueue(redis, f"v{index}", order("toy-vae", seed=index))
    for prediction, model, seconds in (("d", "toy-dcgan", 3), ("c", "toy-cgan", 4)):
        enqueue(redis, prediction, order(model, Task.CONDITIONAL, label=1) if prediction == "c" else order(model))
        age(redis, prediction, seconds)
    models = batches_of(batch_worker, monkeypatch)
    batch_worker.work(burst=True)
    assert models == ["toy-cgan", "toy-dcgan", "toy-vae", "toy-vae"]


def test_a_low_priority_is_served_now_and_then_under_any_load(redis, batch_worker, monkeypatch):
    for model in ("toy-dcgan", "toy-vae"):
        batch_worker.engine.load(model)
    enqueue(redis, "low", order("toy-vae"), Priority.LOW)
    age(redis, "low", 3)
    for index in range(16 * 20):
        enqueue(redis, f"d{index}", order(seed=index), Priority.HIGH)
    models = batches_of(batch_worker, monkeypatch)
    batch_worker.work(burst=True)
    assert models.index("toy-vae") == FAIR_EVERY - 1
    assert len(models) == 21


def test_a_batch_is_bounded_in_images_not_in_requests(redis, batch_worker, monkeypatch):
    for index in range(5):
        enqueue(redis, f"p{index}", order(n=6))
    batch_worker.work(burst=True)
    sizes = [snapshot(redis, f"p{index}").answer.timing.batch_size for index in range(5)]
    assert sizes == [18, 18, 18, 12, 12]


def test_what_ran_out_of_memory_is_taken_in_smaller_batches(redis, batch_worker):
    batch_worker.engine.largest["toy-dcgan"] = 4
    for index in range(8):
        enqueue(redis, f"p{index}", order(seed=index))
    batch_worker.work(burst=True)
    assert {snapshot(redis, f"p{index}").answer.timing.batch_size for index in range(8)} == {4}


def warm(batch_worker):
    """Has the model loaded, exported and measured."""
    batch_worker.engine.run([batch_worker.engine.prepare(Work(order()))])


def test_a_job_slower_than_its_timeout_fails_and_its_neighbours_do_not(redis, batch_worker, monkeypatch):
    """Each has the time for itself: six that take 0.4 s together take longer than any may."""
    warm(batch_worker)
    group = batch_worker.engine._run_group

    def slow(loaded, works, report):
        seeds = [work.order.input["seed"] for work in works]
        for seed in seeds:
            time.sleep(30 if seed == 666 else 0.4)
        return group(loaded, works, report)

    monkeypatch.setattr(batch_worker.engine, "_run_group", slow)
    for index in range(4):
        enqueue(redis, f"p{index}", order(seed=666 if index == 2 else index), timeout_s=1)
    batch_worker.work(burst=True)
    found = [snapshot(redis, f"p{index}") for index in range(4)]
    assert [each.status for each in found].count(Status.SUCCEEDED) == 3
    assert found[2].failure.code == "timeout"
    assert "1 s" in found[2].failure.detail


@pytest.mark.parametrize("rings", [1, 2])
def test_an_alarm_that_is_swallowed_rings_again_and_a_late_end_is_too_late(redis, batch_worker, monkeypatch, rings):
    """As an exporter swallows it: whatever is raised in it is one of its own errors."""
    warm(batch_worker)
    group = batch_worker.engine._run_group

    def deaf(*arguments):
        for _ in range(rings):
            try:
                time.sleep(30)
            except BaseException:
                if rings == 1:
                    time.sleep(0.1)
        return group(*arguments)

    monkeypatch.setattr(batch_worker.engine, "_run_group", deaf)
    enqueue(redis, "p", order(), timeout_s=1)
    began = time.monotonic()
    batch_worker.work(burst=True)
    assert time.monotonic() - began < 5
    assert snapshot(redis, "p").failure.code == "timeout"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_encoding_counts_as_time_and_ends_between_two_images(redis, batch_worker, monkeypatch):
    encode, encoded = codec.encode, []

    def slow(pixels, *arguments, **more):
        time.sleep(0.3)
        encoded.append(pixels)
        return encode(pixels, *arguments, **more)

    warm(batch_worker)
    monkeypatch.setattr(codec, "encode", slow)
    enqueue(redis, "long", order(n=40), timeout_s=1)
    enqueue(redis, "short", order(n=1), timeout_s=1)
    batch_worker.work(burst=True)
    assert snapshot(redis, "long").failure.code == "timeout"
    assert len(encoded) <= 5 + 1, "of 41"
    assert snapshot(redis, "short").status is Status.SUCCEEDED, "its time is its own"
    assert not redis.keys(keys.image_key("long", 0))


def test_an_export_that_takes_too_long_fails_one_prediction_and_is_left_out_of_the_next(
    redis, batch_worker, monkeypatch
):
    def endless(*arguments):
        time.sleep(30)

    batch_worker.engine.load("toy-dcgan")
    monkeypatch.setattr(engine, "compile", endless)
    enqueue(redis, "first", order(), timeout_s=1)
    enqueue(redis, "next", order(model="toy-dcgan", task=Task.SAMPLE, n=2))
    batch_worker.engine.largest["toy-dcgan"] = 1  # not in one batch
    batch_worker.work(burst=True)
    assert snapshot(redis, "first").failure.code == "timeout"
    assert snapshot(redis, "next").status is Status.SUCCEEDED


def test_images_of_one_request_may_exceed_the_batch(redis, batch_worker):
    enqueue(redis, "many", order(n=40))
    batch_worker.work(burst=True)
    images = snapshot(redis, "many").answer.images
    assert [image.seed for image in images] == list(range(1, 41))
    first = pixels_of(redis.get(keys.image_key("many", 0)))
    last = pixels_of(redis.get(keys.image_key("many", 39)))
    assert not np.array_equal(first, last)


def test_what_a_killed_worker_held_is_done_by_the_next_and_nothing_twice(redis, spawn):
    first = spawn(slow_s=30)
    names = [f"p{index}" for index in range(8)]
    for index, name in enumerate(names):
        enqueue(redis, name, order(seed=index))
    wait_until(lambda: redis.hget(keys.job_key("p0"), "status") == b"started")
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    spawn(slow_s=0)
    wait_until(lambda: all(redis.hget(keys.job_key(name), "status") == b"finished" for name in names))
    assert [redis.xlen(keys.results_key(name)) for name in names] == [1] * 8


def test_a_queue_in_the_place_of_another_is_found_by_an_idle_worker(redis, spawn):
    spawn(slow_s=0)
    enqueue(redis, "p", order())
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"finished")
    redis.srem(keys.QUEUES, keys.queue_key("toy-dcgan", Priority.NORMAL))
    enqueue(redis, "q", order(), Priority.LOW)
    wait_until(lambda: redis.hget(keys.job_key("q"), "status") == b"finished")


def test_a_worker_that_dies_as_soon_as_it_has_taken_jobs_loses_nothing(redis, toy_zoo, spawn):
    enqueue(redis, "p", order())
    queue = Queue(keys.queue_name("toy-dcgan", Priority.NORMAL), redis)
    served = ServedQueue(queue, "toy-dcgan", Priority.NORMAL, 16)
    batch = BatchStarter(redis, "dead", heartbeat_ttl_s=1).begin([QueueCandidate(served, 16)], known_queues=1)
    assert [task.id for task in batch.jobs] == ["p"]
    spawn(slow_s=0)
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"finished")


def test_a_job_that_kills_two_workers_fails_as_worker_lost(redis, spawn):
    woken = redis.pubsub(ignore_subscribe_messages=True)
    woken.subscribe(keys.FINISHED)
    woken.get_message(timeout=1)
    enqueue(redis, "p", order())
    for retries_left in (b"1", b"0"):
        victim = spawn(slow_s=30)
        running = [b"started", retries_left]
        wait_until(lambda running=running: redis.hmget(keys.job_key("p"), "status", "retries_left") == running)
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    spawn(slow_s=0)
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"failed")
    found = snapshot(redis, "p")
    assert found.failure.code == "worker_lost"
    assert found.ended_at > found.started_at
    assert woken.get_message(timeout=5)["data"] == b"p"
    assert redis.hgetall(keys.END_COUNTS) == {b"toy-dcgan sample failed": b"1"}


def test_sigterm_finishes_the_batch_and_takes_no_more(redis, spawn):
    process = spawn(slow_s=1.5)
    for index in range(8):
        enqueue(redis, f"p{index}", order(seed=index))
    wait_until(lambda: redis.hget(keys.job_key("p0"), "status") == b"started")
    process.terminate()
    process.join(10)
    statuses = [redis.hget(keys.job_key(f"p{index}"), "status") for index in range(8)]
    assert statuses == [b"finished"] * 4 + [b"queued"] * 4


def test_a_cancel_before_the_worker_begins_is_heeded(redis, batch_worker):
    for name in ("keep", "drop"):
        enqueue(redis, name, order())
    redis.set(keys.cancel_key("drop"), 1)
    batch_worker.work(burst=True)
    assert snapshot(redis, "keep").status is Status.SUCCEEDED
    assert redis.hget(keys.job_key("drop"), "status") == b"canceled"
    assert redis.get(keys.image_key("drop", 0)) is None
    assert redis.zcard(STARTED) == 0


def test_a_running_prediction_stops_between_steps_when_it_is_canceled(redis, batch_worker, monkeypatch):
    enqueue(redis, "long", order(n=64))
    run_batch, passes = batch_worker.engine._run_batch, []
    batch_worker.engine.load("toy-dcgan")

    def canceled():
        return any(job.id == "long" and job.canceled.is_set() for job in batch_worker.held.all())

    def cancel_after_the_first(*given):
        passes.append(1)
        redis.publish(keys.CANCEL, "long")
        wait_until(canceled)
        return run_batch(*given)

    monkeypatch.setattr(batch_worker.engine, "_run_batch", cancel_after_the_first)
    batch_worker.work(burst=True)
    assert len(passes) == 1, "four passes would make 64 images"
    assert redis.hget(keys.job_key("long"), "status") == b"canceled"
    assert redis.ttl(keys.job_key("long")) > 0


def test_a_model_in_memory_answers_while_another_one_is_read(redis, batch_worker, monkeypatch):
    batch_worker.engine.load("toy-dcgan")
    read, order_of_ends = checkpoint.read, []
    began, go_on = threading.Event(), threading.Event()

    def slow(folder, card):
        began.set()
        assert go_on.wait(30)
        return read(folder, card)

    monkeypatch.setattr(checkpoint, "read", slow)
    finish = batch_worker.finisher.finish

    def finished(batch, jobs):
        order_of_ends.append(batch.model)
        if batch.model == "toy-dcgan":
            go_on.set()
        finish(batch, jobs)

    monkeypatch.setattr(batch_worker.finisher, "finish", finished)
    enqueue(redis, "cold", order("toy-vae"), Priority.HIGH)
    enqueue(redis, "warm", order())
    batch_worker.work(burst=True)
    assert began.is_set()
    assert order_of_ends == ["toy-dcgan", "toy-vae"], "though the other had come first, with the higher priority"
    assert {snapshot(redis, name).status for name in ("cold", "warm")} == {Status.SUCCEEDED}


def test_predictions_of_a_model_that_no_worker_has_fail(redis, batch_worker, monkeypatch):
    monkeypatch.setattr(worker, "ORPHANS_EVERY_S", -1)
    monkeypatch.setattr(maintenance, "ORPHANED_S", -1)
    enqueue(redis, "gone", order("toy-gone"))
    batch_worker.work(burst=True)
    assert snapshot(redis, "gone").failure.code == "model_not_found"


def test_numbers_that_are_none_fail_the_prediction_and_no_other(redis, batch_worker, monkeypatch):
    model = batch_worker.engine.load("toy-dcgan").model
    batch_worker.engine.eager = True
    whole = model.sample
    poison = noise.normal([666], model.latent_shape)
    monkeypatch.setattr(
        model, "sample", lambda latent: whole(latent).where(~(latent == poison).all(1)[:, None, None, None], torch.nan)
    )
    for seed in (1, 666, 2):
        enqueue(redis, f"p{seed}", order(seed=seed))
    batch_worker.work(burst=True)
    assert snapshot(redis, "p666").failure.code == "not_finite"
    assert {snapshot(redis, f"p{seed}").status for seed in (1, 2)} == {Status.SUCCEEDED}


def test_a_worker_of_a_pool_takes_its_models_alone(redis, settings):
    pools = {"pools": "vaes=*-vae", "pool": "vaes"}
    enqueue(redis, "other", order())
    enqueue(redis, "own", order("toy-vae"), pool="vaes")
    worker = a_worker(settings.model_copy(update={**Settings(**pools).model_dump(include={"pools", "pool"})}))
    worker.work(burst=True)
    assert snapshot(redis, "own").status is Status.SUCCEEDED
    assert snapshot(redis, "other").status is Status.QUEUED
    a_worker(settings).work(burst=True)
    assert snapshot(redis, "other").status is Status.SUCCEEDED, "a worker of no pool takes all"
