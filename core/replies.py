"""What Redis replies, for clients that decode nothing: bytes. redis-py's types allow for those that do, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def as_bytes(reply: object) -> bytes:
    """A reply that is a string of bytes. Raises `TypeError` for any other."""
    if not isinstance(reply, bytes):
        raise TypeError(f"Redis replied {type(reply).__name__} where bytes are kept")
    return reply


def bytes_or_none(reply: object) -> bytes | None:
    """A string of bytes, or None of what is not there."""
    return None if reply is None else as_bytes(reply)


def all_bytes(replies: Iterable[object]) -> list[bytes]:
    """Several strings of bytes."""
    return [as_bytes(reply) for reply in replies]


def bytes_fields(reply: Mapping[Any, Any] | None) -> dict[bytes, bytes]:
    """The fields of a hash or of a stream's entry."""
    return {as_bytes(name): as_bytes(value) for name, value in (reply or {}).items()}


def pairs(reply: Iterable[Any]) -> list[tuple[bytes, float]]:
    """Members of a sorted set with their scores."""
    return [(as_bytes(member), float(score)) for member, score in reply]
