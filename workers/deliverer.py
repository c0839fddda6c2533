"""Webhooks, the half that receivers see: a light process that sends what `jobs.outbox` has queued.

Messages follow the Standard Webhooks specification (https://www.standardwebhooks.com). Delivery is at least once:
receivers know repeats by `webhook-id`.
"""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from rq import get_current_job
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.utils import now
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus
from standardwebhooks import Webhook as Signer

from core import guard, logs
from core.settings import Settings, get_settings
from jobs.keys import WEBHOOK_OUTCOMES, WEBHOOK_SECRET, attempts_key
from jobs.outbox import FORMER_FUNCTIONS, FUNCTION, QUEUE, SNAPSHOT, Outcome
from jobs.representation import Prediction
from jobs.webhooks import NOTICE_TYPES, Attempt, Notice
from workers.maintenance import LOCK_S

log = logs.get(__name__)

_GONE = 410
AT_ONCE = 16
PER_RECEIVER = 4
"""Deliveries that one process makes at the same time, in all and to one host and port."""
PUT_OFF_S = 5
"""How long a delivery is put off whose receiver is kept busy already; stretched by up to as much again."""
_ADMISSION_S = 0.2
"""How long a delivery waits for a place with its receiver before it is put off."""
_HEARTBEAT_S = 10
_MAINTENANCE_S = 30
"""Between two looks for deliveries whose process died."""
_WORKER_TTL_S = 30
"""rq beats 15 s sooner than this when idle, which `deploy/worker_health.py` looks for."""


class NotDelivered(Exception):
    """The receiver did not take it; rq tries again while tries are left."""


def deliver(at: str, ended: dict[str, Any]) -> None:
    """Makes one try at the current job's delivery and notes what came of it.

    Raises:
        NotDelivered: it is to be tried again.
        ValueError: the job is no delivery.
    """
    settings, job = get_settings(), get_current_job()
    snapshot = SNAPSHOT.validate_python(ended)
    if job is None or snapshot.webhook is None:
        raise ValueError("only an rq worker that runs a webhook's delivery can call this")
    prediction = Prediction.of(snapshot, settings.result_ttl_s)
    notice_type = NOTICE_TYPES[prediction.status]
    notice = Notice(type=notice_type, timestamp=datetime.fromisoformat(at), data=prediction)
    tried, status, error = datetime.now(UTC), None, None
    try:
        status = _send(job, snapshot.webhook.url, notice.model_dump_json(), settings)
        if not 200 <= status < 300:
            error = "redirects are not followed" if 300 <= status < 400 else f"the receiver answered with {status}"
    except (guard.Refused, guard.Unreachable) as failure:
        error = str(failure)
    _note(job, prediction.id, Attempt(id=job.id, type=notice.type, at=tried, status=status, error=error), settings)
    if status == _GONE:
        _give_up(job)
    elif error:
        raise NotDelivered(error)


def secret(connection: Redis, settings: Settings) -> str:
    """What messages are signed with: the setting, or else one that was drawn once and is kept in Redis."""
    if settings.webhook_secret:
        return settings.webhook_secret
    drawn = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    connection.set(WEBHOOK_SECRET, drawn, nx=True)
    kept = connection.get(WEBHOOK_SECRET)
    return kept.decode() if isinstance(kept, bytes) else drawn


def _send(job: Job, url: str, body: str, settings: Settings) -> int:
    """The status that the receiver answers with."""
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Easel/{version('easel')}",
        "webhook-id": job.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(secret(job.connection, settings)).sign(job.id, now, body),
    }
    call = guard.call("POST", url, headers, body.encode(), allow_private=settings.webhook_allow_private)
    return asyncio.run(call).status


def _note(job: Job, prediction: str, attempt: Attempt, settings: Settings) -> None:
    outcome = (
        Outcome.DELIVERED if attempt.error is None else Outcome.REJECTED if attempt.status else Outcome.UNREACHABLE
    )
    with job.connection.pipeline() as pipeline:
        pipeline.hincrby(WEBHOOK_OUTCOMES, outcome.value, 1)
        pipeline.rpush(attempts_key(prediction), attempt.model_dump_json())
        pipeline.expire(attempts_key(prediction), settings.result_ttl_s)
        pipeline.execute()
    log.info("webhook_tried", prediction=prediction, status=attempt.status, error=attempt.error)


def _give_up(job: Job) -> None:
    job.connection.hincrby(WEBHOOK_OUTCOMES, Outcome.GIVEN_UP.value, 1)
    log.warning("webhook_given_up", delivery=job.id)


