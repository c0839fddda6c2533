"""What is kept for a time is gone after it."""

import time

import httpx
import pytest

from tests.conftest import png


@pytest.fixture(scope="module")
def forgetful(start_easel):
    """A client of an Easel that keeps everything for 2 s."""
    with httpx.Client(base_url=start_easel(result_ttl_s=2).url, timeout=30) as client:
        yield client


def test_the_history_forgets_with_the_results(forgetful):
    asked = {"json": {"model": "toy-dcgan"}, "headers": {"Prefer": "wait=20"}}
    made = forgetful.post("/v1/predictions", **asked).json()["id"]
    assert [found["id"] for found in forgetful.get("/v1/predictions").json()["data"]] == [made]
    time.sleep(2.5)
    assert forgetful.get("/v1/predictions").json() == {"object": "list", "data": [], "next_cursor": None}


def test_uploads_expire_with_results(forgetful):
    sent = forgetful.post("/v1/uploads", content=png(), headers={"Content-Type": "image/png"})
    where = sent.headers["location"]
    assert forgetful.get(where).status_code == 200
    time.sleep(2.5)
    assert forgetful.get(where).status_code == 404
