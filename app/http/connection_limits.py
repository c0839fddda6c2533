"""HTTP on the wire: uvicorn's protocol with bounds on how long and how large a request may be on its way."""

from __future__ import annotations

import sys
from asyncio import Transport
from asyncio.events import TimerHandle
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.http.errors import PROBLEM_JSON, HeadTooLarge, Malformed, Problem, TooSlow, Unavailable, body_of
from app.http.open_connections import OpenConnections
from core import logs

log = logs.get(__name__)

MAX_HEAD = 64 * 2**10
"""Bytes of a request line with its headers; one read of the socket more may be held."""


READ_TIMEOUT = "read_timeout_s"
"""Of the application's lifespan state: how long a head, and then a body, may take to arrive."""

WRITE_TIMEOUT = "write_timeout_s"
"""Of the application's lifespan state: in how long a client that is sent more than fits must take `TAKEN_BYTES`."""

TAKEN_BYTES = 64 * 2**10

OPEN_CONNECTIONS = "open_connections"
"""Of the application's lifespan state: the `OpenConnections` of this process."""

_FAREWELL_S = 1.0
"""How long a connection beyond the bound has to send its request, and then to read why it is refused."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads that come too slowly or grow too large, and hangs up on bodies that nobody reads (slow loris) and
    on clients that do not take what they asked for, so that their answers are let go. Of more connections than are
    served at once those that wait for a request are closed, oldest first; if there are none, the new one gets 503.

    uvicorn by itself waits for ever for the rest of a request and for a client to read, keeps a head of any size, and
    accepts connections until the system refuses.
    Bodies that a handler reads are bounded by `middleware.LimitBody`, which can still answer in the form of the route.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._read_timeout_s: float = self.app_state[READ_TIMEOUT]
        self._write_timeout_s: float = self.app_state[WRITE_TIMEOUT]
        self._open: OpenConnections = self.app_state[OPEN_CONNECTIONS]
        self._overdue: TimerHandle | None = None
        self._untaken: TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._turned_away = False

    def connection_made(self, transport: Transport) -> None:
        """A new connection is expected to send something soon, if there is room for it."""
        super().connection_made(transport)
        if self._open.admits(self, self.loop.time()):
            self._expect()
        else:
            self._turn_away()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._open.left(self)
        self._received()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Starts the clock of a request with its first byte."""
        if self._turned_away:
            self._say_farewell()
            return
        if self._overdue is None:
            self._expect()
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD:
            self._refuse(HeadTooLarge(f"the request's head exceeds {MAX_HEAD:,} bytes"))

    def on_headers_complete(self) -> None:
        """The head is in."""
        self._in_head, self._head_bytes = False, 0
        self._open.is_busy(self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is in, with its body; the next one begins with a head."""
        self._in_head = True
        self._received()
        super().on_message_complete()
        self._wait_if_idle()

    def on_response_complete(self) -> None:
        """The answer is given; unless more requests are in, the connection waits for one."""
        super().on_response_complete()
        self._wait_if_idle()

    def may_close(self) -> bool:
        """Whether all that was sent has left this process."""
        return not self.transport.get_write_buffer_size()

    def close_for_another(self) -> None:
        """Makes room: a head that has begun is answered with 503."""
        if self._head_bytes:
            self._refuse(_full())
        else:
            self.transport.close()

    def _wait_if_idle(self) -> None:
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self._in_head and not self.pipeline and not self.transport.is_closing():
            self._open.waits(self, self.loop.time())

    def _turn_away(self) -> None:
        """Has a connection that there is no room for answered with 503 once it sends something."""
        self._turned_away = True
        if self._open.holds(self):
            self._overdue = self.loop.call_later(_FAREWELL_S, self._refuse, _full())
        else:
            self._refuse(_full())

    def _say_farewell(self) -> None:
        """Answers once, and drops what still comes: closing at once would take the answer away from a client that
        sends.
        """
        if self._in_head:
            self._in_head = False
            self._received()
            self._overdue = self.loop.call_later(_FAREWELL_S, self.transport.abort)
            self._answer(_full())
            self.transport.write_eof()

    def pause_writing(self) -> None:
        """More waits for the client than the transport wants to hold: it is watched whether it takes any."""
        super().pause_writing()
        self._taken()
        self._watch(self._waiting())

    def resume_writing(self) -> None:
        """The client has taken nearly all."""
        self._taken()
        super().resume_writing()

    def _watch(self, waiting: int) -> None:
        self._untaken = self.loop.call_later(self._write_timeout_s, self._require_taken, waiting)

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _waiting(self) -> int:
        """Bytes that the client has not acknowledged: here, and in the system's buffer, which may hold megabytes."""
        sent = bytearray(4)
        with suppress(OSError):  # where sockets do not tell
            ioctl(self.transport.get_extra_info("socket").fileno(), TIOCOUTQ, sent)
        return self.transport.get_write_buffer_size() + int.from_bytes(sent, sys.byteorder)

    def _require_taken(self, waited: int) -> None:
        """Hangs up, without waiting for what is in the buffer, unless enough of it has gone."""
        waiting = self._waiting()
        if waited - waiting >= TAKEN_BYTES:
            self._watch(waiting)
        else:
            log.info("client_does_not_read", waiting=waiting)
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what is no HTTP, as a problem."""
        self._refuse(Malformed("this is not a valid HTTP request"))

    def _expect(self) -> None:
        self._overdue = self.loop.call_later(self._read_timeout_s, self._too_slow)

    def _received(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _too_slow(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect()  # a handler is at work; who waits for the body is answered by `LimitBody`
        elif self._in_head and self._head_bytes:
            self._refuse(TooSlow(f"the request's head did not arrive within {self._read_timeout_s:g} s"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answers a request that no handler will see, and hangs up."""
        if not self.transport.is_closing():
            self._answer(problem)
            self.transport.close()

    def _answer(self, problem: Problem) -> None:
        request_id = uuid4().hex
        log.info("request_refused", request=request_id, status=problem.status, code=problem.code)
        body = body_of(problem, request_id).model_dump_json().encode()
        head = {
            **problem.headers,
            "Content-Type": PROBLEM_JSON,
            "Content-Length": str(len(body)),
            "X-Request-Id": request_id,
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.transport.write(STATUS_LINE[problem.status] + lines.encode() + b"\r\n" + body)


def _full() -> Unavailable:
    return Unavailable("all connections of this process are busy", code="too_many_connections", retry_after_s=1)