class DeliveryJob(Job):
    """A job of the queue of deliveries. Whatever function it names, it runs none but `deliver`."""

    @property
    def func(self) -> Callable[..., None]:
        """Raises `ValueError` for a job that is no delivery: whoever can write to Redis could name any function."""
        if self.func_name not in (FUNCTION, *FORMER_FUNCTIONS):
            raise ValueError(f"a job of {self.func_name!r} is no delivery")
        return deliver


class _Queue(Queue):
    def acquire_maintenance_lock(self) -> bool:
        """For seconds: rq's own, of 15 minutes, would outlive a process that is killed while it holds it."""
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=LOCK_S))


class Deliverer(SimpleWorker):
    """An rq worker of the queue of deliveries, which also queues again those whose wait is over.

    It makes `AT_ONCE` deliveries at the same time, each in a thread, and no more than `PER_RECEIVER` to one receiver:
    a slow one holds up nobody else.
    """

    log_job_description = False
    death_penalty_class = TimerDeathPenalty
    queue_class = _Queue
    job_class = DeliveryJob

    def __init__(self, connection: Redis):
        super().__init__(
            [QUEUE],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=_WORKER_TTL_S,
            maintenance_interval=_MAINTENANCE_S,
        )
        self._stopped = threading.Event()
        self._senders = ThreadPoolExecutor(AT_ONCE, "sender")
        self._room = threading.Semaphore(AT_ONCE)
        self._underway: Counter[str] = Counter()
        self._slow: set[str] = set()
        self._changed = threading.Condition()
        self._scheduler = RQScheduler([QUEUE], connection, logging_level="WARNING", serializer=JSONSerializer)

    def register_birth(self) -> None:
        """Registers the worker and starts the thread that queues retries."""
        super().register_birth()
        threading.Thread(target=self._enqueue_due, name="scheduler", daemon=True).start()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Has the delivery made by a thread, once one is free; puts it off if its receiver is busy with others."""
        self._state = WorkerStatus.BUSY  # a stop request now waits, instead of stranding what was taken
        receiver = urlsplit(job.kwargs["ended"]["webhook"]["url"]).netloc
        if not self._admitted(receiver):
            self._put_off(job, queue)
            return
        while not self._room.acquire(timeout=_HEARTBEAT_S):
            self.heartbeat()
        self._senders.submit(self._make, job, queue, self.prepare_execution(job), receiver)

    def _make(self, job: Job, queue: Queue, execution: Execution, receiver: str) -> None:
        try:
            self.perform_job(job, queue, execution)
        except RedisError as error:  # rq finds what it could not note, and has it tried again
            log.warning("redis_unreachable", error=str(error))
        finally:
            self._answered(receiver)
            self._room.release()

    def _admitted(self, receiver: str) -> bool:
        """Whether the receiver has a place free, now or soon. A slow one is not waited for until it has answered."""
        with self._changed:
            wait_s = 0 if receiver in self._slow else _ADMISSION_S
            if not self._changed.wait_for(lambda: self._underway[receiver] < PER_RECEIVER, wait_s):
                self._slow.add(receiver)
                return False
            self._underway[receiver] += 1
            return True

    def _answered(self, receiver: str) -> None:
        with self._changed:
            self._slow.discard(receiver)
            self._underway[receiver] -= 1
            self._underway += Counter()  # forgets receivers of which nothing is underway
            self._changed.notify()

    def _put_off(self, job: Job, queue: Queue) -> None:
        with self.connection.pipeline() as pipeline:
            queue.schedule_job(job, now() + timedelta(seconds=PUT_OFF_S * random.uniform(1, 2)), pipeline=pipeline)
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.execute()

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Logs what was not expected; a delivery that failed is in the log already."""
        if not issubclass(exc_info[0], NotDelivered):
            log.error("delivery_raised", delivery=job.id, exc_info=exc_info)
        elif not job.retries_left:
            _give_up(job)

    def teardown(self) -> None:
        """Ends what is underway, lets another deliverer queue retries, then leaves."""
        self._senders.shutdown()
        self._stopped.set()
        super().teardown()

    def _enqueue_due(self) -> None:
        """Queues retries that are due, once a second; of several deliverers only the holder of rq's lock does.

        A thread, since rq's own scheduler is a forked process that would outlive a killed worker and keep its lock.
        """
        while not self._stopped.wait(1):
            try:
                if self._scheduler.acquire_locks():
                    self._scheduler.enqueue_scheduled_jobs()
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
        self._scheduler.release_locks()


def run(settings: Settings) -> None:
    """Delivers until it is told to stop."""
    logs.configure(settings)
    connection = Redis.from_url(settings.redis, health_check_interval=30)
    secret(connection, settings)
    log.info("deliverer_ready")
    Deliverer(connection).work(logging_level="WARNING")
    log.info("deliverer_stopped")
