"""What stays: a prediction's own page, requests that outlive a reload, and the results that a browser keeps."""

from __future__ import annotations

import io
import re
import zipfile

import httpx
from playwright.sync_api import expect

from tests.conftest import pixels_of, png


def test_an_address_names_its_prediction_and_a_reload_shows_it_again_without_asking(visit, easel):
    page = visit("#/make/toy-cgan/conditional?label=3&n=4")
    page.get_by_role("button", name="Sample a class").click()
    expect(page.locator(".tile img")).to_have_count(4)
    expect(page).to_have_url(re.compile(r"[?&]p=[0-9a-f]{32}$"))
    before = [one.get_attribute("src") for one in page.locator(".tile img").all()]
    page.reload()
    expect(page.locator(".tile img")).to_have_count(4)
    assert [one.get_attribute("src") for one in page.locator(".tile img").all()] == before


def test_a_prediction_has_a_page_with_recipe_code_and_the_way_to_change_it(visit, easel):
    id = httpx.post(
        f"{easel.url}/v1/predictions",
        json={"model": "toy-cgan", "input": {"label": 3, "seed": 77, "n": 2}},
        headers={"Prefer": "wait=30"},
    ).json()["id"]
    page = visit(f"p/{id}")
    expect(page.get_by_role("heading", name="The recipe")).to_be_visible()
    assert page.url.endswith(f"/#/p/{id}")
    expect(page.locator(".tile img")).to_have_count(2)
    expect(page.get_by_text(id)).to_be_visible()
    page.get_by_role("button", name="Copy as code").click()
    expect(page.get_by_role("tabpanel")).to_contain_text('"seed":77')
    page.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Change and make it again").click()
    expect(page).to_have_url(re.compile(r"#/make/toy-cgan/conditional\?.*seed=77"))


def test_the_page_of_a_prediction_that_nobody_knows_says_so(visit):
    page = visit("p/nobody", expected=(404,))
    expect(page.get_by_role("alert")).to_contain_text("Not found")


def test_a_reload_in_the_middle_goes_on(visit, easel):
    page = visit("#/make/toy-diffusion/conditional?label=1&n=32&steps=100")
    page.get_by_role("button", name="Sample a class").click()
    expect(page.get_by_text(re.compile(r"Step \d+ of \d+"))).to_be_visible()
    id = page.url.rpartition("p=")[2]
    page.reload()
    expect(page.locator(".tile img")).to_have_count(32)
    assert f"/{id}/" in page.locator(".tile img").first.get_attribute("src")
    assert httpx.get(f"{easel.url}/v1/predictions/{id}").json()["status"] == "succeeded"


def test_a_translation_is_shown_again_beside_the_picture_that_went_in(visit):
    page = visit("#/translate/toy-cyclegan?direction=AtoB")
    given = png(32)
    page.locator("#source").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": given})
    expect(page.get_by_alt_text("Before: mine.png")).to_be_visible()
    expect(page.get_by_role("link", name="Its page")).to_be_visible()
    after = page.locator("compare-slider .after").get_attribute("src")
    page.reload()
    expect(page.get_by_alt_text("Before: mine.png")).to_be_visible()
    expect(page.locator("compare-slider img.after")).to_have_attribute("src", after)


def test_back_is_where_one_was(visit):
    page = visit("#/models")
    link = page.get_by_role("article").last.get_by_role("link")
    link.scroll_into_view_if_needed()
    page.wait_for_function("() => scrollY > 500")
    place = page.evaluate("scrollY")
    link.click()
    expect(page.get_by_role("heading", name="The card")).to_be_visible()
    page.wait_for_function("() => scrollY === 0")
    page.go_back()
    page.wait_for_function(f"() => Math.abs(scrollY - {place}) < 5")


def made(visit):
    """A page of kept results: two digits."""
    page = visit("#/make/toy-cgan/conditional?label=3&n=2&seed=5")
    expect(page.locator(".tile img")).to_have_count(2)
    page.get_by_role("link", name="Yours").click()
    expect(page.locator(".kept")).to_have_count(2)
    return page


def test_results_stay_are_starred_compared_exported_and_deleted(visit):
    page = made(visit)
    page.get_by_role("button", name="Star toy-cgan, seed 6").click()
    page.reload()
    expect(page.get_by_role("button", name="Take the star from toy-cgan, seed 6")).to_be_visible()
    page.get_by_label("Choose toy-cgan, seed 5").check()
    page.get_by_label("Choose toy-cgan, seed 6").check()
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.locator("compare-slider img")).to_have_count(2)
    page.get_by_role("button", name="Close").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as ZIP").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert [name.partition("-")[2] for name in names] == ["toy-cgan-5.png", "toy-cgan-6.png"]
        assert pixels_of(archive.read(names[0])).shape[:2] == (28, 28)
    page.get_by_label("Choose toy-cgan, seed 5").uncheck()
    page.get_by_label("Choose toy-cgan, seed 6").uncheck()
    page.get_by_role("button", name="Delete all without a star").click()
    page.get_by_role("button", name="Delete 1 picture").click()
    expect(page.locator(".kept")).to_have_count(1)
    page.reload()
    expect(page.locator(".kept")).to_have_count(1)


def test_a_kept_result_goes_where_it_fits(visit):
    page = made(visit)
    page.get_by_role("button", name="Enlarge toy-cgan, seed 5").click()
    page.get_by_role("button", name="Use as input").click()
    uses = page.locator(".uses button")
    assert 2 <= uses.count() <= 14
    page.get_by_role("button", name="Enlarge", exact=True).click()
    expect(page).to_have_url(re.compile("#/make/.*/upscale"))
    expect(page.locator("picture-input .thumbs .thumb").first).to_be_visible()


def test_a_dropped_picture_says_what_made_it(visit, easel):
    answer = httpx.post(f"{easel.url}/v1/sample/toy-cgan", data={"label": "7", "seed": "4096"})
    page = visit("#/kept")
    chooser = page.locator(".restorer input")
    chooser.set_input_files({"name": "any.png", "mimeType": "image/png", "buffer": png(8)})
    expect(page.get_by_text("does not say what made it")).to_be_visible()
    chooser.set_input_files({"name": "made.png", "mimeType": "image/png", "buffer": answer.content})
    expect(page).to_have_url(re.compile(r"#/make/toy-cgan/conditional\?.*label=7"))
    expect(page).to_have_url(re.compile("seed=4096"))
    expect(page.locator(".tile img")).to_have_count(1)


def test_several_pictures_are_one_request_each_and_one_sheet(visit, easel):
    page = visit("#/make/toy-edsr/upscale")
    files = [{"name": f"p{index}.png", "mimeType": "image/png", "buffer": png(16)} for index in range(3)]
    page.locator("picture-input input[type=file]").first.set_input_files(files)
    page.get_by_role("button", name="Enlarge").click()
    expect(page.get_by_text("3 pictures in")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Sheet").click()
    sheet = pixels_of(download.value.path().read_bytes())
    with page.expect_download() as download:
        page.get_by_role("button", name="ZIP").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert archive.namelist() == ["0001-p0.png", "0002-p1.png", "0003-p2.png"]
        side = pixels_of(archive.read("0001-p0.png")).shape[0]
    assert sheet.shape[:2] == (2 * side, 2 * side)
