"""An Easel that may call private addresses, and something there to call."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.receiver import Receiver, listening

WEBHOOK_SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of this test's own."""
    with listening() as opened:
        yield opened


@pytest.fixture(scope="session")
def open_client(start_shared) -> Iterator[httpx.Client]:
    """A client of an Easel that calls 127.0.0.1 and fetches pictures."""
    bounds = {"max_upload_mb": 2, "max_pixels": 1_000_000}
    easel = start_shared(**bounds, webhook_allow_private=True, fetch_images=True, webhook_secret=WEBHOOK_SECRET)
    with httpx.Client(base_url=easel.url, timeout=30) as opened:
        yield opened
