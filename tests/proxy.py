"""A reverse proxy on 127.0.0.1 that serves an Easel below a path, which it strips."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conftest import Easel, Start

_OWN = {"connection", "transfer-encoding", "keep-alive", "date", "server"}
"""Headers of a connection, not of what goes over it."""


@contextmanager
def below(start: Start, path: str, **settings: object) -> Iterator[tuple[str, Easel]]:
    """An Easel that knows its address behind the proxy; that address, and the Easel."""
    backend = ""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{path}/"):
                self.send_error(404, "nothing but Easel is here, below its path")
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = HTTPConnection(backend, timeout=60)
            sent = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            connection.request(self.command, self.path.removeprefix(path), body or None, sent)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.end_headers()
            try:
                while part := answer.read1():
                    self.wfile.write(part)
                    self.wfile.flush()
            except OSError:  # the client has left
                pass
            connection.close()

        do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    public = f"http://127.0.0.1:{server.server_port}{path}"
    easel = start(public_url=public, **settings)
    backend = easel.url.removeprefix("http://")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield public, easel
    server.shutdown()
    server.server_close()
