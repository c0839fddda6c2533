"""Errors as types: each knows its status, code and remedy; one handler makes problem+json of it (RFC 9457)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.schemas.images import ErrorBody, ErrorEnvelope, ErrorType
from core import logs
from core.object_store import StoreError
from core.redis_errors import is_full, is_unreplicated
from jobs.prediction import STORE_UNREACHABLE

log = logs.get(__name__)

PROBLEM_JSON = "application/problem+json"
MAX_ERRORS = 64
"""Errors of one request that are listed."""
OPENAI_ROUTES = ("/v1/images/", "/v1/files", "/v1/batches")
"""Under these, errors have OpenAI's shape."""


class FieldError(BaseModel):
    """Where in the request something is wrong (RFC 6901), and what."""

    pointer: str = Field(examples=["/input/label"])
    detail: str = Field(examples=["unknown label; this model knows 0, 1, 2 (or an index below 10)"])


class ProblemBody(BaseModel):
    """The body of every error."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["invalid_input"])
    detail: str
    request_id: str
    errors: list[FieldError] = []


class Problem(Exception):
    """An answer that is an error."""

    status = 400
    code = "bad_request"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = errors or []
        self.headers = headers or {}


class Malformed(Problem):
    """The request cannot be read at all."""

    status, code = 400, "malformed_request"


class Unauthorized(Problem):
    """Nobody that is known here sent this (RFC 6750)."""

    status, code = 401, "unauthorized"

    def __init__(self, detail: str):
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    """Known, but not allowed to."""

    status, code = 403, "missing_scope"


class NotFound(Problem):
    """There is nothing of that name."""

    status, code = 404, "not_found"


class TooSlow(Problem):
    """The request did not arrive in time; the connection is closed."""

    status, code = 408, "request_timeout"

    def __init__(self, detail: str):
        super().__init__(detail, headers={"Connection": "close"})


class NotAcceptable(Problem):
    """There is an answer, but none of the kind that the caller takes."""

    status, code = 406, "not_acceptable"


class Conflict(Problem):
    """What is asked for cannot be done to a thing in its present state."""

    status, code = 409, "conflict"


class Gone(Problem):
    """There was something, and its time has passed."""

    status, code = 410, "expired"


class TooLarge(Problem):
    """More bytes or pixels than the limits allow."""

    status, code = 413, "too_large"


class UnsupportedMedia(Problem):
    """A body or a picture in a format that is not read here."""

    status, code = 415, "unsupported_media_type"


class HeadTooLarge(Problem):
    """More request line and headers than are read."""

    status, code = 431, "head_too_large"


class Invalid(Problem):
    """Well-formed, but not what the schema says."""

    status, code = 422, "invalid_input"


class Unsupported(Problem):
    """Asked in a way that is right elsewhere: OpenAI's API takes it, and this service or this model cannot serve it."""

    status, code = 400, "unsupported_value"


class TooMany(Problem):
    """The caller is over a limit of its own; `Retry-After` says when it is within it again."""

    status, code = 429, "rate_limited"

    def __init__(self, detail: str, *, code: str, limit: int, remaining: int = 0, reset_s: int):
        headers = {"Retry-After": str(reset_s), **rate_headers(limit, remaining, reset_s)}
        super().__init__(detail, code=code, headers=headers)


class ClientGone(Problem):
    """Nobody is there to read this; the status is nginx's, and meant for logs and metrics."""

    status, code = 499, "client_gone"


class ServerError(Problem):
    """The fault is on this side."""

    status, code = 500, "internal_error"


class Unavailable(Problem):
    """The system cannot take this now; `Retry-After` says when it may."""

    status, code = 503, "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int = 2):
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after_s)})


TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 413: "Content Too Large",
    415: "Unsupported Media Type", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


_OPENAI_TYPES: dict[int, ErrorType] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_OPENAI_PARAMS = {"model_not_found": "model", "task_not_offered": "model"}


def rate_headers(limit: int, remaining: int, reset_s: int) -> dict[str, str]:
    """How much a limit allows, how much of it is left, and in how many seconds there is more."""
    return {"RateLimit-Limit": str(limit), "RateLimit-Remaining": str(remaining), "RateLimit-Reset": str(reset_s)}


