"""The lines of a batch's file: JSON with `custom_id`, `method`, `url` and `body`, of which each is a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from app.schemas.batches import BatchError, Endpoint

MAX_LINES = 50_000
MAX_ERRORS = 20
"""Errors of one file that are told."""
_LONGEST_ID = 256


@dataclass(frozen=True)
class Line:
    """One request. `number` counts lines that are not empty, from 0."""

    number: int
    custom_id: str
    body: dict[str, Any]


def checked(data: bytes, endpoint: Endpoint) -> tuple[list[Line], list[BatchError]]:
    """The lines of a file, and what is wrong with it. A body is judged when its turn comes."""
    lines: list[Line] = []
    errors: list[BatchError] = []
    seen: set[str] = set()
    for place, text in _texts(data):
        if len(lines) == MAX_LINES:
            message = f"a batch has at most {MAX_LINES:,} lines"
            return lines, [BatchError(code="too_many_lines", message=message, line=place)]
        try:
            line = _line(len(lines), text, endpoint)
            if line.custom_id in seen:
                raise _Wrong("duplicate_custom_id", "another line has this `custom_id`", "custom_id")
        except _Wrong as wrong:
            errors.append(BatchError(code=wrong.code, message=wrong.message, line=place, param=wrong.param))
            if len(errors) == MAX_ERRORS:
                return lines, errors
            continue
        seen.add(line.custom_id)
        lines.append(line)
    if not lines and not errors:
        errors.append(BatchError(code="empty_file", message="the file has no requests"))
    return lines, errors


class _Wrong(Exception):
    def __init__(self, code: str, message: str, param: str | None = None):
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


def _texts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, and their numbers in the file, from 1."""
    for place, text in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if text.strip():
            yield place, text


def _line(number: int, text: bytes, endpoint: Endpoint) -> Line:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _Wrong("invalid_json_line", f"the line is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise _Wrong("invalid_json_line", "the line is not a JSON object")
    custom_id, body = fields.get("custom_id"), fields.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= _LONGEST_ID:
        raise _Wrong("invalid_custom_id", f"`custom_id` is a text of 1 to {_LONGEST_ID} characters", "custom_id")
    if fields.get("method") != "POST":
        raise _Wrong("invalid_method", "`method` is POST", "method")
    if fields.get("url") != endpoint.value:
        raise _Wrong("mismatched_url", f"`url` is the batch's endpoint, {endpoint}", "url")
    if not isinstance(body, dict):
        raise _Wrong("invalid_body", "`body` is the request, a JSON object", "body")
    if unknown := sorted(fields.keys() - {"custom_id", "method", "url", "body"}):
        raise _Wrong("unknown_field", f"a line has no field {unknown[0]!r}", unknown[0])
    return Line(number, custom_id, body)
