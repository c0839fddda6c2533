"""Reading requests: JSON, forms and multipart become the same thing, fields by name and files by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

import orjson
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.http.errors import Invalid, Malformed, UnsupportedMedia, field_errors
from app.schemas.predictions import PredictionRequest
from jobs.prediction import Output

Schema = TypeVar("Schema", bound=BaseModel)

MAX_FILES = 8
MAX_FIELDS = 32
MAX_KEYS = 64
OUTPUT_FIELDS = tuple(Output.model_fields)
LISTS = ("seeds", "latent", "targets", "blend")
"""Inputs that forms take repeatedly, as `x` or `x[]`; the short forms also take values separated by commas."""
_IN_MEMORY = 2**20
"""Bytes of a file before it is moved to disk."""
_LARGEST_FIELD = 2**26
"""Bytes of a form's field, which may be a picture as a data: URI. What bounds it is the limit of the whole body."""


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
    kind = content_type(request)
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
    return fitting(PredictionRequest, fields), body.files


async def read_short(request: Request, model: str, **fixed: Any) -> tuple[PredictionRequest, dict[str, list[bytes]]]:
    """A prediction from the short form: input fields from query, form or JSON, all at one level."""
    body = await read_fields(request)
    return short(body.fields, model, **fixed), body.files


async def read_fields(request: Request) -> Body:
    """The body, with the fields of the query beside its own."""
    body = await read_body(request)
    if request.scope["query_string"]:
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
    return fitting(PredictionRequest, {**outer, "input": fields})


@asynccontextmanager
async def read_file(request: Request) -> AsyncIterator[BinaryIO]:
    """The one file that a body is, or that a form holds. What exceeds `_IN_MEMORY` lies on disk until it is closed.

    Raises:
        Malformed: the form cannot be read, or does not hold one file.
        UnsupportedMedia: the body is neither a picture nor a form.
    """
    kind = content_type(request)
    if kind == "multipart/form-data":
        async with _form(request) as form:
            yield _only_file(form, "an upload is one file").file
    elif kind.startswith("image/"):
        with SpooledTemporaryFile(_IN_MEMORY) as file:
            async for chunk in request.stream():
                await asyncio.to_thread(file.write, chunk)
            yield cast(BinaryIO, file)
    else:
        raise UnsupportedMedia(
            f"cannot read {kind or 'a body without a content type'}; send a picture, or multipart/form-data with one"
        )


@asynccontextmanager
async def read_named_file(request: Request) -> AsyncIterator[tuple[str, BinaryIO, dict[str, Any]]]:
    """The one file that a form holds: its name, its bytes, and the form's other fields.

    Raises:
        Malformed: the form cannot be read, or does not hold one file.
        UnsupportedMedia: the body is no form.
    """
    kind = content_type(request)
    if kind != "multipart/form-data":
        raise UnsupportedMedia(f"cannot read {kind or 'a body without a content type'}; send multipart/form-data")
    async with _form(request) as form:
        file = _only_file(form, "one file is kept at a time")
        fields = {name: value for name, value in form.multi_items() if not isinstance(value, UploadFile)}
        yield file.filename or "requests.jsonl", file.file, fields


def _only_file(form: FormData, rule: str) -> UploadFile:
    """Raises `Malformed`, which begins with the rule, if the form does not hold one file."""
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if len(files) != 1:
        raise Malformed(f"{rule}; the form holds {len(files)}")
    return files[0]


async def read_fitting(request: Request, schema: type[Schema]) -> Schema:
    """The body's fields as this schema has them. Raises as `read_body` and `fitting`."""
    return fitting(schema, (await read_body(request)).fields)


def fitting(schema: type[Schema], fields: Mapping[str, Any]) -> Schema:
    """The fields as a request of this schema.

    Raises:
        Invalid: with a pointer to each field that is wrong.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        raise Invalid("the request does not fit the schema", errors=field_errors(error.errors())) from None


async def _read_form(request: Request) -> Body:
    body = Body()
    async with _form(request) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                body.files.setdefault(name, []).append(await value.read())
            elif (listed := name.removesuffix("[]")) in LISTS:
                body.fields.setdefault(listed, []).append(value)
            else:
                body.fields[name] = value
    return body


class _Parser(MultiPartParser):
    """Takes a part for a file, too, that has no `filename` but is of a file's type, or has a `filename*` (RFC 6266)."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        _, options = parse_options_header(part.content_disposition)
        kind = dict(part.item_headers).get(b"content-type", b"").lower()
        of_a_file = kind.startswith(b"image/") or kind.startswith(b"application/octet-stream")
        if b"filename" not in options and (of_a_file or b"filename*" in (part.content_disposition or b"")):
            part.content_disposition = (part.content_disposition or b"") + b'; filename="picture"'
        super().on_headers_finished()


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    limits: dict[str, Any] = {"max_files": MAX_FILES, "max_fields": MAX_FIELDS, "max_part_size": _LARGEST_FIELD}
    try:
        if content_type(request) == "multipart/form-data":
            form = await _Parser(request.headers, request.stream(), **limits).parse()
        else:
            form = await request.form(**limits)
    except (MultiPartException, HTTPException) as error:
        raise Malformed(
            f"the form cannot be read: {getattr(error, 'message', None) or getattr(error, 'detail', '')}"
        ) from None
    except (UnicodeError, LookupError):
        raise Malformed("the form is not text of the charset that its Content-Type names") from None
    try:
        yield form
    finally:
        await form.close()


def content_type(request: Request) -> str:
    """What the body is said to be, without parameters.

    Raises:
        UnsupportedMedia: it is compressed, and so could be any size (RFC 9110, 15.5.16).
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMedia("bodies are read as they are; send this one without Content-Encoding")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _listed(value: Any) -> Any:
    parts = value if isinstance(value, list) else [value]
    items = [item for part in parts for item in (part.split(",") if isinstance(part, str) else [part])]
    stripped = [item.strip() if isinstance(item, str) else item for item in items]
    return [item for item in stripped if item != ""]


def _json_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{what} must be a JSON object")
    if len(value) > MAX_KEYS:
        raise Malformed(f"{what} has more than {MAX_KEYS} fields")
    return value
