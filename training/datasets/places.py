"""Where data sets are, and where what was decoded of them is kept."""

import os
from pathlib import Path


def archives() -> Path:
    """The zips of the sets that recipes name: `EASEL_DATASETS`, or `data/` in the current folder."""
    return Path(os.environ.get("EASEL_DATASETS", "data"))


def cache() -> Path:
    """Decoded pictures: `EASEL_CACHE`, or `~/.cache/easel`. It may be deleted whenever nothing trains."""
    return Path(os.environ.get("EASEL_CACHE") or Path.home() / ".cache" / "easel")