def field_errors(errors: Sequence[Mapping[str, Any]], prefix: tuple[str, ...] = ()) -> list[FieldError]:
    """Pydantic's errors as pointers into the request."""
    found: dict[str, str] = {}
    for error in errors[:MAX_ERRORS]:
        # A union reports each member's complaint under the same place; the first names the place well enough.
        place = [
            str(part) for part in (*prefix, *error["loc"]) if not str(part).startswith(("function-", "constrained-"))
        ]
        detail = error["msg"].removeprefix("Value error, ")
        found.setdefault("/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in place), detail)
    return [FieldError(pointer=pointer, detail=detail) for pointer, detail in found.items()]


def render(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response: problem+json, or what OpenAI's SDKs read."""
    if request.scope["path"].startswith(OPENAI_ROUTES):
        return JSONResponse(envelope_of(problem).model_dump(), problem.status, problem.headers)
    body = body_of(problem, getattr(request.state, "request_id", ""))
    return JSONResponse(body.model_dump(), problem.status, problem.headers, PROBLEM_JSON)


def body_of(problem: Problem, request_id: str) -> ProblemBody:
    """What is said of a problem."""
    return ProblemBody(
        title=TITLES.get(problem.status, "Error"),
        status=problem.status,
        code=problem.code,
        detail=problem.detail,
        request_id=request_id,
        errors=problem.errors,
    )


def openai_type(status: int) -> ErrorType:
    """What OpenAI calls an error of this status."""
    return _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def envelope_of(problem: Problem) -> ErrorEnvelope:
    """What OpenAI's SDKs read of a problem."""
    param = _OPENAI_PARAMS.get(problem.code)
    message = problem.detail
    if problem.errors:
        param = problem.errors[0].pointer.removeprefix("/input/").strip("/").split("/")[0]
        message += "".join(f"; {param}: {error.detail}" for error in problem.errors[:1] if error.detail != message)
    kind = openai_type(problem.status)
    return ErrorEnvelope(error=ErrorBody(message=message, type=kind, param=param, code=problem.code))


def _allowed(request: Request) -> set[str]:
    """The methods that the path of a request takes, as the OpenAPI document tells them."""
    allowed: set[str] = set()
    for path, methods in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.scope["path"]):
            allowed |= {method.upper() for method in methods}
    return allowed | {"HEAD"} if "GET" in allowed else allowed


def install(app: FastAPI) -> None:
    """Makes every error of the application problem+json, the framework's own included."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, problem: Problem) -> Response:
        return render(request, problem)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        details = [{**item, "loc": item["loc"][1:]} for item in error.errors()]
        return render(request, Invalid("the request does not fit the schema", errors=field_errors(details)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        problem = Problem(str(error.detail), code=TITLES.get(error.status_code, "error").lower().replace(" ", "_"))
        problem.status, problem.headers = error.status_code, dict(error.headers or {})
        if problem.status == 405 and (allowed := _allowed(request)):
            problem.headers["Allow"] = ", ".join(sorted(allowed))
        return render(request, problem)

    @app.exception_handler(RedisError)
    async def _redis(request: Request, error: RedisError) -> Response:
        log.warning("redis_unreachable", error=str(error))
        if is_full(error):
            problem = Unavailable("the queue's memory or disk is full", code="storage_full", retry_after_s=10)
        elif is_unreplicated(error):
            problem = Unavailable("too few replicas of the queue can be reached", code="not_replicated")
        else:
            problem = Unavailable("the queue cannot be reached at the moment", code="queue_unreachable")
        return render(request, problem)

    @app.exception_handler(StoreError)
    async def _store(request: Request, error: StoreError) -> Response:
        log.warning("store_unreachable", error=str(error))
        problem = Unavailable("the store for pictures cannot be reached at the moment", code=STORE_UNREACHABLE)
        return render(request, problem)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("request_raised", exc_info=error)
        return render(request, ServerError("the server failed on this request; its log names the request id"))
