"""Jobs as the API would enqueue them, and what became of them."""

from __future__ import annotations

import time

from models.card import Task
from workers import jobs
from workers.jobs import Order, Priority


def order(model="toy-dcgan", task=Task.SAMPLE, **fields):
    return Order(model=model, task=task, input={"n": 1, "seed": 1, **fields})


def enqueue(redis, prediction, wanted, priority=Priority.NORMAL, timeout_s=60, waiter=""):
    fields = jobs.new_job(prediction, wanted, priority, timeout_s, 100, waiter=waiter)
    redis.hset(jobs.job_key(prediction), mapping=fields)
    redis.sadd("rq:queues", jobs.queue_key(wanted.model, priority))
    redis.rpush(jobs.queue_key(wanted.model, priority), prediction)


def snapshot(redis, prediction):
    results = redis.xrevrange(jobs.results_key(prediction), count=1)
    return jobs.snapshot(prediction, redis.hgetall(jobs.job_key(prediction)), results)


def wait_until(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition did not come true in time")
