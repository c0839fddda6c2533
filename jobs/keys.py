"""Every key and channel in Redis: ours, which begin with `easel:`, and those that rq keeps for a queue or a job."""

from __future__ import annotations

from rq.defaults import RQ_KEY_PREFIX
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE, ExecutionRegistry
from rq.job import Job
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.results import Result
from rq.worker.base import BaseWorker
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from jobs.prediction import Priority, Status
from models.card import Task

FINISHED = "easel:finished"
"""Channel on which a worker publishes the ids of predictions that have ended, with spaces between."""

CANCEL = "easel:cancel"
"""Channel on which the id of a prediction to be canceled is published, for the worker that may hold it."""

MODELS = "easel:models"
"""Channel on which workers are told to `load <model>` or to `unload <model>`."""

REGISTRY = "easel:registry"
"""Channel on which workers and APIs are told to look at the folders of models at once."""

PROGRESS = "easel:progress"
"""Channel on which a worker publishes the id of a prediction that has new events."""

DEADLINES = "easel:deadlines"
"""Sorted set of the predictions that are to be canceled unless they have ended by a time, in s since 1970."""

PACE = "easel:pace"
"""Hash of seconds that a prediction takes lately, by model: what waiting times are reckoned from."""

STORED_FORMAT = "easel:format"
"""The version of what is kept here (`jobs.stored_format`)."""

API_KEYS = "easel:keys"
"""Hash of each API key as JSON, by its id. It has no TTL, and the append-only file carries it over restarts."""

LIMITS_PREFIX = "easel:limits"
"""Before the counters of the rates of API keys, which the library `limits` names."""

END_COUNTS = "easel:ends"
"""Hash of how many predictions have ended, by `end_field`: counted in the transactions that end them."""

MAINTENANCE_LOCK = "easel:maintenance"
"""Held by the worker that reruns jobs of dead ones, for seconds."""

SWEEP_LOCK = "easel:sweep"
"""Held by the worker that deletes from the store what has expired, for minutes."""

BATCHES = "easel:batches"
"""Sorted set of the batches that have not ended, as `<owner>/<id>`, by the time they were made, in s since 1970."""

WEBHOOK_OUTCOMES = "easel:webhook:outcomes"
"""Hash of how often each `outbox.Outcome` came about, since this Redis began."""

WEBHOOK_SECRET = "easel:webhook:secret"
"""What webhooks are signed with, where no setting says it."""


# rq's own names, from its constants where it has them.

QUEUES: str = Queue.redis_queues_keys
"""Set of the keys of all queues that ever had a job."""

WORKERS: str = REDIS_WORKER_KEYS
"""Set of the keys of all workers."""

_WORKER = BaseWorker.redis_worker_namespace_prefix

LUA_PREFIXES = {
    "IMAGE": "easel:image:",
    "LATENTS": "easel:latents:",
    "PICTURE": "easel:picture:",
    "CANCEL": "easel:cancel:",
    "OUTSTANDING": "easel:outstanding:",
    "USED": "easel:used:",
    "KEPT": "easel:kept:",
    "ROOM": "easel:room",
    "API_KEYS": API_KEYS,
    "QUEUES": QUEUES,
    "QUEUE": Queue.redis_queue_namespace_prefix,
    "LANES": "easel:lanes:",
    "TURNS": "easel:turns:",
    "JOB": Job.redis_job_namespace_prefix,
    "RESULTS": Result.get_key(""),
    "STARTED": StartedJobRegistry.key_template.format(""),
    "EXECUTION": f"{RQ_KEY_PREFIX}:execution:",
    "EXECUTIONS": ExecutionRegistry.key_template.format(""),
    "WORKER": _WORKER,
    "WORKER_EXECUTIONS": WORKER_EXECUTIONS_KEY_TEMPLATE.format("").removeprefix(_WORKER),
    "WORKERS": WORKERS_BY_QUEUE_KEY % "",
}
"""What the scripts make keys of that they find on their way, by the names that it has there (`jobs.scripts`).
`WORKER_EXECUTIONS` follows the key of a worker, all others come before a name or an id."""


def doorbell_key(pool: str) -> str:
    """A list an enqueue pushes to and an idle worker of the pool blocks on. It has no data: a lost ring costs seconds,
    no job. It keeps one ring, for a worker that is about to block; busy workers need none, since they look anyway."""
    return f"easel:doorbell:{pool}"


def queue_name(model: str, priority: Priority) -> str:
    """Queues are per model and priority: what is drained together can be batched together."""
    return f"{model}.{priority.value}"


def model_of(queue: str) -> str | None:
    """The model of a queue's name; None of a queue that is not for predictions."""
    model, _, priority = queue.rpartition(".")
    return model if model and priority in set(Priority) else None


def priority_of(queue: str) -> Priority:
    """The priority of the name of a queue for predictions."""
    return Priority(queue.rpartition(".")[2])


def queue_key(model: str, priority: Priority) -> str:
    """The Redis key of the list that rq keeps for the queue."""
    return queue_key_of(queue_name(model, priority))


