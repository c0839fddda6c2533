"""The contract with rq: what we write is what rq itself would have written, and rq's own classes work with it."""

from __future__ import annotations

import orjson
import pytest
from redis import Redis
from rq.job import Job, JobStatus, Retry
from rq.queue import Queue
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from core.settings import Settings
from jobs import commands, keys, records, scripts
from jobs.prediction import Priority, Status, Webhook
from jobs.records import FORMER_FUNCTIONS, FUNCTION
from models.registry import Registry
from tests.workers.jobs import enqueue, order, snapshot
from workers.engine import Engine
from workers.finisher import encode
from workers.worker import BatchWorker

QUEUE = keys.queue_name("toy-dcgan", Priority.NORMAL)
OURS = {"images", "owner", "waiter"}
"""Fields of a job's hash that rq does not know, and leaves as they are."""


@pytest.fixture
def queue(redis):
    return Queue(QUEUE, redis, serializer=JSONSerializer)


@pytest.fixture
def batch_worker(redis, redis_url, toy_zoo):
    settings = Settings(redis_url=redis_url, models=str(toy_zoo), result_ttl_s=100)
    return BatchWorker(Engine(Registry(settings.models), "cpu", 1), Redis.from_url(redis_url), settings)


@pytest.fixture
def rq_worker(redis_url):
    worker = SimpleWorker([QUEUE], connection=Redis.from_url(redis_url), serializer=JSONSerializer)
    worker.log_job_description = False
    worker.register_birth()
    yield worker
    worker.register_death()


def enqueue_by_rq(queue, function=FUNCTION, wanted=None):
    fields = {"kwargs": (wanted or order()).model_dump(mode="json"), "retry": Retry(max=1), "job_id": "p"}
    return queue.enqueue_call(function, timeout=60, result_ttl=100, failure_ttl=100, description="sample", **fields)


def begun_by_rq(worker):
    """A job, its queue and its execution, as a stock worker holds them while it performs the job."""
    job, queue = worker.dequeue_job_and_maintain_ttl(None)
    execution = worker.prepare_execution(job)
    worker.prepare_job_execution(job, remove_from_intermediate_queue=True)
    return job, queue, execution


def run(worker):
    """The batch that a batching worker takes next, once it is answered; None if nothing waits."""
    if ready := worker.next_batch(burst=True):
        worker.finisher.finish(ready.batch, worker.runner.run(ready.jobs))
    return ready and ready.batch


def written(redis, worker="", execution=""):
    """What rq's keys hold: fields of hashes and of the newest entry of streams, members of all else; and whether they
    expire; but not what is of workers alone. Names that differ from run to run are replaced."""

    def plain(name):
        text = name.decode()
        for secret, placeholder in ((worker, "<worker>"), (execution, "<execution>")):
            text = text.replace(secret, placeholder) if secret else text
        return text

    def content(key):
        kind = redis.type(key)
        if kind == b"string":
            return redis.get(key)
        if kind == b"hash":
            found = {plain(field): value for field, value in redis.hgetall(key).items() if value}
            return set(found) - OURS, found.get("status")
        if kind == b"stream":
            return {plain(field) for field in redis.xrevrange(key, count=1)[0][1]}
        read = {b"list": lambda: redis.lrange(key, 0, -1), b"zset": lambda: redis.zrange(key, 0, -1)}
        return sorted(map(plain, read.get(kind, lambda: redis.smembers(key))()))

    found = {plain(key): (content(key), redis.ttl(key) > 0) for key in redis.scan_iter("rq:*")}
    of_workers = ("rq:workers", "rq:worker:<worker>", "rq:clean")
    return {
        key: held
        for key, held in found.items()
        if not key.startswith(of_workers) or key == "rq:worker:<worker>:executions"
    }


def test_what_is_enqueued_is_what_rq_would_have_enqueued(redis, queue):
    enqueue_by_rq(queue)
    rqs = written(redis)
    redis.flushall()
    enqueue(redis, "p", order())
    assert written(redis) == rqs


