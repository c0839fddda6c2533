"""Webhooks, the half that receivers see: a light process that sends what `jobs.outbox` has queued.

Messages follow the Standard Webhooks specification (https://www.standardwebhooks.com). Delivery is at least once:
receivers know repeats by `webhook-id`.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import random
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from rq import get_current_job
from rq.exceptions import StopRequested
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
from core.redis_connections import connect
from core.settings import Settings, get_settings
from jobs.keys import WEBHOOK_OUTCOMES, WEBHOOK_SECRET, attempts_key
from jobs.outbox import FORMER_FUNCTIONS, FUNCTION, QUEUE, SNAPSHOT, Outcome
from jobs.own_job import OwnJob
from jobs.representation import Prediction
from jobs.webhooks import NOTICE_TYPES, Attempt, Notice
from workers.maintenance import LOCK_S
from workers.outages import AnswersLost, Outages

log = logs.get(__name__)

_GONE = 410
_SECRET = "whsec_"
"""How a secret begins, by the specification; base64 follows."""
AT_ONCE = 16
PER_KEY = 8
PER_RECEIVER = 4
"""Deliveries that one process makes at the same time: in all, of one API key's predictions, and to one host and port
that has answered the last time. One that has not, or was never called, is sent one at a time."""
PUT_OFF_S = 5
"""How long a delivery is put off whose receiver is kept busy already; stretched by up to as much again."""
_ADMISSION_S = 0.2
"""How long a delivery waits for a place with its receiver before it is put off."""
_REMEMBERED = 10_000
"""Receivers of which it is known that they answer."""
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
    prediction = Prediction.of(snapshot, settings.result_ttl_s, home=settings.home)
    notice_type = NOTICE_TYPES[prediction.status]
    notice = Notice(type=notice_type, timestamp=datetime.fromisoformat(at), data=prediction)
    tried, status, error = datetime.now(UTC), None, None
    try:
        signer = Signer(secret(job.connection, settings, snapshot.order.owner))
        status = _send(job, snapshot.webhook.url, notice.model_dump_json(), signer, settings)
        if isinstance(job, DeliveryJob):
            job.answered = True
        if not 200 <= status < 300:
            error = "redirects are not followed" if 300 <= status < 400 else f"the receiver answered with {status}"
    except (guard.Refused, guard.Unreachable) as failure:
        error = str(failure)
    _note(job, prediction.id, Attempt(id=job.id, type=notice.type, at=tried, status=status, error=error), settings)
    if status == _GONE:
        _give_up(job)
    elif error:
        raise NotDelivered(error)


def secret(connection: Redis, settings: Settings, owner: str = "") -> str:
    """What messages about an API key's predictions are signed with, or those that were made in the open.

    Each key's own is derived from the server's (HMAC-SHA256 of the key's id), so that whoever can verify one key's
    messages can forge no other's. The server's is the setting, or else was drawn once and is kept in Redis.
    """
    servers = settings.webhook_secret or _drawn_secret(connection)
    if not owner:
        return servers
    return _secret_of(hmac.digest(base64.b64decode(servers.removeprefix(_SECRET)), owner.encode(), "sha256"))


def _drawn_secret(connection: Redis) -> str:
    drawn = _secret_of(secrets.token_bytes(32))
    connection.set(WEBHOOK_SECRET, drawn, nx=True)
    kept = connection.get(WEBHOOK_SECRET)
    return kept.decode() if isinstance(kept, bytes) else drawn


def _secret_of(key: bytes) -> str:
    return _SECRET + base64.b64encode(key).decode()


def _send(job: Job, url: str, body: str, signer: Signer, settings: Settings) -> int:
    """The status that the receiver answers with."""
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Easel/{version('easel')}",
        "webhook-id": job.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(job.id, now, body),
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


class DeliveryJob(OwnJob):
    """A job of the queue of deliveries. Whatever function it names, it runs none but `deliver`."""

    answered = False
    """Whether its receiver has said anything."""

    @property
    def func(self) -> Callable[..., None]:
        """Raises `ValueError` for a job that is no delivery: whoever can write to Redis could name any function."""
        if self.func_name not in (FUNCTION, *FORMER_FUNCTIONS):
            raise ValueError(f"a job of {self.func_name!r} is no delivery")
        return deliver


def _receiver(job: Job) -> str:
    """Host and port that a delivery goes to; empty of a job that is none, which fails once it is made."""
    try:
        return urlsplit(job.kwargs["ended"]["webhook"]["url"]).netloc
    except Exception:  # whatever somebody else's job may hold
        return ""


def _owner(job: Job) -> str:
    """The API key whose prediction it tells of; empty of one that was made in the open, and of a job that is none."""
    try:
        return str(job.kwargs["ended"]["order"]["owner"])
    except Exception:  # whatever somebody else's job may hold
        return ""


class _Queue(Queue):
    def acquire_maintenance_lock(self) -> bool:
        """For seconds: rq's own, of 15 minutes, would outlive a process that is killed while it holds it."""
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=LOCK_S))


