"""A load generator that costs little: raw HTTP/1.1 over kept connections, closed loop, one request each at a time."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools
import uvloop

Body = Callable[[int], bytes]
"""The body of the request of a number."""


@dataclass
class Result:
    """What one run of load saw. Latencies are seconds, in the order in which answers came."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    """Answers that were not 2xx."""
    client_cpu_s: float = 0.0
    server_cpu_s: dict[str, float] = field(default_factory=dict)
    """By part of the server, if somebody looked."""

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the answers came."""
        return sorted(self.latencies)[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


class _Connection(asyncio.Protocol):
    """One connection that sends a request whenever the one before is answered."""

    def __init__(self, run: _Run):
        self.run = run

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.began = time.perf_counter()
        self.transport.write(self.run.request())

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.run.answered(self.parser.get_status_code(), time.perf_counter() - self.began):
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost(error)


class _Run:
    def __init__(self, head: bytes, body: Body, connections: int, seconds: float):
        self.head, self.body, self.open = head, body, connections
        self.sent = 0
        self.result = Result(seconds)
        self.until = time.perf_counter() + seconds
        self.done = asyncio.get_running_loop().create_future()

    def request(self) -> bytes:
        body = self.body(self.sent)
        self.sent += 1
        return self.head % len(body) + body

    def answered(self, status: int, latency: float) -> bool:
        """Notes an answer; False when time is up."""
        if time.perf_counter() >= self.until:
            return False
        if 200 <= status < 300:
            self.result.latencies.append(latency)
        else:
            self.result.refused += 1
        return True

    def lost(self, error: Exception | None) -> None:
        self.open -= 1
        if self.open == 0:
            self.done.set_result(None)


async def _drive(port: int, head: bytes, body: Body, connections: int, seconds: float) -> Result:
    run = _Run(head, body, connections, seconds)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    await asyncio.wait_for(run.done, seconds + 60)
    return run.result


def drive(port: int, path: str, body: Body, connections: int, seconds: float, accept: str = "image/png") -> Result:
    """POSTs JSON bodies to 127.0.0.1 over so many connections for so long, and says what came back."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: {accept}\r\n"
        "Content-Length: %d\r\n\r\n"
    ).encode()
    before = resource.getrusage(resource.RUSAGE_SELF)
    result = uvloop.run(_drive(port, head, body, connections, seconds))
    after = resource.getrusage(resource.RUSAGE_SELF)
    result.client_cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result
