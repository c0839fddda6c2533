"""Pages of lists as OpenAI's API has them: so many after the one that is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from app.http.errors import NotFound


class Named(Protocol):
    """What a list is of."""

    @property
    def id(self) -> str:
        """What it is named by."""
        ...


Listed = TypeVar("Listed", bound=Named)


def page_after(items: Sequence[Listed], after: str | None, limit: int) -> tuple[Sequence[Listed], bool]:
    """Up to `limit` items from the one after `after`, and whether there are more. Raises `NotFound`."""
    start = 0
    if after is not None:
        start = next((place for place, item in enumerate(items, 1) if item.id == after), 0)
        if not start:
            raise NotFound(f"there is no {after!r} in the list", code="cursor_not_found")
    return items[start : start + limit], len(items) > start + limit