class Deliverer(SimpleWorker):
    """An rq worker of the queue of deliveries, which also queues again those whose wait is over.

    It makes `AT_ONCE` deliveries at the same time, each in a thread, no more than `PER_RECEIVER` to one receiver and
    `PER_KEY` of one key: slow receivers, however many a key names, hold up nobody else.
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
        self.outages = Outages(_WORKER_TTL_S, lambda: self._stop_requested)
        self._stopped = threading.Event()
        self._senders = ThreadPoolExecutor(AT_ONCE, "sender")
        self._room = threading.Semaphore(AT_ONCE)
        self._underway: Counter[str] = Counter()
        self._of_owner: Counter[str] = Counter()
        self._answering: set[str] = set()
        self._slow: set[str] = set()
        self._changed = threading.Condition()
        self._scheduler = RQScheduler([QUEUE], connection, logging_level="WARNING", serializer=JSONSerializer)

    def work(self, burst: bool = False, *args: Any, **kwargs: Any) -> bool:
        """Makes deliveries until it is told to stop, or with `burst` until none waits.

        Redis may go away or be full meanwhile, and what cannot be read is left aside.

        Raises:
            TypeError: another of rq's options is asked for.
        """
        if args or kwargs:
            raise TypeError("a deliverer has no other options than `burst`")
        self.bootstrap("WARNING")
        self._install_signal_handlers()
        worked = False
        try:
            while not self._stop_requested:
                try:
                    self.check_for_suspension(burst)
                    taken = self.dequeue_job_and_maintain_ttl(None if burst else self.dequeue_timeout)
                    if taken is None:
                        break
                    worked = True
                    self.execute_job(*taken)
                except (StopRequested, AnswersLost):
                    break
                except RedisError as error:
                    self._state = WorkerStatus.BUSY  # a stop request waits for the end of the pause
                    self.outages.wait(error)
                except Exception as error:
                    log.error("job_unreadable", exc_info=error)
        finally:
            self.teardown()
        return worked

    def register_birth(self) -> None:
        """Registers the worker and starts the thread that queues retries."""
        super().register_birth()
        threading.Thread(target=self._enqueue_due, name="scheduler", daemon=True).start()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Has the delivery made by a thread, once one is free; puts it off if its receiver is busy with others."""
        self._state = WorkerStatus.BUSY  # a stop request now waits, instead of stranding what was taken
        receiver, owner = _receiver(job), _owner(job)
        if not self._admitted(receiver, owner):
            self.outages.retry(lambda: self._put_off(job, queue))
            return
        while not self._room.acquire(timeout=_HEARTBEAT_S):
            self.outages.retry(self.heartbeat)
        execution = self.outages.retry(lambda: self.prepare_execution(job))
        self._senders.submit(self._make, job, queue, execution, receiver, owner)

    def _make(self, job: Job, queue: Queue, execution: Execution, receiver: str, owner: str) -> None:
        try:
            self.perform_job(job, queue, execution)
        except RedisError as error:  # rq finds what it could not note, and has it tried again
            log.warning("redis_unreachable", error=str(error))
        finally:
            self._ended(receiver, owner, isinstance(job, DeliveryJob) and job.answered)
            self._room.release()

    def _admitted(self, receiver: str, owner: str) -> bool:
        """Whether receiver and owner have a place free, now or soon. A slow receiver is not waited for until it has
        answered."""
        with self._changed:
            wait_s = 0 if receiver in self._slow else _ADMISSION_S
            if not self._changed.wait_for(lambda: self._has_place(receiver, owner), wait_s):
                self._slow.add(receiver)
                return False
            self._underway[receiver] += 1
            self._of_owner[owner] += 1
            return True

    def _has_place(self, receiver: str, owner: str) -> bool:
        most = PER_RECEIVER if receiver in self._answering else 1
        return self._underway[receiver] < most and (not owner or self._of_owner[owner] < PER_KEY)

    def _ended(self, receiver: str, owner: str, answered: bool) -> None:
        with self._changed:
            self._slow.discard(receiver)
            if answered and len(self._answering) < _REMEMBERED:
                self._answering.add(receiver)
            else:
                self._answering.discard(receiver)
            self._underway[receiver] -= 1
            self._of_owner[owner] -= 1
            for counts in (self._underway, self._of_owner):
                counts += Counter()  # forgets those of which nothing is underway
            self._changed.notify()

    def _put_off(self, job: Job, queue: Queue) -> None:
        with self.connection.pipeline() as pipeline:
            queue.schedule_job(job, now() + timedelta(seconds=PUT_OFF_S * random.uniform(1, 2)), pipeline=pipeline)
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.execute()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Told again to stop: what is underway takes seconds, and would else be tried again a minute later."""
        log.warning("deliverer_finishes", deliveries=self._underway.total())

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
        with suppress(RedisError):
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
            except Exception as error:
                log.error("job_unreadable", exc_info=error)
        with suppress(RedisError):
            self._scheduler.release_locks()


def run(settings: Settings) -> None:
    """Delivers until it is told to stop."""
    logs.configure(settings)
    connection = connect(settings.redis)
    secret(connection, settings)
    log.info("deliverer_ready")
    Deliverer(connection).work()
    log.info("deliverer_stopped")
