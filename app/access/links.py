"""Addresses of pictures that work without a key, for a while: for `<img>`, which sends no headers.

A key signs them. They are good for one path each, and end with the picture or with the key.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

from app.access.keys import Key


@dataclass(frozen=True)
class Link:
    """What a signed address says: until when it is good, and who says so."""

    path: str
    expires: int
    """In s since 1970."""
    key: str
    """Its id."""
    signature: str

    @classmethod
    def of(cls, request: Request) -> Link | None:
        """That of a request to look at something, if its address is a signed one."""
        expires, sig = request.query_params.get("exp", ""), request.query_params.get("sig", "")
        key, _, signature = sig.partition(".")
        if request.method not in ("GET", "HEAD") or not (expires.isdecimal() and len(expires) < 12 and signature):
            return None
        return cls(request.url.path, int(expires), key, signature)

    def signed_by(self, key: Key) -> bool:
        """Whether it is this key's, and still good."""
        return self.expires > time.time() and hmac.compare_digest(self.signature, _mac(key, self.path, self.expires))


def signed(path: str, expires: int, key: Key) -> str:
    """A path as an address that is good until `expires`, the same each time."""
    return f"{path}?exp={expires}&sig={key.id}.{_mac(key, path, expires)}"


def _mac(key: Key, path: str, expires: int) -> str:
    """By the digest of the key's token, which no one has whom the key was not given to."""
    return hmac.new(key.digest.encode(), f"{expires} {path}".encode(), sha256).hexdigest()
