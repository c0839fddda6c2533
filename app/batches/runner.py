"""Answers batches: takes an owner's oldest one under a lease, asks its lines as predictions of the lowest priority, a
few at a time, and notes their answers. Another process goes on where it stops, since each line has an id of its own.

Lines count as predictions and images of the owner's key, not as its requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from secrets import token_hex

from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from app.access.callers import ANYBODY, Access, Caller, Credit
from app.batches import responses
from app.batches.files import PART_BYTES
from app.batches.lines import Line, checked
from app.batches.records import Answers, BatchRecord, BatchRecords
from app.http.errors import Conflict, Problem, TooMany, Unavailable
from app.predictions.service import Predictions, RequestName, WaitPolicy
from app.schemas.batches import AnsweredLine, BatchError, Endpoint, LineError
from core import logs
from core.object_store import StoreError
from jobs import keys
from jobs.prediction import ENDED, Snapshot

log = logs.get(__name__)

LEASE_S = 15
"""A process that dies holds up its batches for so long."""
RENEW_S = 3
LOOK_S = 1
NOTE_S = 2
"""Between two notes of what has been answered: what `request_counts` lags behind."""
AT_ONCE = 64
"""Lines of one batch that are underway at most."""
MAX_IN_REDIS = 256 * 2**20
"""Bytes of a batch's output where there is no store for them."""
_QUOTA_S = 5
_QUOTA_SHARE = 0.9
"""Of the images that a key may ask for in a day, what batches take; the rest is left for other requests."""
_WAIT_S = 30
_RETRY_S = 2
_LONGEST_RETRY_S = 30


class _LeaseLost(Exception):
    """Another process may answer the batch by now."""


@dataclass(frozen=True)
class _Stop:
    """Why lines are answered no more: the time that the batch has of it, and what is said of each."""

    time_name: str
    error: LineError


_CANCELLED = _Stop("cancelled_at", LineError(code="batch_cancelled", message="the batch was cancelled before"))
_EXPIRED = _Stop("expired_at", LineError(code="batch_expired", message="the batch's 24 hours were over before"))
_FULL = _Stop(
    "completed_at",
    LineError(
        code="output_too_large",
        message=f"the batch's output has {MAX_IN_REDIS:,} bytes; more are kept where EASEL_STORE names a store",
    ),
)