def lanes_key(queue: str) -> str:
    """Sorted set of what waits in a queue, by owner and then by age (`lua/fairness.lua`): the index of rq's list by
    which owners take turns."""
    return LUA_PREFIXES["LANES"] + queue


def turns_key(queue: str) -> str:
    """Sorted set of the owners of what waits in a queue, by what each has had at least."""
    return LUA_PREFIXES["TURNS"] + queue


def shares_key(pool: str, priority: Priority) -> str:
    """Hash of how many images of a priority the workers of a pool have taken of each owner."""
    return f"easel:shares:{pool}.{priority.value}"


def end_field(model: str, task: Task, status: Status) -> str:
    """The field of `END_COUNTS` that counts such ends."""
    return f"{model} {task.value} {status.value}"


def usage_key(day: str) -> str:
    """Hash of what was counted on a day, such as `2026-11-28`, by what `jobs.usage` makes fields of."""
    return f"easel:usage:{day}"


def image_key(prediction: str, index: int) -> str:
    """Where the encoded bytes of an image lie."""
    return f"{LUA_PREFIXES['IMAGE']}{prediction}:{index}"


def signed_key(prediction: str) -> str:
    """Hash of the prediction's files that were signed at delivery, by their names: `0.png`, `grid.png`."""
    return f"easel:signed:{prediction}"


def latents_key(prediction: str) -> str:
    """Where the latents of a prediction's images lie: float32, little-endian, image after image."""
    return LUA_PREFIXES["LATENTS"] + prediction


def picture_key(picture: str) -> str:
    """Where the pixels of a picture lie: uint8 height x width x channels, of the card's size or `Frame.inner`."""
    return LUA_PREFIXES["PICTURE"] + picture


def cancel_key(prediction: str) -> str:
    """Set while a prediction that a worker holds is to be canceled."""
    return LUA_PREFIXES["CANCEL"] + prediction


def events_key(prediction: str) -> str:
    """Stream of the progress that a worker reports, for whoever watches."""
    return f"easel:events:{prediction}"


def history_key(owner: str = "") -> str:
    """Sorted set of all predictions that are kept, or of one owner's, by the time they were made, in ms since 1970."""
    return f"easel:history:{owner}" if owner else "easel:history"


def idempotency_key(key: str) -> str:
    """Hash that holds the prediction made for a request that its caller has named, and the digest of that request; as
    long as it is on its way, the claim to the name."""
    return f"easel:idempotency:{key}"


def outstanding_key(owner: str) -> str:
    """Sorted set of the predictions that an owner claimed, by the time of the claim in s (`lua/admission.lua`)."""
    return LUA_PREFIXES["OUTSTANDING"] + owner


def kept_key(owner: str) -> str:
    """Sorted set of what is kept of an owner, by when it expires in s (`lua/kept.lua`)."""
    return LUA_PREFIXES["KEPT"] + owner


def upload_key(owner: str, upload: str) -> str:
    """Where the record of an owner's upload lies."""
    return f"easel:upload:{owner}:{upload}"


def upload_file_key(owner: str, upload: str) -> str:
    """Where the bytes of an owner's upload lie, as they came."""
    return f"{upload_key(owner, upload)}:file"


def batch_key(batch: str) -> str:
    """The hash of what is known of a batch."""
    return f"easel:batch:{batch}"


def batch_lines_key(batch: str) -> str:
    """A bit for each line of a batch, set once its answer is in the batch's files."""
    return f"easel:batch:{batch}:lines"


def batch_lease_key(owner: str) -> str:
    """Held by the API process that answers an owner's batches, one after another, for seconds."""
    return f"easel:batches:lease:{owner}"


def batches_key(owner: str) -> str:
    """Sorted set of an owner's batches, by the time they were made, in s since 1970."""
    return f"easel:batches:of:{owner}"


def file_key(file: str) -> str:
    """The hash of what is known of a file of requests or of answers."""
    return f"easel:file:{file}"


def file_parts_key(file: str) -> str:
    """The list of a file's parts: `=` and the bytes themselves, or `@` and the name of an object in the store."""
    return f"easel:file:{file}:parts"


def files_key(owner: str) -> str:
    """Sorted set of an owner's files, by the time they were made, in s since 1970."""
    return f"easel:files:{owner}"


def job_key(prediction: str) -> str:
    """The hash that rq keeps for the job."""
    return Job.redis_job_namespace_prefix + prediction


def results_key(prediction: str) -> str:
    """The stream that rq keeps for the job's results."""
    return Result.get_key(prediction)


def completions_channel(api: str) -> str:
    """Where an API process hears of the ends of predictions that it waits for."""
    return f"easel:completions:{api}"


def attempts_key(prediction: str) -> str:
    """The list of what came of each attempt to deliver the prediction's webhook, oldest first."""
    return f"easel:deliveries:{prediction}"


def queue_key_of(name: str) -> str:
    """The list that rq keeps for the queue of this name."""
    return Queue.redis_queue_namespace_prefix + name


def workers_key(queue: str) -> str:
    """The set of the keys of the workers of a queue."""
    return WORKERS_BY_QUEUE_KEY % queue
