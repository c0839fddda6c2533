"""Who sent a request, and what it may do."""

from __future__ import annotations

from fastapi.security import HTTPAuthorizationCredentials
from starlette.requests import Request

from app.access.callers import Access, Caller
from app.access.links import Link
from app.http.bearer import BEARER
from app.predictions.service import Predictions
from app.schemas.keys import Scope


async def identify(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    """The caller, who is kept in the request's state. Raises `Unauthorized`."""
    access: Access = request.app.state.access
    link = None if credentials else Link.of(request)
    if link is not None:
        caller = await access.visitor(link, request.state.headers)
    else:
        caller = await access.caller(credentials.credentials if credentials else None, request.state.headers)
    request.state.caller = caller
    return caller


def require_use(request: Request, caller: Caller) -> None:
    """To look needs the scope `read` or `predict`, anything else `predict`. Raises `Forbidden`."""
    looks = request.method in ("GET", "HEAD")
    caller.require(*(Scope.READ, Scope.PREDICT) if looks else (Scope.PREDICT,))


async def admit(request: Request) -> Predictions:
    """The predictions as the caller may use them: how every plain route begins.

    Raises:
        Unauthorized: nobody that is known.
        Forbidden: a key without the scope.
    """
    caller = await identify(request, await BEARER(request))
    require_use(request, caller)
    predictions: Predictions = request.app.state.predictions
    return predictions.of(caller)
