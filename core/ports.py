"""Ports to listen on, and the words for one that cannot be."""

import socket


def listen(host: str, port: int, setting: str, shared: bool) -> socket.socket:
    """A socket that listens.

    Args:
        setting: that has the port, for people.
        shared: other processes listen there, too; the kernel deals connections out among them (`SO_REUSEPORT`).

    Raises:
        RuntimeError: the address is taken, or is none of this machine's.
    """
    try:
        return socket.create_server((host, port), family=_family(host), backlog=2048, reuse_port=shared)
    except OSError as error:
        raise _cannot_listen(host, port, setting, error) from None


def require_free_port(host: str, port: int, setting: str) -> None:
    """Raises `RuntimeError` if a port cannot be listened on: asked before work that a taken one would waste."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _cannot_listen(host, port, setting, error) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _cannot_listen(host: str, port: int, setting: str, error: OSError) -> RuntimeError:
    return RuntimeError(f"cannot listen on {host}:{port}: {error.strerror}; set {setting}")
