"""How many connections fit into what the system lets a process open."""

from __future__ import annotations

import resource

_OTHERS = 256
"""Files, pipes and sockets that a process has open besides its connections and what these need."""
_EACH = 2
"""Descriptors of a connection: its own, and one of Redis or of a file for its request."""


def connections_that_fit(wanted: int) -> int:
    """Raises this process's limit of open files as far as is needed and allowed.

    Returns:
        How many connections may be open at once: `wanted`, or fewer if the limit cannot be raised so far; at least 1.
    """
    needed = _OTHERS + _EACH * wanted
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        allowed = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if allowed == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (allowed - _OTHERS) // _EACH))
