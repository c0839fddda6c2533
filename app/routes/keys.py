"""/v1/keys: for admins, API keys are listed, made and revoked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from app.access.keys import Key, Keys
from app.http.errors import Conflict, NotFound
from app.http.openapi import KEY_BODY, problems
from app.http.parsing import read_fitting
from app.routes.dependencies import StoreDep, may_manage
from app.schemas.keys import ApiKey, ApiKeys, CreatedKey, NewKey, RevokedKey
from core import audit

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[Depends(may_manage)])


async def _keys(request: Request) -> Keys:
    """Raises `Conflict` where access is open: what anybody may make there must not outlive that."""
    access = request.app.state.access
    if access.open:
        raise Conflict(
            "access is open, so requests need no key; keys are made with `easel keys create`", code="access_open"
        )
    return access.keys


KeysDep = Annotated[Keys, Depends(_keys)]


@router.get("", responses=problems(409, 503), summary="All keys")
async def list_keys(kept: KeysDep) -> ApiKeys:
    """The oldest first, with scopes and limits. Tokens are not kept, so they cannot be shown."""
    return ApiKeys(data=[_told(key) for key in await kept.all()])


@router.post(
    "",
    status_code=201,
    responses=problems(400, 408, 409, 413, 415, 422, 503),
    openapi_extra=KEY_BODY,
    summary="Make a key",
)
async def create(request: Request, response: Response, kept: KeysDep) -> CreatedKey:
    """Its token is in this answer and in no other. A limit that is left out is the settings' default."""
    asked = await read_fitting(request, NewKey)
    key, token = await kept.create(asked.name, asked.scopes, asked.rate, asked.outstanding, asked.daily)
    audit.detail(key.id, name=key.name, scopes=sorted(key.scopes))
    response.headers["Cache-Control"] = "no-store"
    return CreatedKey(**_told(key).model_dump(), token=token)


@router.delete("/{id}", responses=problems(404, 409, 503), summary="Revoke a key")
async def revoke(
    id: Annotated[str, Path(description="as the list has it", max_length=64)], kept: KeysDep, store: StoreDep
) -> RevokedKey:
    """From the next request on. What it asked for is canceled and the streams that it watches end; what it made stays
    until it expires, for admins to see."""
    if not await kept.revoke(id):
        raise NotFound("there is no key of this id")
    canceled = await store.cancel_all_of(id)
    audit.detail(id, canceled=canceled)
    return RevokedKey(id=id, canceled=canceled)


def _told(key: Key) -> ApiKey:
    """What is told of a key: all but the hash of its token."""
    return ApiKey(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        rate=key.rate,
        outstanding=key.outstanding,
        daily=key.daily,
        created_at=key.created_at,
    )
