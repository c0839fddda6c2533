"""/v1/uploads: send a picture once, use it in many predictions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.dependencies import SettingsDep, StoreDep
from app.errors import NotFound
from app.openapi import UPLOAD_BODY, problems
from app.parsing import read_file
from app.schemas.uploads import Upload
from app.store import Store
from app.uploads import chunks_of, record

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])


@router.post(
    "",
    status_code=201,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra=UPLOAD_BODY,
    summary="Keep a picture for later",
)
async def create(request: Request, response: Response, store: StoreDep, settings: SettingsDep) -> Upload:
    """`curl -F file=@a.jpg` or `curl --data-binary @a.jpg -H 'Content-Type: image/jpeg'`. Predictions take it as
    `"image": "upload:<id>"` until it expires, in the size that each model wants."""
    async with read_file(request) as file:
        upload = await record(file, settings.max_pixels, store.ttl_s)
        await store.put_upload(upload, chunks_of(file))
    response.headers["Location"] = f"/v1/uploads/{upload.id}"
    return upload


@router.get("/{upload_id}", responses=problems(404, 503), summary="What is known of an upload")
async def read(upload_id: str, store: StoreDep) -> Upload:
    """Size, format and hash; not the bytes."""
    return await _existing(upload_id, store)


@router.delete("/{upload_id}", status_code=204, responses=problems(404, 503), summary="Forget an upload")
async def delete(upload_id: str, store: StoreDep) -> None:
    """At once. Predictions that were accepted before keep what they took."""
    await _existing(upload_id, store)
    await store.delete_upload(upload_id)


async def _existing(upload_id: str, store: Store) -> Upload:
    upload = await store.upload(upload_id) if upload_id.isalnum() else None
    if upload is None:
        raise NotFound("there is no upload of this id, or it has expired", code="upload_not_found")
    return upload
