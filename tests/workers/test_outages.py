"""Workers and a Redis that goes away: nothing is lost, nothing is done twice, nobody has to start a worker again."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from redis import Redis
from redis.exceptions import ResponseError
from rq.intermediate_queue import IntermediateQueue
from rq.queue import Queue
from rq.registry import StartedJobRegistry

from core.embedded_redis import EmbeddedRedis
from core.redis_errors import is_full, is_passing
from jobs import keys
from jobs.prediction import Priority, Status
from jobs.worker_state import FIELD
from tests.workers.jobs import enqueue, order, snapshot, wait_until
from tests.workers.slow import BREAKS, HANGS

NAMES = [f"p{index}" for index in range(4)]
QUEUE = keys.queue_name("toy-dcgan", Priority.NORMAL)


@pytest.fixture
def own(tmp_path_factory):
    """A Redis that may be killed."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.stop()


@contextmanager
def full_disk(server):
    """The server's files can grow no further meanwhile."""
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in server.folder.rglob("*.aof*") if path.is_file())
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, most))


class Wire:
    """What lies between a worker and a Redis: a socket of its own, which can be silent for a while."""

    def __init__(self, server, path):
        self.path = server.url.removeprefix("unix://").partition("?")[0]
        self.url = f"unix://{path}"
        self.open = threading.Event()
        self.open.set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, far = self.listener.accept()[0], socket.socket(socket.AF_UNIX)
                far.connect(self.path)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, sink):
        with source, suppress(OSError):
            while data := source.recv(2**16):
                self.open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def wire(own, tmp_path):
    between = Wire(own, tmp_path / "wire")
    yield between
    between.open.set()
    between.listener.shutdown(socket.SHUT_RDWR)
    between.listener.close()


def statuses(redis):
    return {redis.hget(keys.job_key(name), "status") for name in NAMES}


def busy_worker(redis, spawn, url):
    """A worker in the middle of the batch of `NAMES`."""
    for index, name in enumerate(NAMES):
        enqueue(redis, name, order(seed=index))
    worker = spawn(1.5, url)
    wait_until(lambda: statuses(redis) == {b"started"})
    return worker


def kill(server):
    """Ends a Redis as an outage does; `server.start()` brings it back."""
    server.process.kill()
    server.process.wait()


def assert_done_once(redis):
    assert [redis.xlen(keys.results_key(name)) for name in NAMES] == [1] * 4
    assert redis.hgetall(keys.END_COUNTS) == {b"toy-dcgan sample succeeded": b"4"}
    assert StartedJobRegistry(QUEUE, redis).get_job_ids() == []
    assert redis.lrange(IntermediateQueue.get_intermediate_queue_key(keys.queue_key_of(QUEUE)), 0, -1) == []


@pytest.mark.parametrize("away_s", [0, 3], ids=["back before the batch ends", "back after it"])
def test_a_busy_worker_keeps_its_answers_until_redis_is_back(own, spawn, away_s):
    with Redis.from_url(own.url) as redis:
        worker = busy_worker(redis, spawn, own.url)
        time.sleep(1.1)  # the append-only file is written every second
        kill(own)
        time.sleep(away_s)
        own.start()
        wait_until(lambda: statuses(redis) == {b"finished"})
        assert_done_once(redis)
        assert worker.is_alive()
        enqueue(redis, "next", order())
        wait_until(lambda: redis.hget(keys.job_key("next"), "status") == b"finished")


def test_an_idle_worker_takes_what_comes_after_an_outage(own, spawn):
    with Redis.from_url(own.url) as redis:
        worker = spawn(0, own.url)
        wait_until(lambda: [redis.hget(key, "state") for key in redis.smembers(keys.WORKERS)] == [b"idle"])
        kill(own)
        time.sleep(1)
        own.start()
        enqueue(redis, "p", order())
        wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"finished")
        assert worker.is_alive()


def test_sigterm_during_an_outage_ends_the_worker_once_redis_is_back(own, spawn):
    with Redis.from_url(own.url) as redis:
        worker = busy_worker(redis, spawn, own.url)
        kill(own)
        worker.terminate()
        time.sleep(2)
        assert worker.is_alive(), "it holds answers"
        own.start()
        worker.join(10)
        assert worker.exitcode == 0
        assert statuses(redis) == {b"finished"}
        assert_done_once(redis)


