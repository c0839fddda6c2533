"""The version of what Easel keeps in Redis: raised by a change after which an earlier Easel would misread it."""

from __future__ import annotations

from redis import Redis

from jobs import keys

STORED_FORMAT = 1


def require_format(redis: Redis) -> None:
    """Notes the version in a Redis that has none. To be called before anything else is read there.

    Raises:
        RuntimeError: a later Easel has written there.
    """
    redis.set(keys.STORED_FORMAT, STORED_FORMAT, nx=True)
    found = int(redis.get(keys.STORED_FORMAT) or STORED_FORMAT)
    if found > STORED_FORMAT:
        raise RuntimeError(
            f"a later Easel has written to this Redis (format {found}, and this one knows {STORED_FORMAT}): "
            "run that one, or name another Redis or EASEL_DATA_DIR"
        )
