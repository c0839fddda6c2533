"""Names of objects, where a store keeps pictures, latents and signed files instead of Redis (`EASEL_STORE`).

`20261128T0740/<prediction>/0-<digest>.png`: a folder at the top holds what expires by that minute (UTC), so that what
has expired is found by the names of few folders. Names of images carry their digest: a prediction that is run twice
never changes a file that its record tells of.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from jobs.prediction import Image

_EXPIRY = "%Y%m%dT%H%M"
_FOLDER = re.compile(r"\d{8}T\d{4}")
_GRAIN_S = 600
"""Folders expire at times so far apart."""
_MARGIN_S = 600
"""So much later than what lies in them, since it counts from an end that is committed after the files are put."""


def folder(name: str, ttl_s: int) -> str:
    """Where the files of what expires in `ttl_s` are put now."""
    at = datetime.now(UTC).timestamp() + ttl_s + _MARGIN_S + _GRAIN_S
    expires = datetime.fromtimestamp(at - at % _GRAIN_S, UTC)
    return f"{expires.strftime(_EXPIRY)}/{name}"


def has_expired(top: str) -> bool:
    """Whether a folder at the top holds only what has expired; False of folders that are not ours."""
    return bool(_FOLDER.fullmatch(top)) and top <= datetime.now(UTC).strftime(_EXPIRY)


def image_object(folder: str, index: int, image: Image) -> str:
    """An image as it was made."""
    return f"{folder}/{index}-{image.sha256[:16]}.{image.format}"


def latents_object(folder: str) -> str:
    """The latents of all images, as in `keys.latents_key`."""
    return f"{folder}/latents"


def signed_object(folder: str, name: str) -> str:
    """A file that was signed at delivery."""
    return f"{folder}/signed/{name}"