def test_a_worker_that_is_told_to_leave_in_a_long_outage_leaves_and_its_batch_runs_elsewhere(own, spawn):
    with Redis.from_url(own.url) as redis:
        worker = busy_worker(redis, spawn, own.url)
        time.sleep(1.1)  # the append-only file is written every second
        kill(own)
        worker.terminate()
        worker.join(20)
        assert worker.exitcode is not None, "it keeps its answers for so long and no longer"
        own.start()
        spawn(0, own.url)
        wait_until(lambda: statuses(redis) == {b"finished"})
        assert_done_once(redis)


def test_a_worker_that_is_told_twice_to_leave_still_finishes_its_batch(redis, spawn):
    """As by a service manager that signals all processes of a group, and by `easel up` besides."""
    worker = spawn(3)
    enqueue(redis, "p", order())
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"started")
    for _ in range(2):
        worker.terminate()
        time.sleep(1.2)  # rq ignores a second signal that comes sooner
    worker.join(10)
    assert worker.exitcode == 0
    assert redis.hget(keys.job_key("p"), "status") == b"finished"


@pytest.mark.parametrize("setting", ["maxmemory", "min-replicas-to-write"])
def test_what_redis_refuses_for_now_is_handed_over_later(redis, spawn, setting):
    worker = spawn(1)
    for index, name in enumerate(NAMES):
        enqueue(redis, name, order(seed=index))
    wait_until(lambda: statuses(redis) == {b"started"})
    redis.config_set(setting, 1)
    try:
        time.sleep(3)
        assert worker.is_alive()
        assert statuses(redis) == {b"started"}
    finally:
        redis.config_set(setting, 0)
    wait_until(lambda: statuses(redis) == {b"finished"})
    assert_done_once(redis)


def test_a_full_disk_is_an_outage_and_no_crash(own, spawn):
    with Redis.from_url(own.url) as redis:
        worker = spawn(1, own.url)
        for index, name in enumerate(NAMES):
            enqueue(redis, name, order(seed=index))
        wait_until(lambda: statuses(redis) == {b"started"})
        with full_disk(own):
            with pytest.raises(ResponseError, match="MISCONF"):
                for _ in range(50):
                    redis.set("filler", "")
                    time.sleep(0.1)
            time.sleep(2)
            assert worker.is_alive()
            assert statuses(redis) == {b"started"}
        wait_until(lambda: statuses(redis) == {b"finished"})
        assert_done_once(redis)


@pytest.mark.parametrize(
    ("told", "passes", "full"),
    [
        ("MISCONF Errors writing to the AOF file: No space left on device", True, True),
        ("Command # 1 (SET a 1) of pipeline caused error: MISCONF Errors writing to the AOF file", True, True),
        (
            "Error running script (call to f_7bd): @user_script: 1: -OOM command not allowed when",
            True,
            True,
        ),
        ("NOREPLICAS Not enough good replicas to write.", True, False),
        ("unknown command 'EASEL'", False, False),
    ],
)
def test_errors_that_pass_are_known_by_what_redis_says(told, passes, full):
    assert (is_passing(ResponseError(told)), is_full(ResponseError(told))) == (passes, full)


def test_a_worker_that_was_taken_for_dead_gives_up_its_batch(redis, spawn):
    for index, name in enumerate(NAMES):
        enqueue(redis, name, order(seed=index))
    first = spawn(1)
    wait_until(lambda: statuses(redis) == {b"started"})
    os.kill(first.pid, signal.SIGSTOP)
    spawn(0)
    wait_until(lambda: statuses(redis) == {b"finished"})
    os.kill(first.pid, signal.SIGCONT)
    enqueue(redis, "next", order())
    wait_until(lambda: redis.hget(keys.job_key("next"), "status") == b"finished")
    time.sleep(1.5)  # for the first to hand over what it made
    assert [redis.xlen(keys.results_key(name)) for name in NAMES] == [1] * 4
    assert redis.hgetall(keys.END_COUNTS) == {b"toy-dcgan sample succeeded": b"5"}
    assert first.is_alive()


