"""Reading requests: JSON, forms and multipart become the same thing, fields by name and files by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from app.errors import Invalid, Malformed, UnsupportedMedia, field_errors
from app.schemas.predictions import PredictionRequest
from workers.jobs import Output

MAX_FILES = 8
MAX_FIELDS = 32
OUTPUT_FIELDS = tuple(Output.model_fields)
LISTS = ("seeds",)
"""Inputs that the short forms take repeatedly, or as several values separated by commas."""


@dataclass
class Body:
    """What a request carried."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)


async def read_body(request: Request) -> Body:
    """The body as fields and files, whatever it was sent as. An empty body has neither.

    Raises:
        Malformed: it is not what its content type says.
        UnsupportedMedia: a content type that is not read here.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _read_form(request)
    data = await request.body()
    if not data:
        return Body()
    if kind != "application/json":
        raise UnsupportedMedia(
            f"cannot read {kind or 'a body without a content type'}; send application/json or multipart/form-data"
        )
    return Body(_json_object(data, "the body"))


async def read_prediction(request: Request) -> tuple[PredictionRequest, dict[str, list[bytes]]]:
    """A prediction from JSON, or from a multipart body whose part `request` is that JSON, beside files."""
    body = await read_body(request)
    fields = body.fields
    if body.files or set(fields) == {"request"}:
        if set(fields) != {"request"} or not isinstance(fields["request"], str):
            raise Malformed("a multipart prediction has one part named `request`, which is JSON, and files")
        fields = _json_object(fields["request"].encode(), "the part `request`")
    return validated(fields), body.files


async def read_short(request: Request, model: str, **fixed: Any) -> tuple[PredictionRequest, dict[str, list[bytes]]]:
    """A prediction from the short form: input fields from query, form or JSON, all at one level."""
    body = await read_fields(request)
    return short(body.fields, model, **fixed), body.files


async def read_fields(request: Request) -> Body:
    """The body, with the fields of the query beside its own."""
    body = await read_body(request)
    query = request.query_params
    lists = {name: query.getlist(name) for name in LISTS if name in query}
    body.fields = {**query, **lists, **body.fields}
    for name in LISTS:
        if name in body.fields:
            body.fields[name] = _listed(body.fields[name])
    return body


def short(fields: dict[str, Any], model: str, **fixed: Any) -> PredictionRequest:
    """A prediction from fields at one level. Takes out of `fields` what is no input."""
    outer: dict[str, Any] = {"model": model, **fixed}
    if "priority" in fields:
        outer["priority"] = fields.pop("priority")
    outer["output"] = {name: fields.pop(name) for name in OUTPUT_FIELDS if name in fields}
    return validated({**outer, "input": fields})


def validated(fields: Mapping[str, Any]) -> PredictionRequest:
    """The fields as a prediction request.

    Raises:
        Invalid: with a pointer to each field that is wrong.
    """
    try:
        return PredictionRequest.model_validate(fields)
    except ValidationError as error:
        raise Invalid("the request does not fit the schema", errors=field_errors(error.errors())) from None


async def _read_form(request: Request) -> Body:
    body = Body()
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=2**20) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    body.files.setdefault(name, []).append(await value.read())
                elif name in LISTS:
                    body.fields.setdefault(name, []).append(value)
                else:
                    body.fields[name] = value
    except (MultiPartException, HTTPException) as error:
        raise Malformed(
            f"the form cannot be read: {getattr(error, 'message', None) or getattr(error, 'detail', '')}"
        ) from None
    return body


def _listed(value: Any) -> Any:
    parts = value if isinstance(value, list) else [value]
    return [item for part in parts for item in (part.split(",") if isinstance(part, str) else [part])]


def _json_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{what} must be a JSON object")
    return value
