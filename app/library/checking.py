"""Asks of a folder whether it can be served, in a process of its own (`models.admission`): this one has no torch."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from app.http.errors import Invalid, Unavailable

CHECK_S = 300
"""How long a model may take to be read."""
_CHECKING = asyncio.Semaphore(1)
"""One at a time: each takes the memory of its model."""


async def check(folder: Path, limit: int) -> None:
    """Unpacks the zip that lies in the folder, if one does, and reads the model whole.

    Args:
        limit: bytes that the zip's files may have together.

    Raises:
        Invalid: it cannot be served; the message says why.
        Unavailable: the process was killed, as it is where memory is short.
    """
    async with _CHECKING:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "models.admission", str(folder), str(limit)),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(CHECK_S):
                told, complaint = await process.communicate()
        except TimeoutError:
            raise Invalid(f"the model was not read within {CHECK_S} s", code="model_unusable") from None
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode == 0:
        return
    if reason := told.decode(errors="replace").strip():
        raise Invalid(reason, code="model_unusable")
    last = (complaint.decode(errors="replace").strip().splitlines() or [f"status {process.returncode}"])[-1]
    raise Unavailable(f"the model could not be read through: {last}", code="check_failed")