def test_what_rq_enqueues_is_read_and_run(redis, queue, batch_worker):
    enqueue_by_rq(queue)
    found = snapshot(redis, "p")
    assert (found.status, found.order, found.queue) == (Status.QUEUED, order(), QUEUE)
    run(batch_worker)
    found = snapshot(redis, "p")
    assert found.status is Status.SUCCEEDED
    assert redis.exists(keys.image_key("p", 0))


def test_what_is_begun_is_what_rq_would_have_begun(redis, rq_worker, batch_worker):
    enqueue(redis, "p", order())
    _, _, execution = begun_by_rq(rq_worker)
    rqs = written(redis, rq_worker.name, execution.id)
    redis.flushall()
    enqueue(redis, "p", order())
    (job,) = batch_worker.next_batch(burst=True).batch.jobs
    assert written(redis, batch_worker.name, job.execution.id) == rqs
    assert redis.zcard(StartedJobRegistry.key_template.format(QUEUE)) == 1


def test_what_succeeds_is_what_rq_would_have_written(redis, rq_worker, batch_worker):
    enqueue(redis, "p", order())
    job, queue, execution = begun_by_rq(rq_worker)
    rq_worker.handle_execution_ended(job, queue, 60)
    job._result = {"answer": 1}
    rq_worker.handle_job_success(job, queue, queue.started_job_registry, execution)
    rqs = written(redis, rq_worker.name, execution.id)
    counted = {b"successful_job_count", b"total_working_time"}
    assert counted <= redis.hgetall(rq_worker.key).keys()
    redis.flushall()
    enqueue(redis, "p", order())
    batch = run(batch_worker)
    assert written(redis, batch_worker.name, batch.jobs[0].execution.id) == rqs
    assert counted <= redis.hgetall(batch_worker.key).keys()
    assert FinishedJobRegistry(QUEUE, redis).get_job_ids() == ["p"]
    assert Job.fetch("p", redis, JSONSerializer).latest_result().return_value["images"]


def test_what_fails_is_what_rq_would_have_written(redis, rq_worker, batch_worker):
    enqueue(redis, "p", order(n="many"))
    redis.hset(keys.job_key("p"), "retries_left", 0)
    job, queue, execution = begun_by_rq(rq_worker)
    rq_worker.handle_execution_ended(job, queue, 60)
    rq_worker.handle_job_failure(job, queue, exc_string="boom", execution=execution)
    rqs = written(redis, rq_worker.name, execution.id)
    redis.flushall()
    enqueue(redis, "p", order(n="many"))
    batch = run(batch_worker)
    ours = written(redis, batch_worker.name, batch.jobs[0].execution.id)
    job = keys.job_key("p")
    assert ours[job][0][0] - rqs[job][0][0] == {"meta"}, "why, in the user's terms"
    ours[job] = rqs[job]
    assert ours == rqs
    assert FailedJobRegistry(QUEUE, redis).get_job_ids() == ["p"]


def test_what_is_canceled_while_it_waits_is_what_rq_would_have_written(redis):
    enqueue(redis, "p", order())
    Job.fetch("p", redis, JSONSerializer).cancel()
    rqs = written(redis)
    redis.flushall()
    enqueue(redis, "p", order())
    assert cancel(redis, "p") == b"canceled"
    ours = written(redis)
    job, registry = keys.job_key("p"), CanceledJobRegistry.key_template.format(QUEUE)
    assert ours[job][0][0] - rqs[job][0][0] == {"ended_at"}
    assert ours[registry][0] == rqs[registry][0] == ["p"]
    assert ours.keys() == rqs.keys()
    assert redis.ttl(job) > 0


def cancel(redis, prediction):
    call = commands.cancel(snapshot(redis, prediction), 100)
    return redis.eval(scripts.CANCEL, len(call.keys), *call.keys, *call.args)


def test_what_rq_cancels_reads_as_canceled_and_is_not_run(redis, batch_worker):
    enqueue(redis, "p", order())
    Job.fetch("p", redis, JSONSerializer).cancel()
    assert snapshot(redis, "p").status is Status.CANCELED
    assert run(batch_worker) is None
    assert not redis.exists(keys.image_key("p", 0))


