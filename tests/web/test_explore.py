"""Explore: a drag asks for pictures, as fast as they come and no faster."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import expect

from tests.redis_servers import wait_for
from tests.web.test_sections import halted


def shown(page):
    return page.locator(".shown img").evaluate("e => e.src")


def test_the_corners_are_samples_and_the_knob_goes_between_them(visit):
    page = visit("#/explore/toy-dcgan?seed=4")
    knob = page.get_by_role("slider", name=re.compile("Place in the plane"))
    expect(page.locator(".shown img")).to_be_visible()
    corner = page.get_by_alt_text("Corner 1").evaluate("e => e.src")
    middle = shown(page)
    assert middle != corner
    knob.focus()
    for key in ["ArrowLeft", "ArrowUp"] * 10:
        page.keyboard.press(key)
    expect(knob).to_have_attribute("aria-valuetext", "0 percent across, 0 percent down")
    page.wait_for_function("src => document.querySelector('.shown img').src !== src", arg=middle)
    expect(page.get_by_alt_text("-3", exact=True)).to_be_visible()
    pixels = """async (selector) => {
        const bitmap = await createImageBitmap(document.querySelector(selector));
        const context = new OffscreenCanvas(28, 28).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        return Array.from(context.getImageData(0, 0, 28, 28).data);
    }"""
    page.wait_for_timeout(300)
    apart = np.abs(
        np.subtract(page.evaluate(pixels, ".shown img"), page.evaluate(pixels, "latent-plane .corner-0 img"))
    )
    assert apart.max() <= 1
    assert "seed=4" in page.url


def test_a_walk_plays_and_stops(visit):
    page = visit("#/explore/toy-vae?seed=4")
    expect(page.locator(".shown img")).to_be_visible()
    page.get_by_role("button", name="Walk around the four").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    first = shown(page)
    page.wait_for_function("src => document.querySelector('.shown img').src !== src", arg=first)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Walk around the four")).to_be_visible()


def test_a_label_belongs_to_the_plane(visit):
    page = visit("#/explore/toy-cgan?seed=4&label=1")
    before = page.get_by_alt_text("Corner 1").evaluate("e => e.src")
    page.get_by_label("2", exact=True).check()
    page.wait_for_function("src => document.querySelector('.corner-0 img').src !== src", arg=before)
    assert "label=2" in page.url


def test_a_superseded_request_is_canceled_on_the_server(visit, easel, client):
    page = visit("#/explore/toy-dcgan?seed=4")
    expect(page.get_by_alt_text("-3", exact=True)).to_be_visible()
    knob = page.get_by_role("slider", name=re.compile("Place in the plane"))
    with halted(easel):
        knob.focus()
        with page.expect_request(lambda request: request.method == "PUT") as first:
            page.keyboard.press("ArrowLeft")
        with page.expect_response(lambda answer: answer.url.endswith("/cancel")) as cancel:
            page.keyboard.press("ArrowLeft")
        assert first.value.url.rpartition("/")[2] in cancel.value.url
        assert cancel.value.json()["status"] in ("canceled", "canceling")
        middle = shown(page)
    page.wait_for_function("src => document.querySelector('.shown img').src !== src", arg=middle)


def test_what_is_dragged_through_leaves_no_history(visit, easel, client):
    """Neither what was seen nor what was superseded on the way."""
    page = visit("#/explore/toy-dcgan?seed=4")
    asked = []
    page.on("request", lambda request: asked.append(request) if request.method == "PUT" else None)
    page.reload()
    expect(page.get_by_alt_text("-3", exact=True)).to_be_visible()
    knob = page.get_by_role("slider", name=re.compile("Place in the plane"))
    with halted(easel):
        knob.focus()
        page.keyboard.press("ArrowLeft")
        with page.expect_response(lambda answer: answer.url.endswith("/cancel")):
            page.keyboard.press("ArrowLeft")
    passing = {one.url.rpartition("/")[2] for one in asked if one.post_data_json["input"].get("latent")}
    assert len(passing) >= 9  # the knob's first place, seven of the strip, and the superseded one

    def remembered() -> set[str]:
        return {one for one in passing if client.get(f"/v1/predictions/{one}").status_code != 404}

    wait_for(lambda: not remembered())
