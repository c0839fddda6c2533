"""The page below a path that a proxy strips: nothing on it asks for anything above."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.proxy import below


@pytest.fixture(scope="module")
def behind(start_easel):
    """The address of an Easel below a path, and that Easel."""
    with below(start_easel, "/tools/easel") as found:
        yield found


@pytest.fixture
def public(behind):
    return behind[0]


def shown(image):
    expect(image).to_be_visible()
    image.page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())


def test_the_page_works_below_a_path(visit, public):
    page = visit("#/models", url=public)
    asked = []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    shown(page.locator("img").first)
    page.goto(f"{public}/#/make/toy-cgan/conditional?label=7&seed=1")
    page.get_by_role("button", name="Sample a class").click()
    shown(page.locator(".tile img").first)
    symbols = page.locator("svg use").evaluate_all(
        "all => all.map((one) => new URL(one.getAttribute('href'), location).pathname)"
    )
    assert symbols
    assert set(symbols) == {"/tools/easel/web/icons.svg"}
    assert page.evaluate("document.fonts.ready.then((fonts) => [...fonts].some((one) => one.status === 'loaded'))")
    page.get_by_role("button", name="Copy as code").click()
    expect(page.locator("#code")).to_contain_text(f"{public}/v1/predictions")
    assert asked
    strayed = [each.path for each in asked if each.scheme == "http" and not each.path.startswith("/tools/easel/")]
    assert not strayed


def test_a_predictions_short_address_leads_to_its_page(visit, public):
    page = visit("", url=public)
    made = page.evaluate(
        "fetch('v1/predictions', {method: 'POST', headers: {'Content-Type': 'application/json', Prefer: 'wait=30'},"
        " body: JSON.stringify({model: 'mnist-cgan', input: {label: 7, seed: 1}})}).then((answer) => answer.json())"
    )
    page.goto(f"{public}/p/{made['id']}")
    expect(page).to_have_url(f"{public}/#/p/{made['id']}")
    shown(page.locator("main img").first)


def test_the_page_works_at_the_servers_own_address_too(visit, behind):
    _, easel = behind
    page = visit("#/make/toy-cgan/conditional?label=7&seed=1", url=easel.url)
    page.get_by_role("button", name="Sample a class").click()
    shown(page.locator(".tile img").first)


@pytest.mark.parametrize("name", ["docs", "redoc"])
def test_the_pages_of_the_document_find_it_and_what_they_consist_of(browser, public, name):
    page = browser.new_page()
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{public}/{name}")
    expect(page.get_by_text("Pictures from generative models that you run yourself").first).to_be_visible()
    assert not failed
    page.close()
