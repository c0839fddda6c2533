"""/v1/uploads: send a picture once, use it in many predictions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.access.callers import Caller
from app.http.errors import NotFound
from app.http.openapi import UPLOAD_BODY, problems
from app.http.parsing import read_file
from app.predictions.store import Store
from app.predictions.uploads import UPLOAD_ID, chunks_of, record
from app.routes.dependencies import CallerDep, SettingsDep, StoreDep
from app.schemas.uploads import Upload

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])


@router.post(
    "",
    status_code=201,
    responses=problems(400, 408, 413, 415, 422, 429, 503),
    openapi_extra=UPLOAD_BODY,
    summary="Keep a picture for later",
)
async def create(
    request: Request, response: Response, caller: CallerDep, store: StoreDep, settings: SettingsDep
) -> Upload:
    """`curl -F file=@a.jpg` or `curl --data-binary @a.jpg -H 'Content-Type: image/jpeg'`. Predictions take it as
    `"image": "upload:<id>"` until it expires, in the size that each model wants."""
    await caller.count_request()
    async with read_file(request) as file:
        upload = await record(file, settings.max_pixels, store.ttl_s, caller.owner)
        await caller.claim_upload(upload)
        try:
            await store.put_upload(caller.owner, upload, chunks_of(file))
        except BaseException:
            await caller.release_upload(upload)
            raise
    response.headers["Location"] = f"{store.home}/v1/uploads/{upload.id}"
    return upload


@router.get("/{upload_id}", responses=problems(404, 503), summary="What is known of an upload")
async def read(upload_id: str, caller: CallerDep, store: StoreDep) -> Upload:
    """Size, format and hash; not the bytes. Another key's upload does not exist."""
    return await _existing(upload_id, caller, store)


@router.delete("/{upload_id}", status_code=204, responses=problems(404, 503), summary="Forget an upload")
async def delete(upload_id: str, caller: CallerDep, store: StoreDep) -> None:
    """At once. Predictions that were accepted before keep what they took."""
    upload = await _existing(upload_id, caller, store)
    await store.delete_upload(caller.owner, upload.id)
    await caller.release_upload(upload)


async def _existing(upload_id: str, caller: Caller, store: Store) -> Upload:
    upload = await store.upload(caller.owner, upload_id) if UPLOAD_ID.fullmatch(upload_id) else None
    if upload is None:
        raise NotFound("there is no upload of this id, or it has expired", code="upload_not_found")
    return upload
