"""Jobs as the API enqueues them, and what became of them."""

from __future__ import annotations

import time

from core.pools import DEFAULT
from jobs import commands, keys, records, scripts
from jobs.admission import Claim
from jobs.prediction import Order, Priority
from models.card import Task


def order(model="toy-dcgan", task=Task.SAMPLE, **fields):
    return Order(model=model, task=task, input={"n": 1, "seed": 1, **fields})


def enqueue(redis, prediction, wanted, priority=Priority.NORMAL, timeout_s=60, waiter="", webhook=None, pool=DEFAULT):
    claim = Claim(prediction, wanted.model, priority, 1000, owner=wanted.owner, images=wanted.count)
    call, _ = commands.enqueue(claim, wanted, timeout_s, 100, pool=pool, waiter=waiter, webhook=webhook)
    assert redis.eval(scripts.ENQUEUE, len(call.keys), *call.keys, *call.args) == [b"created"]


def snapshot(redis, prediction):
    results = redis.xrevrange(keys.results_key(prediction), count=1)
    return records.snapshot(prediction, redis.hgetall(keys.job_key(prediction)), results)


def wait_until(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition did not come true in time")
