"""/v1/files: OpenAI's files, for batches: requests that are sent, and their answers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from app.batches import archive
from app.batches.files import KeptFile
from app.http.errors import NotFound, Unsupported
from app.http.openapi import FILE_BODY, envelopes
from app.http.parsing import read_named_file
from app.predictions.rendering import ZIP, preferred
from app.predictions.uploads import chunks_of
from app.routes.dependencies import BatchesDep, CallerDep
from app.routes.pages import page_after
from app.schemas.batches import DeletedFile, FileList, FileObject

JSONL = "application/jsonl"

router = APIRouter(prefix="/v1/files", tags=["OpenAI"])


@router.post(
    "",
    responses=envelopes(400, 408, 413, 415, 422, 429, 503),
    openapi_extra=FILE_BODY,
    summary="Keep a file of requests for a batch",
)
async def create(request: Request, caller: CallerDep, batches: BatchesDep) -> FileObject:
    """Lines of JSON, `purpose` is `batch`."""
    await caller.count_request()
    async with read_named_file(request) as (name, file, fields):
        if fields != {"purpose": "batch"}:
            raise Unsupported("files are kept for batches: send `purpose` with the value `batch`, and nothing else")
        kept = batches.files.new(caller.owner, name, "batch", file.seek(0, 2))
        await caller.claim_upload(kept)
        try:
            await batches.files.write(kept, chunks_of(file))
        except BaseException:
            await caller.release_upload(kept)
            raise
    return kept.told()


@router.get("", responses=envelopes(404, 422, 503), summary="The files that are kept")
async def read_all(
    caller: CallerDep,
    batches: BatchesDep,
    purpose: Literal["batch", "batch_output"] | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["desc", "asc"] = "desc",
    after: str | None = None,
) -> FileList:
    """Newest first, unless `order` is `asc`. `after` is the last file of the page before."""
    files = [file for file in await batches.files.all(caller.owner) if purpose in (None, file.purpose)]
    page, more = page_after(files[:: 1 if order == "desc" else -1], after, limit)
    told = [file.told() for file in page]
    return FileList(
        data=told, first_id=told[0].id if told else None, last_id=told[-1].id if told else None, has_more=more
    )


@router.get("/{file_id}", responses=envelopes(404, 503), summary="What is known of a file")
async def read(file_id: str, caller: CallerDep, batches: BatchesDep) -> FileObject:
    """Size, name and times."""
    return (await _existing(file_id, caller, batches)).told()


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={200: {"content": {JSONL: {}, ZIP: {}}}, **envelopes(404, 406, 503)},
    summary="A file's bytes",
)
async def content(file_id: str, request: Request, caller: CallerDep, batches: BatchesDep) -> Response:
    """As they are; or with `Accept: application/zip` the pictures of a batch's output, named by `custom_id`."""
    kept = await _existing(file_id, caller, batches)
    wanted = preferred(request, JSONL, (JSONL, "application/binary", ZIP))
    data = batches.files.content(kept.id)
    if wanted == ZIP and kept.purpose == "batch_output":
        return StreamingResponse(archive.pictures(data), media_type=ZIP)
    return StreamingResponse(data, media_type=JSONL, headers={"Content-Length": str(kept.bytes)})


@router.delete("/{file_id}", responses=envelopes(404, 503), summary="Forget a file")
async def delete(file_id: str, caller: CallerDep, batches: BatchesDep) -> DeletedFile:
    """At once. A batch whose requests are in it goes on, unless another process has to go on with it."""
    kept = await _existing(file_id, caller, batches)
    await batches.files.delete(kept)
    await caller.release_upload(kept)
    return DeletedFile(id=kept.id)


async def _existing(file_id: str, caller: CallerDep, batches: BatchesDep) -> KeptFile:
    kept = await batches.files.get(file_id)
    if kept is None or not caller.sees(kept.owner):
        raise NotFound(f"there is no file {file_id!r}, or it has expired", code="file_not_found")
    return kept