def test_what_is_canceled_while_it_runs_leaves_nothing_that_runs(redis, batch_worker):
    enqueue(redis, "p", order())
    ready = batch_worker.next_batch(burst=True)
    batch, ran = ready.batch, batch_worker.runner.run(ready.jobs)
    assert cancel(redis, "p") == b"canceling"
    batch.jobs[0].canceled.set()
    batch_worker.finisher.finish(batch, ran)
    job = Job.fetch("p", redis, JSONSerializer)
    assert (job.get_status(), job.get_executions()) == (JobStatus.CANCELED, [])
    assert CanceledJobRegistry(QUEUE, redis).get_job_ids() == ["p"]
    assert StartedJobRegistry(QUEUE, redis).get_job_ids() == []
    assert not redis.exists(keys.cancel_key("p"), keys.image_key("p", 0))


def test_what_failed_can_be_requeued_by_rq_and_is_run_again(redis, batch_worker):
    enqueue(redis, "p", order(n="many"))
    run(batch_worker)
    assert snapshot(redis, "p").status is Status.FAILED
    data = orjson.dumps((FUNCTION, None, (), order().model_dump(mode="json")))
    redis.hset(keys.job_key("p"), "data", data)
    Job.fetch("p", redis, JSONSerializer).requeue()
    assert snapshot(redis, "p").status is Status.QUEUED
    run(batch_worker)
    assert snapshot(redis, "p").status is Status.SUCCEEDED


def test_what_is_purged_is_gone_for_rq_too(redis, batch_worker):
    enqueue(redis, "p", order())
    run(batch_worker)
    call = commands.purge(snapshot(redis, "p"))
    assert redis.eval(scripts.PURGE, len(call.keys), *call.keys, *call.args) == 1
    assert not Job.exists("p", redis)
    assert FinishedJobRegistry(QUEUE, redis).get_job_ids() == []
    assert not redis.exists(keys.image_key("p", 0), keys.results_key("p"), keys.history_key())


@pytest.mark.parametrize("function", [FUNCTION, *FORMER_FUNCTIONS])
def test_jobs_of_the_functions_of_now_and_before_are_run(redis, queue, batch_worker, function):
    enqueue_by_rq(queue, function)
    run(batch_worker)
    assert snapshot(redis, "p").status is Status.SUCCEEDED


def test_the_scripts_make_the_keys_that_are_made_in_keys(redis):
    for name, key in {
        "JOB": keys.job_key("p"),
        "RESULTS": keys.results_key("p"),
        "IMAGE": keys.image_key("p", 0).removesuffix(":0"),
        "CANCEL": keys.cancel_key("p"),
        "QUEUE": keys.queue_key_of("p"),
        "STARTED": Queue("p", redis).started_job_registry.key,
        "WORKERS": keys.workers_key("p"),
        "LANES": keys.lanes_key("p"),
        "TURNS": keys.turns_key("p"),
    }.items():
        assert keys.LUA_PREFIXES[name] + "p" == key
    for script in (scripts.ENQUEUE, scripts.BEGIN, scripts.SUCCEED, scripts.CANCEL, scripts.PURGE, scripts.POSITION):
        _, *lines = script.splitlines()
        assert not [line for line in lines if "'rq:" in line or "'easel:" in line]


def test_an_answer_survives_rqs_own_reading_and_ours(redis, batch_worker):
    enqueue(redis, "p", order(), webhook=Webhook(url="http://receiver/"))
    ready = batch_worker.next_batch(burst=True)
    batch, (ran,) = ready.batch, batch_worker.runner.run(ready.jobs)
    batch_worker.finisher.finish(batch, [ran])
    job = Job.fetch("p", redis, JSONSerializer)
    returned = job.return_value()
    assert returned["images"] == encode(ran).answer.model_dump(mode="json")["images"]
    assert records.snapshot_of(job, returned) == snapshot(redis, "p")
