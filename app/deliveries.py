"""Webhooks, the half that receivers see: a light process that sends what `workers.webhooks` has queued.

Messages follow the Standard Webhooks specification (https://www.standardwebhooks.com). Delivery is at least once:
receivers tell repeats by `webhook-id`.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import get_current_job
from rq.job import Job
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker
from standardwebhooks import Webhook as Signer

from app.schemas.predictions import Prediction
from app.schemas.webhooks import Attempt, Notice
from core import guard, logs
from core.settings import Settings, get_settings
from workers.webhooks import QUEUE, SNAPSHOT, attempts_key

log = logs.get(__name__)

SECRET_KEY = "easel:webhook:secret"
_GONE = 410
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
    """
    settings, job = get_settings(), get_current_job()
    snapshot = SNAPSHOT.validate_python(ended)
    prediction = Prediction.of(snapshot, settings.result_ttl_s)
    notice = Notice(type=f"prediction.{prediction.status.value}", timestamp=at, data=prediction)
    tried, status, error = datetime.now(UTC), None, None
    try:
        status = _send(job, snapshot.webhook.url, notice.model_dump_json(), settings)
        if not 200 <= status < 300:
            error = "redirects are not followed" if 300 <= status < 400 else f"the receiver answered with {status}"
    except (guard.Refused, guard.Unreachable) as failure:
        error = str(failure)
    _note(job, prediction.id, Attempt(id=job.id, type=notice.type, at=tried, status=status, error=error), settings)
    if error and status != _GONE:
        raise NotDelivered(error)


def secret(connection: Redis, settings: Settings) -> str:
    """What messages are signed with: the setting, or else one that was drawn once and is kept in Redis."""
    if settings.webhook_secret:
        return settings.webhook_secret
    drawn = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    connection.set(SECRET_KEY, drawn, nx=True)
    return connection.get(SECRET_KEY).decode()


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
    with job.connection.pipeline() as pipeline:
        pipeline.rpush(attempts_key(prediction), attempt.model_dump_json())
        pipeline.expire(attempts_key(prediction), settings.result_ttl_s)
        pipeline.execute()
    log.info("webhook_tried", prediction=prediction, status=attempt.status, error=attempt.error)


class Deliverer(SimpleWorker):
    """An rq worker of the queue of deliveries, which also queues again those whose wait is over."""

    log_job_description = False

    def __init__(self, connection: Redis):
        super().__init__(
            [QUEUE],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=_WORKER_TTL_S,
            maintenance_interval=_MAINTENANCE_S,
        )
        self._stopped = threading.Event()
        self._scheduler = RQScheduler([QUEUE], connection, logging_level="WARNING", serializer=JSONSerializer)

    def register_birth(self) -> None:
        """Registers the worker and starts its clock."""
        super().register_birth()
        threading.Thread(target=self._tick, name="scheduler", daemon=True).start()

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Logs what was not expected; a delivery that failed is in the log already."""
        if not issubclass(exc_info[0], NotDelivered):
            log.error("delivery_raised", delivery=job.id, exc_info=exc_info)
        elif not job.retries_left:
            log.warning("webhook_given_up", delivery=job.id)

    def teardown(self) -> None:
        """Lets another deliverer keep the clock, then leaves."""
        self._stopped.set()
        super().teardown()

    def _tick(self) -> None:
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
