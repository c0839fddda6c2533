"""`easel up`: Redis, APIs, workers and the deliverer as child processes that start, live and stop together."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core import logs
from core.children import start_child
from core.embedded_redis import EmbeddedRedis
from core.parts import Part
from core.ports import require_free_port
from core.settings import Settings

log = logs.get(__name__)

_RESTART_AFTER_S = 2
_GRACE_S = 60
"""How long a child may take to leave when it is told to; a worker as long again as its batch may run."""
_TELL_EVERY_S = 10
"""How often it is said what is waited for."""


@dataclass
class _Child:
    part: Part
    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    died_at: float = 0.0


class Supervisor:
    """Starts everything, restarts what dies, and stops it in order: APIs, workers, deliverer, Redis."""

    def __init__(
        self,
        settings: Settings,
        easel: Sequence[str],
        longest_batch_s: Callable[[], float],
        parts: Sequence[Part] = (),
    ):
        """
        Args:
            easel: the command whose subcommands `api`, `worker` and `deliver` are the children.
            longest_batch_s: how long a worker's batch may run, of the models of now.
            parts: what to start beside what runs elsewhere; nothing: all, with a Redis if none was named.

        Raises:
            RuntimeError: parts are to be started, but no Redis was named.
        """
        self.settings = settings
        self.longest_batch_s = longest_batch_s
        self.parts = [part for part in Part if part in parts or not parts]
        self.redis = None
        if not settings.redis_url:
            if parts:
                _ = settings.redis
            self.redis = EmbeddedRedis(settings.redis_folder, settings.redis_memory_mb)
        self._metrics: tempfile.TemporaryDirectory[str] | None = None
        self.children = [child for part in self.parts for child in self._children(part, easel)]
        self._stopping = False

    def _children(self, part: Part, easel: Sequence[str]) -> list[_Child]:
        settings = self.settings
        if part is Part.DELIVERER:
            return [_Child(part, "deliverer", [*easel, "deliver"])]
        if part is Part.API:
            count, shared = settings.api_processes, {}
            if count > 1:
                # Where the processes keep their metrics, so that each can tell the sum of all.
                self._metrics = tempfile.TemporaryDirectory(prefix="easel-")
                shared = {"EASEL_SHARE_PORT": "true", "PROMETHEUS_MULTIPROC_DIR": self._metrics.name}
            return [_Child(part, f"api-{number + 1}", [*easel, "api"], shared) for number in range(count)]
        ports = [settings.worker_metrics_port and settings.worker_metrics_port + n for n in range(settings.workers)]
        return [
            _Child(
                part,
                f"worker-{number + 1}",
                [*easel, "worker"],
                {"EASEL_WORKER_METRICS_PORT": str(port), "EASEL_WORKER_NUMBER": str(number)},
            )
            for number, port in enumerate(ports)
        ]

    def run(self, check: Callable[[str], None], announce: Callable[[], None]) -> None:
        """Runs until SIGINT, SIGTERM or SIGHUP. Calls `check(redis_url)` before API and workers are started, which may
        raise to prevent it, and `announce()` once the first prediction could be made.

        Raises:
            RuntimeError: a port is taken, or Redis does not start.
        """
        self._require_free_ports()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._request_stop)
        environment = dict(os.environ)
        if self.redis is not None:
            self.redis.start(lambda: self._stopping)
            environment["EASEL_REDIS_URL"] = self.redis.url
        try:
            check(self.redis.url if self.redis is not None else self.settings.redis)
            announced = False
            while not self._stopping:
                self._tend(environment)
                if not announced and self._ready():
                    announced = True
                    announce()
                time.sleep(0.2)
        finally:
            self._stop()

    def _tend(self, environment: dict[str, str]) -> None:
        if self.redis is not None and not self.redis.alive:
            log.error("process_died", process="redis")
            self._restart_redis(self.redis)
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                log.error("process_died", process=child.name, status=child.process.returncode)
                child.process, child.died_at = None, time.monotonic()
            if child.process is None and time.monotonic() - child.died_at > _RESTART_AFTER_S:
                child.process = start_child(child.command, env={**environment, **child.environment})

    def _restart_redis(self, redis: EmbeddedRedis) -> None:
        try:
            redis.start(lambda: self._stopping)
        except RuntimeError as error:  # of a full disk, say; the others wait for it
            log.error("redis_not_started", reason=str(error))
            time.sleep(_RESTART_AFTER_S)

    def _stop(self) -> None:
        for part in self.parts:
            running = {child.name: child.process for child in self.children if child.part is part and child.process}
            for process in running.values():
                process.terminate()
            self._await_end(running, _GRACE_S + (self.longest_batch_s() if part is Part.WORKERS else 0))
        if self._metrics is not None:
            self._metrics.cleanup()
        if self.redis is not None:
            self.redis.stop()

    def _await_end(self, processes: dict[str, subprocess.Popen], grace_s: float) -> None:
        """Waits until they have left, and says for which; ends by force what has not left after `grace_s`."""
        began, told = time.monotonic(), 0.0
        while running := {name: process for name, process in processes.items() if process.poll() is None}:
            waited = time.monotonic() - began
            if waited > grace_s:
                for name, process in running.items():
                    log.error("process_killed", process=name, waited_s=round(waited))
                    process.kill()
                    process.wait()
            elif waited - told > _TELL_EVERY_S:
                told = waited
                log.info("processes_finish", waited_for=[*running], waited_s=round(waited), most_s=round(grace_s))
            time.sleep(0.05)

    def _request_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _require_free_ports(self) -> None:
        first, ports = self.settings.worker_metrics_port, {}
        if Part.API in self.parts:
            ports[self.settings.port] = "EASEL_PORT"
        if Part.WORKERS in self.parts and first:
            ports |= {first + number: "EASEL_WORKER_METRICS_PORT" for number in range(self.settings.workers)}
        for port, setting in ports.items():
            require_free_port(self.settings.host, port, setting)

    def _ready(self) -> bool:
        if Part.API not in self.parts:
            return True
        wanted = "?worker=1" if Part.WORKERS in self.parts else ""
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "::") else self.settings.host
        try:
            with urllib.request.urlopen(f"http://{host}:{self.settings.port}/readyz{wanted}", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False
