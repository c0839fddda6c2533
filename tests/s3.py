"""A real S3 server for tests: moto's, in a virtual environment of its own (`make store`), since its dependencies do not
agree with Easel's."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port

PYTHON = Path(__file__).parents[1] / ".easel" / "moto" / "bin" / "python"
BUCKET = "pictures"


class S3:
    """A server that can be stopped and started again, empty, and the environment in which Easel finds it."""

    def __init__(self, log: Path):
        self.port, self.log = free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "easel",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_REGION": "eu-central-1",
        }
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """With one bucket."""
        command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("a") as sink:
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            self.process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                httpx.put(f"{self.url}/{BUCKET}").raise_for_status()
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self) -> None:
        """Forgets all."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def names(self) -> list[str]:
        """Of all objects."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2"}).text
        return [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]


@contextmanager
def serving(folder: Path) -> Iterator[S3]:
    """A running server; skips the test where there is none to run."""
    if not PYTHON.exists():
        pytest.skip("`make store` installs an S3 server")
    server = S3(folder / "s3.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()
