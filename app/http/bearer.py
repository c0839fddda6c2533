"""How a request carries an API key (RFC 6750)."""

from __future__ import annotations

from fastapi.security import HTTPBearer

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key, made with `easel keys create`. Where access is open, as on loopback, none is needed.",
)
