"""Owners of predictions take turns: a greedy one costs a modest one a turn or two, whatever it has asked for."""

from __future__ import annotations

import pytest
from rq.job import JobStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer

from core.pools import DEFAULT
from jobs import commands, keys, scripts
from jobs.prediction import Priority
from tests.workers.jobs import enqueue, order, snapshot
from workers.dequeuer import BatchStarter, QueueCandidate, QueuesChanged, ServedQueue

ROOM = 16


class Turns:
    """A worker that takes batches and ends them at once, and counts them."""

    def __init__(self, redis):
        self.redis, self.count = redis, 0
        self.starter = BatchStarter(redis, "worker", heartbeat_ttl_s=60)
        self.candidates = {}

    def serve(self, model, priority=Priority.NORMAL, pool=DEFAULT, warm=True):
        queue = Queue(keys.queue_name(model, priority), self.redis, serializer=JSONSerializer)
        self.candidates[model, priority] = QueueCandidate(ServedQueue(queue, model, priority, ROOM, pool), ROOM, warm)

    def take(self, oldest_first=False):
        """The ids of the next batch; none if nothing waits."""
        known = self.redis.scard(keys.QUEUES)
        ordered = sorted(self.candidates.values(), key=lambda each: (each.served.rank, not each.warm))
        batch = self.starter.begin(ordered, known, oldest_first)
        if batch is None:
            return []
        self.count += 1
        for job in batch.jobs:
            self.redis.hset(keys.job_key(job.id), "status", JobStatus.FINISHED.value)
        self.redis.delete("rq:worker:worker:executions", batch.queue.started_job_registry.key)
        return [job.id for job in batch.jobs]


@pytest.fixture
def turns(redis):
    worker = Turns(redis)
    worker.serve("toy-dcgan")
    return worker


class Greedy:
    """Keeps so many requests waiting, of so many images each."""

    def __init__(self, redis, models=("toy-dcgan",), waiting=30, images=64, owner="greedy", priority=Priority.NORMAL):
        self.redis, self.models, self.images = redis, models, images
        self.waiting, self.owner, self.priority = waiting, owner, priority
        self.sent = 0
        self.refill(())

    def refill(self, taken):
        gone = sum(each.startswith(self.owner) for each in taken)
        for _ in range(gone if self.sent else self.waiting):
            wanted = order(self.models[self.sent % len(self.models)], n=self.images)
            ask(self.redis, f"{self.owner}{self.sent}", self.owner, wanted, priority=self.priority)
            self.sent += 1


def ask(redis, prediction, owner, wanted, **options):
    """Enqueues what an owner asks for, whose key is known."""
    redis.hset(keys.API_KEYS, owner, "")
    enqueue(redis, prediction, wanted.model_copy(update={"owner": owner}), **options)


def waits(redis, turns, greedy, model="toy-dcgan", requests=40):
    """In how many batches each request of a modest owner was answered, of whom one waits at a time."""
    found = []
    for number in range(requests):
        greedy.refill(turns.take())  # one runs when the request comes
        ask(redis, f"modest{number}", "modest", order(model))
        before = turns.count - 1
        taken = []
        while f"modest{number}" not in taken:
            taken = turns.take()
            greedy.refill(taken)
        found.append(turns.count - before)
    return found


def p95(values):
    return sorted(values)[int(0.95 * len(values)) - 1]


def test_a_modest_key_waits_no_longer_than_three_times_its_own_beside_a_greedy_one(redis, turns):
    ask(redis, "alone", "modest", order())
    assert turns.take() == ["alone"], "alone it waits for one batch, its own"
    assert p95(waits(redis, turns, Greedy(redis))) <= 3


def test_nor_where_the_greedy_one_asks_many_models(redis, turns):
    models = ("toy-vae", "toy-cgan", "toy-pix2pix", "toy-dcgan")
    for model in models:
        turns.serve(model)
    assert p95(waits(redis, turns, Greedy(redis, models, waiting=100, images=16), "toy-vae")) <= 3


def test_small_requests_of_many_are_answered_together(redis, turns):
    for number in range(4):
        Greedy(redis, waiting=20, images=1, owner=f"greedy{number}-")
    ask(redis, "modest", "modest", order())
    taken = turns.take()
    assert "modest" in taken and len(taken) == ROOM
    shares = [sum(each.startswith(f"greedy{number}-") for each in taken) for number in range(4)]
    assert max(shares) - min(shares) <= 1


def test_a_request_that_fills_a_batch_goes_alone(redis, turns):
    Greedy(redis, waiting=3)
    ask(redis, "modest", "modest", order())
    batches = [turns.take() for _ in range(4)]
    assert ["modest"] in batches[:2]
    assert sorted(map(len, batches)) == [1, 1, 1, 1]


def test_images_are_shared_not_requests(redis, turns):
    Greedy(redis, waiting=50, images=8, owner="large")
    Greedy(redis, waiting=400, images=1, owner="small")
    taken = [each for _ in range(20) for each in turns.take()]
    large, small = (sum(each.startswith(owner) for each in taken) for owner in ("large", "small"))
    assert abs(8 * large - small) <= 16


def test_time_without_requests_is_no_credit(redis, turns):
    greedy = Greedy(redis, waiting=100, images=16)
    for _ in range(50):
        greedy.refill(turns.take())
    Greedy(redis, waiting=100, images=16, owner="late")
    taken = [each for _ in range(20) for each in turns.take()]
    assert 9 <= sum(each.startswith("late") for each in taken) <= 11


