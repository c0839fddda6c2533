"""/v1/usage: what a key has used of what it may."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.http.openapi import problems
from app.routes.dependencies import CallerDep
from app.schemas.usage import UsageList
from core import audit

router = APIRouter(prefix="/v1/usage", tags=["usage"])


@router.get("", responses=problems(503), summary="What is used, and what is left")
async def read(request: Request, caller: CallerDep) -> UsageList:
    """Requests, predictions, images, uploads and bytes kept of the key that asks, with its limits; of every key for an
    admin's."""
    if caller.key and caller.sees_all:
        audit.note("usage.list")
    return UsageList(data=await request.app.state.access.usage(caller))
