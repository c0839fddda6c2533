"""What a machine found out about models, kept on disk so that the next worker need not measure it again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from core import logs
from workers.exactness import Verdicts

log = logs.get(__name__)


class Measurements:
    """Which batch sizes agree, by weights and forward pass: of this machine and these libraries, which decide it. Of a
    pass that is compiled (`tasks.compilation`), that it agrees with torch. And how long loads took.

    A folder that cannot be read or written costs a measurement, and no more.
    """

    def __init__(self, folder: Path | None, *circumstances: object):
        """
        Args:
            folder: where they lie; without one, nothing is kept.
            circumstances: what else decides it: the device, the threads.
        """
        told = (_processor(), version("torch"), version("onnxruntime"), version("easel"), *map(str, circumstances))
        self.folder = folder and folder / hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]

    def read(self, weights: str, forward_pass: str) -> Verdicts:
        """What is known of a forward pass with these weights."""
        found = self._all(weights).get(forward_pass, {})
        return {int(size): agrees for size, agrees in found.items()}

    def write(self, weights: str, forward_pass: str, verdicts: Verdicts) -> None:
        """Keeps what was measured, beside what others have."""
        if self.folder is None:
            return
        known = self._all(weights)
        known[forward_pass] = {**known.get(forward_pass, {}), **{str(size): each for size, each in verdicts.items()}}
        self._keep(self._path(self.folder, weights), json.dumps(known))

    def load_s(self, weights: str) -> float | None:
        """Seconds that loading these weights took the last time; None if that is not known."""
        if self.folder is None:
            return None
        try:
            return float(self._load_path(self.folder, weights).read_text())
        except (OSError, ValueError):
            return None

    def write_load(self, weights: str, seconds: float) -> None:
        """Keeps how long loading these weights took."""
        if self.folder is not None:
            self._keep(self._load_path(self.folder, weights), f"{seconds:.3f}")

    def _keep(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}")
            beside.write_text(text)
            beside.replace(path)
        except OSError as error:
            log.warning("measurements_not_kept", reason=str(error))
            self.folder = None

    def _all(self, weights: str) -> dict[str, dict[str, bool]]:
        if self.folder is None:
            return {}
        try:
            return json.loads(self._path(self.folder, weights).read_bytes())
        except (OSError, ValueError):
            return {}

    @staticmethod
    def _path(folder: Path, weights: str) -> Path:
        return folder / f"{weights}.json"

    @staticmethod
    def _load_path(folder: Path, weights: str) -> Path:
        return folder / f"{weights}.load"


def _processor() -> str:
    """Name and abilities of the processor, as Linux tells them."""
    told = []
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    for wanted in ("model name", "flags", "Features"):
        told += [line for line in lines if line.startswith(wanted)][:1]
    return "\n".join(told)