def test_one_owner_alone_is_answered_in_the_order_of_its_requests(redis, turns):
    Greedy(redis, waiting=40, images=1)
    taken = [each for _ in range(3) for each in turns.take()]
    assert taken == [f"greedy{number}" for number in range(40)]


def test_of_one_owner_the_first_model_goes_first_and_what_is_overdue_before_it(redis, turns):
    turns.serve("toy-vae")
    for number in range(20):
        ask(redis, f"v{number}", "one", order("toy-vae"))
        ask(redis, f"d{number}", "one", order())
    assert turns.take()[0] == "d0"
    redis.hset(keys.job_key("v0"), "enqueued_at", "2020-01-01T00:00:00.000000Z")
    assert turns.take()[0] == "v0"


def test_a_model_that_is_to_be_loaded_waits_until_it_is_overdue(redis, turns):
    turns.serve("toy-vae", warm=False)
    greedy = Greedy(redis)
    ask(redis, "cold", "modest", order("toy-vae"))
    for _ in range(3):
        taken = turns.take()
        assert taken != ["cold"]
        greedy.refill(taken)
    redis.hset(keys.job_key("cold"), "enqueued_at", "2020-01-01T00:00:00.000000Z")
    assert "cold" in turns.take() + turns.take()


def test_a_higher_priority_still_goes_first_and_the_oldest_now_and_then(redis, turns):
    turns.serve("toy-dcgan", Priority.HIGH)
    ask(redis, "normal", "modest", order())
    Greedy(redis, priority=Priority.HIGH)
    assert turns.take()[0].startswith("greedy")
    redis.hset(keys.job_key("normal"), "enqueued_at", "2020-01-01T00:00:00.000000Z")
    assert turns.take(oldest_first=True) == ["normal"]


def test_what_the_workers_of_one_pool_do_is_not_counted_in_another(redis, turns):
    turns.serve("toy-vae", pool="slow")
    for number in range(3):
        ask(redis, f"greedy{number}", "greedy", order("toy-vae", n=64), pool="slow")
    fast = Greedy(redis, owner="fast")
    del turns.candidates["toy-vae", Priority.NORMAL]
    for _ in range(10):
        fast.refill(turns.take())
    turns.candidates.clear()
    turns.serve("toy-vae", pool="slow")
    turns.take()
    ask(redis, "modest", "modest", order("toy-vae"), pool="slow")
    assert "modest" in turns.take()


def test_what_rq_puts_back_or_removes_is_found_and_no_key_stays(redis, turns):
    queue = Queue(keys.queue_name("toy-dcgan", Priority.NORMAL), redis, serializer=JSONSerializer)
    for owner in ("one", "other"):
        for number in range(20):
            ask(redis, f"{owner}{number}", owner, order())
    taken = turns.take()
    queue.push_job_id(taken[0])
    left = {each.decode() for each in redis.lrange(queue.key, 0, -1)} - {"one19", "other19"}
    queue.remove("one19")
    cancel(redis, "other19")
    found = []
    while batch := turns.take():
        found += batch
    assert sorted(found) == sorted(left)
    assert not redis.exists(keys.lanes_key(queue.name), keys.turns_key(queue.name))
    assert redis.ttl(keys.shares_key(DEFAULT, Priority.NORMAL)) > 0


def test_jobs_of_an_earlier_version_are_taken(redis, turns):
    for number in range(3):
        ask(redis, f"p{number}", "one", order())
    name = keys.queue_name("toy-dcgan", Priority.NORMAL)
    redis.delete(keys.lanes_key(name), keys.turns_key(name))
    assert turns.take() == ["p0", "p1", "p2"]


def test_a_queue_whose_jobs_are_all_canceled_leaves_nothing(redis, turns):
    ask(redis, "p", "one", order())
    cancel(redis, "p")
    name = keys.queue_name("toy-dcgan", Priority.NORMAL)
    assert not redis.exists(keys.lanes_key(name), keys.turns_key(name))
    assert turns.take() == []


def cancel(redis, prediction):
    call = commands.cancel(snapshot(redis, prediction), 100)
    assert redis.eval(scripts.CANCEL, len(call.keys), *call.keys, *call.args) == b"canceled"


def test_the_position_is_by_turns_and_not_by_arrival(redis, turns):
    Greedy(redis, waiting=30, images=16)
    Greedy(redis, waiting=2, images=16, owner="other")
    for number in range(3):
        ask(redis, f"modest{number}", "modest", order(n=16))
    expected = [position(redis, f"modest{number}") for number in range(3)]
    taken = [each for _ in range(9) for each in turns.take()]
    assert [taken.index(f"modest{number}") for number in range(3)] == pytest.approx(expected, abs=2)
    assert position(redis, "modest0") is None
    ahead = sum(each.startswith("greedy") for each in taken)
    assert position(redis, "greedy29") == 29 - ahead, "alone again, in the order of arrival"


def position(redis, prediction):
    call = commands.position(snapshot(redis, prediction), DEFAULT)
    return redis.eval(scripts.POSITION, len(call.keys), *call.keys, *call.args)


def test_queues_that_came_meanwhile_are_told(redis, turns):
    enqueue(redis, "p", order())
    with pytest.raises(QueuesChanged):
        turns.starter.begin(list(turns.candidates.values()), known_queues=7)
