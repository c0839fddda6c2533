"""/v1/batches: OpenAI's batches: a file of up to 50,000 requests that are answered when nothing else waits."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query

from app.batches.lines import checked
from app.batches.records import WINDOW_S, BatchRecord
from app.http.errors import Conflict, NotFound, Unsupported
from app.http.openapi import envelopes
from app.routes.dependencies import BatchesDep, CallerDep
from app.routes.pages import page_after
from app.schemas.batches import ENDED, BatchList, BatchObject, BatchRequest, BatchStatus

router = APIRouter(prefix="/v1/batches", tags=["OpenAI"])


@router.post("", responses=envelopes(400, 404, 408, 413, 415, 422, 429, 503), summary="Have a file answered")
async def create(asked: BatchRequest, caller: CallerDep, batches: BatchesDep) -> BatchObject:
    """Each line is `{"custom_id": …, "method": "POST", "url": <endpoint>, "body": {…}}`. What is wrong with the file is
    told at once, as `failed` with `errors`; what is wrong with one body goes into the file of errors."""
    await caller.count_request()
    file = await batches.files.get(asked.input_file_id)
    if file is None or file.owner != caller.owner:
        raise NotFound(f"there is no file {asked.input_file_id!r}, or it has expired", code="file_not_found")
    if file.purpose != "batch":
        raise Unsupported("`input_file_id` is a file whose purpose is `batch`")
    if file.expires_at.timestamp() < time.time() + WINDOW_S:
        raise Unsupported("the file expires before the batch may end; send it again")
    data = b"".join([part async for part in batches.files.content(file.id)])
    lines, errors = await asyncio.to_thread(checked, data, asked.endpoint)
    return (await batches.create(caller.owner, asked, len(lines), errors)).told


@router.get("", responses=envelopes(404, 422, 503), summary="The batches that are kept")
async def read_all(
    caller: CallerDep,
    batches: BatchesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> BatchList:
    """Newest first. `after` is the last batch of the page before."""
    found = [batch.told for name in await batches.names(caller.owner) if (batch := await batches.get(name))]
    page, more = page_after(found, after, limit)
    return BatchList(
        data=list(page), first_id=page[0].id if page else None, last_id=page[-1].id if page else None, has_more=more
    )


@router.get("/{batch_id}", responses=envelopes(404, 503), summary="A batch as it stands")
async def read(batch_id: str, caller: CallerDep, batches: BatchesDep) -> BatchObject:
    """`request_counts` tells how far it is."""
    return (await _existing(batch_id, caller, batches)).told


@router.post("/{batch_id}/cancel", responses=envelopes(404, 409, 503), summary="Cancel a batch")
async def cancel(batch_id: str, caller: CallerDep, batches: BatchesDep) -> BatchObject:
    """What waits is not asked; what is underway stops; what has been answered is kept, and can be had."""
    batch = await _existing(batch_id, caller, batches)
    if batch.told.status in ENDED:
        raise Conflict(f"the batch has ended: it is {batch.told.status}", code="batch_ended")
    await batches.mark(batch.id, "cancelling_at")
    if batch.told.status is BatchStatus.VALIDATING:
        await batches.end(batch, "cancelled_at")
    return (await _existing(batch_id, caller, batches)).told


async def _existing(batch_id: str, caller: CallerDep, batches: BatchesDep) -> BatchRecord:
    batch = await batches.get(batch_id)
    if batch is None or not caller.sees(batch.owner):
        raise NotFound(f"there is no batch {batch_id!r}, or it is kept no more", code="batch_not_found")
    return batch
