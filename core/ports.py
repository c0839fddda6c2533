"""Whether a port can be listened on: asked before a process does work that a taken one would waste."""

import socket


def require_free_port(host: str, port: int, setting: str) -> None:
    """Raises `RuntimeError` if a port cannot be listened on, and names the setting that has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RuntimeError(f"cannot listen on {host}:{port}: {error.strerror}; set {setting}") from None
