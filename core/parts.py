"""What `easel up` consists of."""

from enum import StrEnum


class Part(StrEnum):
    """What may be started alone; they are stopped in this order. Redis comes with all of them, unless one is named."""

    API = "api"
    WORKERS = "workers"
    DELIVERER = "deliverer"
