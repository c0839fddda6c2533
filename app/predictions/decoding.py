"""Where pictures are decoded: ordinary ones in threads, all others in processes that have a budget and can be ended.

Keys take turns, and none has all threads or all processes, so that a key's pictures hold up its own alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from typing import Any, BinaryIO

from app.http.errors import Unavailable
from app.predictions.turns import Turns
from core import logs
from pictures import codec, decoder

log = logs.get(__name__)

CPU_S = 10
WALL_S = 30
"""What one picture may take, of a core and by the clock."""
BASE_BYTES = 768 * 2**20
PIXEL_BYTES = 48
"""Address space of one process: a base, and more for each pixel that a picture may have."""
THREADS, THREADS_PER_KEY = 3, 2
PROCESSES, PROCESSES_PER_KEY = 2, 1
"""Pictures that are decoded at once, and how many of them may be of one key."""
WAIT_S = 20
"""How long a costly picture waits for its turn."""


class Decoders:
    """Those of one API process."""

    def __init__(self) -> None:
        self._threads = Turns(THREADS, THREADS_PER_KEY)
        self._processes = Turns(PROCESSES, PROCESSES_PER_KEY)

    async def run(self, owner: str, function: Callable[..., Any], file: bytes | BinaryIO, *arguments: Any) -> Any:
        """What a function of `pictures.codec` makes of a file, and of `arguments`, of which `max_pixels` is an `int`.

        Raises:
            BadPicture, TooLargePicture: as the function does; also of a picture that takes too much time or memory.
            Unavailable: too many costly pictures are under way.
        """
        stream = BytesIO(file) if isinstance(file, bytes) else file
        most = next(each for each in arguments if isinstance(each, int) and not isinstance(each, bool))
        async with self._threads.of(owner):
            if await asyncio.to_thread(codec.is_ordinary, stream, most):
                stream.seek(0)
                return await asyncio.to_thread(function, file, *arguments)
        stream.seek(0)
        data = file if isinstance(file, bytes) else await asyncio.to_thread(file.read)
        async with self._processes_of(owner):
            return await self._in_process(decoder.packed(function.__name__, data, *arguments), most)

    @asynccontextmanager
    async def _processes_of(self, owner: str) -> AsyncIterator[None]:
        """Holds one of the processes.

        Raises:
            Unavailable: none is free soon.
        """
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._processes.of(owner, WAIT_S))
            except TimeoutError:
                detail = "other costly pictures are being read; small PNGs and JPEGs do not wait for them"
                raise Unavailable(detail, code="decoders_busy", retry_after_s=WAIT_S) from None
            yield

    async def _in_process(self, request: bytes, max_pixels: int) -> Any:
        memory = BASE_BYTES + PIXEL_BYTES * max_pixels
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", decoder.__name__, str(memory), str(CPU_S)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        try:
            async with asyncio.timeout(WALL_S):
                answer, _ = await process.communicate(request)
        except TimeoutError:
            answer = b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0 and answer:
            return decoder.unpacked(answer)
        log.warning("decoder_ended", status=process.returncode)
        raise codec.BadPicture("picture_too_costly", decoder.TOO_COSTLY)