def test_a_worker_whose_network_was_lost_gives_up_its_batch_and_goes_on(own, wire, spawn):
    with Redis.from_url(own.url) as redis:
        for index, name in enumerate(NAMES):
            enqueue(redis, name, order(seed=index))
        first = spawn(1, wire.url)
        wait_until(lambda: statuses(redis) == {b"started"})
        wire.open.clear()
        second = spawn(0, own.url)
        wait_until(lambda: statuses(redis) == {b"finished"})
        wire.open.set()
        second.terminate()
        second.join()
        enqueue(redis, "next", order())
        wait_until(lambda: redis.hget(keys.job_key("next"), "status") == b"finished")
        assert [redis.xlen(keys.results_key(name)) for name in NAMES] == [1] * 4
        assert redis.hgetall(keys.END_COUNTS) == {b"toy-dcgan sample succeeded": b"5"}
        assert first.is_alive()


def test_a_worker_that_hangs_where_no_signal_is_heard_ends_and_its_batch_runs_elsewhere(redis, spawn):
    enqueue(redis, "p", order(seed=HANGS), timeout_s=1)
    for retries_left in (b"1", b"0"):
        worker = spawn(0)
        taken = [b"started", retries_left]
        wait_until(lambda taken=taken: redis.hmget(keys.job_key("p"), "status", "retries_left") == taken)
        worker.join(10)
        assert worker.exitcode == 1
    spawn(0)
    enqueue(redis, "next", order())
    wait_until(lambda: redis.hget(keys.job_key("next"), "status") == b"finished")
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"failed")
    assert snapshot(redis, "p").failure.code == "worker_lost"


def test_a_request_that_breaks_a_batch_fails_alone_and_the_worker_goes_on(redis, spawn):
    for index, name in enumerate(NAMES):
        enqueue(redis, name, order(seed=BREAKS if index == 2 else index))
    worker = spawn(0)
    enqueue(redis, "next", order())
    wait_until(lambda: redis.hget(keys.job_key("next"), "status") == b"finished")
    found = [snapshot(redis, name) for name in NAMES]
    assert [each.status for each in found].count(Status.SUCCEEDED) == 3
    assert found[2].failure.code == "internal_error"
    assert "boom" not in found[2].failure.detail
    assert worker.is_alive()


def test_a_worker_that_redis_has_forgotten_registers_again(redis, spawn):
    spawn(0)
    wait_until(lambda: redis.scard(keys.WORKERS) == 1)
    (key,) = redis.smembers(keys.WORKERS)
    redis.flushall()
    wait_until(lambda: redis.smembers(keys.WORKERS) == {key})
    assert redis.hget(key, "birth")
    assert redis.hget(key, FIELD)


def test_a_cancel_whose_message_was_lost_is_heard_with_the_next_heartbeat(redis, spawn):
    spawn(2)
    enqueue(redis, "p", order())
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"started")
    redis.set(keys.cancel_key("p"), 1)
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") != b"started")
    assert redis.hget(keys.job_key("p"), "status") == b"canceled"


def test_the_lock_of_a_killed_worker_holds_nobody_up(redis, spawn):
    victim = spawn(30)
    enqueue(redis, "p", order())
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"started")
    victim.kill()
    redis.set(Queue(QUEUE, redis).registry_cleaning_key, 1)  # what rq's own maintenance would heed for 15 minutes
    spawn(0)
    wait_until(lambda: redis.hget(keys.job_key("p"), "status") == b"finished")


def test_rq_info_tells_the_truth_about_batches(redis, redis_url, spawn):
    for index in range(7):
        enqueue(redis, f"p{index}", order(seed=index))
    spawn(2)
    for line in ("3, 4 executing, 0 finished, 0 failed", "0, 0 executing, 7 finished, 0 failed"):
        wait_until(lambda line=line: f"queue {QUEUE} {line}" in rq_info(redis_url))


def rq_info(url):
    command = [sys.executable, "-m", "rq.cli", "info", "--raw", "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
