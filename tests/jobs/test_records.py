"""The contract between API and workers, and that a stock rq worker can keep it."""

from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from core import settings
from jobs import keys, records
from jobs.prediction import Order, Priority, Status
from models.card import Task
from workers import entrypoint


def test_a_stock_rq_worker_can_answer_a_prediction(redis, redis_url, toy_zoo, monkeypatch):
    monkeypatch.setenv("EASEL_REDIS_URL", redis_url)
    monkeypatch.setenv("EASEL_MODELS", str(toy_zoo))
    monkeypatch.setattr(entrypoint, "_engine", None)
    settings.get_settings.cache_clear()
    wanted = Order(model="toy-dcgan", task=Task.SAMPLE, input={"n": 1, "seed": 1})
    redis.hset(keys.job_key("p"), mapping=records.new_job("p", wanted, Priority.NORMAL, 60, 100))
    redis.rpush(keys.queue_key("toy-dcgan", Priority.NORMAL), "p")
    queue = keys.queue_name("toy-dcgan", Priority.NORMAL)
    SimpleWorker([queue], connection=redis, serializer=JSONSerializer).work(burst=True)
    settings.get_settings.cache_clear()
    results = redis.xrevrange(keys.results_key("p"), count=1)
    found = records.snapshot("p", redis.hgetall(keys.job_key("p")), results)
    assert found.status is Status.SUCCEEDED
    assert redis.get(keys.image_key("p", 0)).startswith(b"\x89PNG")


def test_a_job_hash_round_trips_through_rq(redis):
    wanted = Order(model="toy-cgan", task=Task.CONDITIONAL, input={"label": 3, "n": 2, "seed": 9})
    redis.hset(keys.job_key("p"), mapping=records.new_job("p", wanted, Priority.LOW, 30, 100))
    job = Job.fetch("p", redis, JSONSerializer)
    assert records.order_of(job) == wanted
    assert (job.origin, job.timeout, job.result_ttl, job.retries_left) == ("toy-cgan.low", 30, 100, 1)
    found = records.snapshot("p", redis.hgetall(keys.job_key("p")), [])
    assert (found.status, found.order) == (Status.QUEUED, wanted)
    job.save()  # as rq does where it runs a job again: now its data is compressed
    assert redis.hget("rq:job:p", "data")[:1] == b"x"
    assert records.snapshot("p", redis.hgetall(keys.job_key("p")), []).order == wanted


def test_pictures_are_named_in_the_order_of_the_input():
    wanted = Order(model="m", task=Task.INTERPOLATE, input={"images": ["picture:a", "picture:b"], "seeds": None})
    assert wanted.pictures == ["a", "b"]
