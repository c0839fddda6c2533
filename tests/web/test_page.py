"""The playground as a page: its policy, its weight, its reach, and who can use it."""

import os
import re
import subprocess
import sys
from importlib import resources

import httpx
import pytest
from playwright.sync_api import expect

SECTIONS = {
    "models": "#/models",
    "model": "#/models/toy-vae",
    "made": "#/make/toy-cgan/conditional?label=3&n=4&seed=1",
    "pictures": "#/make/toy-vae/vary",
    "translate": "#/translate/toy-cyclegan",
    "explore": "#/explore",
    "queue": "#/queue",
}
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
@pytest.mark.parametrize("section", SECTIONS)
def test_axe_finds_nothing_serious_and_nothing_sticks_out(visit, section, width, dark):
    page = visit(SECTIONS[section], width=width, dark=dark)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    told = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_dialog_is_accessible_too(visit):
    page = visit(SECTIONS["made"])
    page.get_by_role("button", name="Enlarge seed 1", exact=True).click()
    page.evaluate(AXE)
    assert [one["id"] for one in page.evaluate("axe.run('dialog')")["violations"]] == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(easel):
    for path in ("/", "/web/js/main.js", "/v1/models"):
        policy = httpx.get(easel.url + path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy


def test_inline_code_does_not_run_even_if_it_gets_into_the_page(visit):
    page = visit(expected=("This document requires 'TrustedScript' assignment",))
    ran = page.evaluate(
        """() => {
        const script = document.createElement("script");
        try { script.textContent = "window.ran = true"; } catch { return "refused"; }
        document.head.append(script);
        return String(window.ran);
    }"""
    )
    assert ran == "refused"


def test_the_interactive_documentation_still_works(visit):
    page = visit("docs")
    expect(page.locator(".opblock").first).to_be_visible()


def test_first_paint_weighs_less_than_200_kb(visit):
    page = visit("#/models")
    expect(page.get_by_role("heading", name="toy-vae")).to_be_visible()
    weight = page.evaluate(
        """() => {
        const painted = performance.getEntriesByName("first-contentful-paint")[0].startTime;
        const all = ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind));
        const sum = (some) => some.reduce((total, one) => total + one.transferSize, 0);
        return {
            before: sum(all.filter((one) => one.responseEnd <= painted)),
            page: sum(all.filter((one) => one.initiatorType !== "img")),
        };
    }"""
    )
    assert 0 < weight["before"] < 200_000
    assert weight["page"] < 200_000


def test_the_page_is_asked_for_again_and_not_sent_again(client):
    first = client.get("/web/css/base.css")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/web/css/base.css", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    plain = client.get("/web/css/base.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert (plain.text, first.headers["content-encoding"]) == (first.text, "gzip")
    assert plain.headers["etag"] != first.headers["etag"]


def test_light_and_dark_follow_the_system_until_somebody_chooses(visit):
    page = visit(dark=True)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Switch between light and dark").click()
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    assert page.evaluate(background) == light


def test_everything_on_the_way_to_a_picture_and_its_code_works_by_keyboard(visit):
    page = visit("#/models")
    expect(page.get_by_role("heading", name="toy-cgan")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Translate")).to_be_visible()
    page.goto(f"{page.url.split('#')[0]}#/make/toy-cgan")
    page.get_by_label("9").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("8")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Count", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copy as code")).to_be_visible()
    page.get_by_role("button", name="Copy as code").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel")).to_contain_text("import json")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_section_that_is_left_cannot_take_its_address_back(visit):
    page = visit("#/translate")
    expect(page.get_by_role("heading", level=1, name="Translate")).to_be_visible()
    page.evaluate("location.hash = '#/make/toy-cgan'; history.replaceState(null, '', '#/translate/toy-cyclegan')")
    expect(page.get_by_role("heading", level=1, name="Make")).to_be_visible()
    expect(page).to_have_url(re.compile("#/make/toy-cgan$"))


def test_a_key_is_asked_for_once_and_kept_in_the_tab(visit, start_easel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    guarded = start_easel(data_dir=folder, auth="required")
    made = subprocess.run(
        [sys.executable, "-m", "cli", "keys", "create", "page"],
        env={**os.environ, "EASEL_DATA_DIR": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    page = visit("#/make/toy-cgan/conditional?label=3&n=2&seed=1", url=guarded.url, expected=(401, 403))
    key = page.get_by_role("textbox", name="API key")
    key.fill("ek_wrong")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("unknown or was revoked")).to_be_visible()
    key.fill(made.stdout.strip())
    page.get_by_role("button", name="Use this key").click()
    first = page.locator(".tile img").first
    expect(first).to_have_js_property("naturalWidth", 28)
    page.get_by_role("link", name="Queue").click()
    expect(page.get_by_text("2 pictures in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 1
    guarded.stop()