class BatchAnswerer:
    """Of all API processes one answers the batches of an owner at a time."""

    def __init__(self, predictions: Predictions, access: Access, batches: BatchRecords):
        self.predictions, self.access, self.batches = predictions, access, batches
        self._running: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks for batches from now on."""
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Leaves all batches to other processes, or to the next start."""
        tasks = [*([self._looking] if self._looking else []), *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            try:
                oldest: dict[str, str] = {}
                for owner, id in await self.batches.unfinished():
                    oldest.setdefault(owner, id)
                for owner, id in oldest.items():
                    if owner not in self._running:
                        await self._take(owner, id)
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def _take(self, owner: str, id: str) -> None:
        lease = self.batches.redis.lock(keys.batch_lease_key(owner), timeout=LEASE_S, thread_local=False)
        holder = token_hex(16)
        if await lease.acquire(blocking=False, token=holder):
            task = asyncio.create_task(self._answer(owner, id, lease, holder))
            self._running[owner] = task
            task.add_done_callback(lambda _: self._running.pop(owner))

    async def _answer(self, owner: str, id: str, lease: Lock, holder: str) -> None:
        log.info("batch_taken", batch=id)
        try:
            batch = await self.batches.get(id)
            if batch is None:
                await self.batches.forget(owner, id)
            else:
                await self._run(batch, lease, holder)
        except (_LeaseLost, LockError):
            log.warning("batch_given_up", batch=id)
        except (RedisError, StoreError) as error:  # it is taken again
            log.warning("batch_interrupted", batch=id, error=str(error))
        except Exception as error:
            log.error("batch_raised", batch=id, exc_info=error)
            if batch := await self.batches.get(id):
                await self.batches.fail(batch, BatchError(code="internal_error", message="the server's log says more"))
        finally:
            with suppress(RedisError):
                await lease.release()

    async def _run(self, batch: BatchRecord, lease: Lock, holder: str) -> None:
        caller = await self._caller(batch.owner)
        if caller is None:
            error = BatchError(code="key_revoked", message="the API key of this batch was revoked")
            await self.batches.fail(batch, error)
            return
        data = b"".join([part async for part in self.batches.files.content(batch.told.input_file_id)])
        lines, errors = await asyncio.to_thread(checked, data, batch.told.endpoint)
        if errors or len(lines) != batch.told.request_counts.total:
            error = BatchError(code="input_file_gone", message="the file of requests is kept no more, or not whole")
            await self.batches.fail(batch, error)
            return
        answered = await self.batches.answered(batch.id, len(lines))
        await self.batches.mark(batch.id, "in_progress_at")
        pending = [line for line in lines if not answered[line.number]]
        await _Run(self, batch, caller, lease, holder, pending).run()

    async def _caller(self, owner: str) -> Caller | None:
        if not owner:
            return ANYBODY
        key = await self.access.keys.get(owner)
        return Caller(Credit(key, self.access.limits)) if key else None


class _Run:
    """One process's turn at a batch."""

    def __init__(
        self,
        runner: BatchAnswerer,
        batch: BatchRecord,
        caller: Caller,
        lease: Lock,
        holder: str,
        pending: Sequence[Line],
    ):
        self.batches, self.batch, self.caller = runner.batches, batch, caller
        self.predictions = runner.predictions.of(caller)
        self.lease, self.holder, self.pending = lease, holder, pending
        self.stop: _Stop | None = None
        self._output_bytes = batch.output_bytes
        self._answers: list[tuple[Line, AnsweredLine, bool]] = []
        self._size = 0
        self._noting = asyncio.Lock()
        self._open = asyncio.Event()
        self._open.set()
        self._underway: set[str] = set()

    async def run(self) -> None:
        """Answers what is pending, and ends the batch. Raises `_LeaseLost`."""
        self.stop = await self._stopping()
        if self.stop is None:
            await self._answer_all()
        if self.stop:
            await self._leave(self.stop)
        await self._note()
        await self.batches.mark(self.batch.id, "finalizing_at")
        await self.batches.end(self.batch, self.stop.time_name if self.stop else "completed_at")
        log.info("batch_ended", batch=self.batch.id, outcome=self.stop.error.code if self.stop else "completed")

    async def _answer_all(self) -> None:
        """Returns once all lines are answered, or the batch is to stop."""
        pending = iter(self.pending)
        working = asyncio.gather(*(self._work(pending) for _ in range(self._at_once())))
        tasks = [asyncio.ensure_future(task) for task in (working, self._watch(), self._keep_noting())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _at_once(self) -> int:
        """How many lines are underway: they fill neither a quarter of a queue nor half of what the key may have."""
        settings = self.predictions.settings
        most = min(AT_ONCE, settings.max_queue // 4)
        if key := self.caller.key:
            most = min(most, (key.outstanding or settings.key_outstanding) // 2)
        return max(1, most)

    async def _work(self, pending: Iterator[Line]) -> None:
        for line in pending:
            await self._open.wait()
            answer, succeeded = await self._answered(line)
            self._answers.append((line, answer, succeeded))
            self._size += len(answer.model_dump_json())
            if self._size > PART_BYTES:
                await self._note()

    async def _answered(self, line: Line) -> tuple[AnsweredLine, bool]:
        """The line's answer, and whether it is one. What passes is waited for."""
        batch, endpoint = self.batch, self.batch.told.endpoint
        name = f"{batch.id}-{line.number}"
        self._underway.add(name)
        while True:
            try:
                found = await self._predicted(line, name)
                body = await responses.body_of(endpoint, line.body, found, self.predictions)
                status = 201 if endpoint is Endpoint.PREDICTIONS else 200
                answer = responses.answered(batch.id, line.number, line.custom_id, status, body)
                break
            except _Passing as passing:
                await asyncio.sleep(passing.after_s)
            except (RedisError, StoreError):
                await asyncio.sleep(_RETRY_S)
            except Problem as problem:
                self._underway.discard(name)
                return responses.refused(batch.id, line.number, line.custom_id, problem), False
        self._underway.discard(name)
        return answer, True

    async def _predicted(self, line: Line, name: str) -> Snapshot:
        """The line's prediction, once it has ended: the one that was made before, if there is one."""
        asked = responses.request_of(self.batch.told.endpoint, line.body, self.predictions)
        try:
            found = await self.predictions.create(asked, {}, WaitPolicy(_WAIT_S), RequestName(id=name))
        except (TooMany, Unavailable, Conflict) as problem:
            raise _Passing(problem) from None
        while found.status not in ENDED:
            found = await self.predictions.wait(found.id, _WAIT_S)
        return found

    async def _watch(self) -> None:
        """Keeps the lease, until the batch is to stop."""
        renewed = looked = 0.0
        while self.stop is None:
            try:
                if time.monotonic() - renewed > RENEW_S:
                    await self.lease.reacquire()
                    renewed = time.monotonic()
                if self.caller.credit and time.monotonic() - looked > _QUOTA_S:
                    await self._heed_quota(self.caller.credit)
                    looked = time.monotonic()
                self.stop = await self._stopping()
            except LockError:
                raise _LeaseLost from None
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
            await asyncio.sleep(0 if self.stop else LOOK_S)

    async def _stopping(self) -> _Stop | None:
        found = await self.batches.get(self.batch.id)
        if found is None or found.told.cancelling_at:
            return _CANCELLED
        if time.time() > found.told.expires_at:
            return _EXPIRED
        return _FULL if self._output_bytes > MAX_IN_REDIS and self.batches.files.store is None else None

    async def _heed_quota(self, credit: Credit) -> None:
        images = (await credit.limits.usage(credit.key)).images_today
        if images.used < _QUOTA_SHARE * images.limit:
            self._open.set()
        else:
            self._open.clear()

    async def _leave(self, stop: _Stop) -> None:
        """Cancels what is underway, and answers each line that is left with the reason."""
        for name in self._underway:
            with suppress(Problem):
                await self.predictions.cancel(name)
        has = {line.number for line, _, _ in self._answers}
        answered = await self.batches.answered(self.batch.id, self.batch.told.request_counts.total)
        for line in self.pending:
            if line.number not in has and not answered[line.number]:
                left = responses.unanswered(self.batch.id, line.number, line.custom_id, stop.error)
                self._answers.append((line, left, False))

    async def _keep_noting(self) -> None:
        while True:
            await asyncio.sleep(NOTE_S)
            await self._note()

    async def _note(self) -> None:
        """Notes what was answered since the last time. Raises `_LeaseLost`."""
        async with self._noting:
            noted, size = list(self._answers), self._size
            if not noted:
                return
            output, errors = (
                "".join(
                    answer.model_dump_json() + "\n" for _, answer, succeeded in noted if succeeded is wanted
                ).encode()
                for wanted in (True, False)
            )
            await self._noted(noted, output, errors)
            del self._answers[: len(noted)]
            self._size -= size
            self._output_bytes += len(output)
        if self.batch.told.endpoint is not Endpoint.PREDICTIONS:
            await self._forget(line for line, _, succeeded in noted if succeeded)

    async def _noted(self, noted: Sequence[tuple[Line, AnsweredLine, bool]], output: bytes, errors: bytes) -> None:
        """Writes the parts, however long the store or Redis is away."""
        files, batch = self.batches.files, self.batch
        completed = sum(succeeded for _, _, succeeded in noted)
        answers = Answers(
            [line.number for line, _, _ in noted], completed, len(noted) - completed, b"", len(output), b"", len(errors)
        )
        while True:
            try:
                answers = replace(
                    answers,
                    output=await files.part(batch.output_folder, output),
                    errors=await files.part(batch.error_folder, errors),
                )
                if not await self.batches.note(batch, self.holder, answers):
                    raise _LeaseLost
                return
            except (RedisError, StoreError) as error:
                log.warning("batch_waits", batch=batch.id, error=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _forget(self, lines: Iterator[Line]) -> None:
        """Forgets predictions whose pictures are in the output, and of which nobody knows the id."""
        for line in lines:
            with suppress(Problem, RedisError, StoreError):
                await self.predictions.purge(f"{self.batch.id}-{line.number}")


class _Passing(Exception):
    """The system or the key's limits cannot take a line now."""

    def __init__(self, problem: Problem):
        super().__init__(problem.detail)
        self.after_s = min(int(problem.headers.get("Retry-After", _RETRY_S)), _LONGEST_RETRY_S)
