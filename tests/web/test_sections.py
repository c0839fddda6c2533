"""Each section's main path, as somebody would go it, against a real Easel."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from models.card import Card, Task
from tests import zoo
from tests.conftest import Easel, pixels_of, png


def test_models_are_searched_filtered_and_shown_in_full(visit, toy_zoo):
    page = visit("#/models")
    cards = page.get_by_role("article")
    expect(page.get_by_role("heading", name="toy-vae")).to_be_visible()
    page.get_by_label("Search the models").fill("toy-cycle")
    expect(cards).to_have_count(1)
    page.get_by_label("Search the models").fill("toy-")
    page.get_by_role("button", name="Translate").click()
    translators = sum(Task.TRANSLATE in Card.read(toy_zoo / name).tasks for name in zoo.MODELS)
    expect(cards).to_have_count(translators)
    assert page.url.endswith("#/models?q=toy-&task=translate")
    page.reload()
    expect(cards).to_have_count(translators)
    page.get_by_role("button", name="Translate").click()
    page.get_by_role("link", name="toy-vae").click()
    expect(page.get_by_role("heading", level=1, name="toy-vae")).to_be_visible()
    expect(page.get_by_text("random weights")).to_be_visible()
    expect(page.locator(".sheet")).to_have_js_property("complete", True)
    page.get_by_role("link", name="Vary").click()
    expect(page).to_have_url(re.compile("#/make/toy-vae/vary$"))


def test_a_shipped_models_card_tells_its_figures_and_limits(visit):
    page = visit("#/models/mnist-cgan")
    expect(page.get_by_text("What it does badly")).to_be_visible()
    expect(page.get_by_role("cell", name="conditional accuracy")).to_be_visible()


def test_an_attribute_is_a_slider_that_changes_the_picture(visit):
    page = visit("#/make/toy-acgan/conditional?label=1&n=1&seed=5")
    pictures = page.locator(".tile img")
    expect(pictures).to_have_count(1)
    slider = page.get_by_label("Thickness, slider")
    assert [slider.get_attribute(name) for name in ("min", "max")] == ["-3", "3"]
    assert slider.input_value() == "0"
    slider.fill("1.5")
    page.get_by_role("button", name="Sample a class").click()
    expect(pictures).to_have_count(2)
    assert "thickness=1.5" in page.url
    changed, plain = (pixels_of(httpx.get(one.evaluate("e => e.src")).content) for one in pictures.all())
    assert not np.array_equal(changed, plain)


def test_make_draws_what_was_asked_for_and_the_address_makes_it_again(visit, client):
    page = visit("#/make/toy-cgan")
    page.get_by_label("7", exact=True).check()
    page.get_by_label("Count", exact=True).fill("3")
    page.get_by_role("button", name="Sample a class").click()
    tiles = page.locator(".tile img")
    expect(tiles).to_have_count(3)
    expect(page.get_by_text("3 pictures in")).to_be_visible()
    found = re.search(r"label=7&n=3&seed=(\d+)", page.url)
    again = client.post("/v1/sample/toy-cgan", data={"label": 7, "seed": found[1]})
    assert (pixels_of(httpx.get(tiles.first.evaluate("e => e.src")).content) == pixels_of(again.content)).all()
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(tiles).to_have_count(3)
    assert (pixels_of(httpx.get(tiles.first.evaluate("e => e.src")).content) == pixels_of(again.content)).all()


def test_two_models_draw_from_one_seed_side_by_side(visit, client):
    page = visit("#/make/toy-dcgan/sample?n=2")
    page.get_by_label("Compare with").select_option("toy-gmm")
    page.get_by_role("button", name="Sample", exact=True).click()
    left, right = (page.locator(".answers .result").nth(place) for place in range(2))
    for side, model in ((left, "toy-dcgan"), (right, "toy-gmm")):
        expect(side.get_by_role("heading", name=model)).to_be_visible()
        expect(side.locator(".tile img")).to_have_count(2)
    seed = re.search(r"seed=(\d+)&beside=toy-gmm&", page.url)[1]
    for side, model in ((left, "toy-dcgan"), (right, "toy-gmm")):
        alone = client.post(f"/v1/sample/{model}", data={"seed": seed})
        shown = httpx.get(side.locator(".tile img").first.evaluate("e => e.src"))
        assert np.array_equal(pixels_of(shown.content), pixels_of(alone.content))
    assert left.bounding_box()["y"] == right.bounding_box()["y"]


def test_a_picture_is_downloaded_enlarged_and_followed_by_more_like_it(visit):
    page = visit("#/make/toy-cgan/conditional?label=2&n=2&seed=5")
    page.locator(".tile").first.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download seed 5").click()
    assert download.value.suggested_filename == "toy-cgan-5.png"
    page.get_by_role("button", name="Enlarge seed 6").click()
    expect(page.get_by_role("dialog")).to_contain_text("In the model")
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    expect(page.locator(".result:not([aria-busy])")).to_have_count(2)
    expect(page).not_to_have_url(re.compile("seed=5$"))


def test_a_made_picture_becomes_the_input_of_another_model(visit):
    page = visit("#/make/toy-cgan/conditional?label=2&n=1&seed=5")
    page.get_by_role("button", name="Enlarge seed 5").click()
    page.get_by_role("dialog").get_by_role("button", name="Use as input").click()
    page.get_by_label("Model to reconstruct with").select_option("toy-vae")
    page.locator(".uses").get_by_role("button", name="Reconstruct").click()
    expect(page.get_by_role("button", name=re.compile("^Remove"))).to_be_visible()
    page.get_by_role("button", name="Reconstruct", exact=True).click()
    expect(page.locator(".tile img")).to_have_count(1)


def test_wrong_input_is_told_beside_its_field(visit):
    page = visit("#/make/toy-cgan", expected=(422,))
    page.get_by_label("Count", exact=True).fill("65")
    page.get_by_role("button", name="Sample a class").click()
    count = page.get_by_label("Count", exact=True)
    expect(count).to_have_attribute("aria-invalid", "true")
    expect(count).to_be_focused()
    expect(page.locator("[data-field=n] .error")).to_have_text("Input should be less than or equal to 64")
    count.fill("1")
    page.get_by_role("button", name="Sample a class").click()
    expect(page.locator(".tile img")).to_have_count(1)
    expect(count).not_to_have_attribute("aria-invalid", "true")


def test_a_missing_picture_is_told_beside_its_field(visit):
    page = visit("#/make/toy-vae/reconstruct", expected=(422,))
    page.get_by_role("button", name=re.compile("^Remove")).click()
    page.get_by_role("button", name="Reconstruct", exact=True).click()
    expect(page.locator("[data-field=image] .error")).to_have_text("Field required")


def test_translate_compares_and_comes_back(visit):
    page = visit("#/translate/toy-cyclegan")
    slider = page.get_by_role("slider", name=re.compile("How much of left"))
    expect(page.get_by_alt_text("After: right")).to_have_js_property("naturalWidth", 32)
    slider.focus()
    page.keyboard.press("End")
    assert page.locator("compare-slider").evaluate("e => e.style.getPropertyValue('--at')") == "100%"
    expect(page.get_by_role("img", name=re.compile("Where the returned picture differs"))).to_be_visible()
    expect(page.locator(".cycle img").nth(3)).to_have_js_property("naturalWidth", 32)
    expect(page.get_by_text(re.compile(r"^difference, \d+\.\d % on average$"))).to_be_visible()
    page.get_by_label("right → left").check()
    expect(page.get_by_alt_text("After: left")).to_have_js_property("naturalWidth", 32)
    assert "direction=BtoA" in page.url


def test_a_translation_keeps_the_pictures_size_if_asked_to(visit, tmp_path):
    mine = tmp_path / "mine.png"
    Image.new("RGB", (50, 20), "teal").save(mine)
    page = visit("#/translate/toy-cyclegan?fit=contain")
    page.get_by_label("Picture").set_input_files(mine)
    after = page.get_by_alt_text("After: right")
    expect(after).to_have_js_property("naturalWidth", 50)
    assert page.locator("compare-slider").evaluate("e => e.style.getPropertyValue('--ratio')") == "50 / 20"
    page.get_by_label("default", exact=True).check()
    expect(after).to_have_js_property("naturalWidth", 32)
    assert "fit=none" in page.url
    page.reload()
    expect(page.get_by_label("default", exact=True)).to_be_checked()


def test_a_model_without_the_sections_task_is_told_with_what_it_does(visit):
    page = visit("#/translate/toy-vae")
    told = page.get_by_role("alert")
    expect(told).to_contain_text("toy-vae translates no pictures")
    expect(told.get_by_role("link", name="toy-pix2pix")).to_be_visible()
    told.get_by_role("link", name="Reconstruct").click()
    expect(page).to_have_url(re.compile("#/make/toy-vae/reconstruct$"))
    page.goto(f"{page.url.split('#')[0]}#/explore/toy-pix2pix")
    expect(page.get_by_role("alert")).to_contain_text("toy-pix2pix makes no pictures from a latent")


def test_the_first_press_of_a_task_that_takes_a_picture_works(visit):
    for task, verb in (("reconstruct", "Reconstruct"), ("interpolate", "Interpolate"), ("traverse", "Traverse")):
        page = visit(f"#/make/toy-vae/{task}")
        expect(
            page.get_by_role("button", name=re.compile("^Remove")).or_(page.get_by_label(re.compile("^Seed")))
        ).not_to_have_count(0)
        page.get_by_role("button", name=verb, exact=True).click()
        expect(page.locator(".tile img").first).to_have_js_property("naturalWidth", 28)


def test_what_is_given_takes_the_place_of_what_it_excludes(visit, tmp_path):
    page = visit("#/make/toy-vae/interpolate")
    seeds = page.get_by_label("Seeds", exact=True)
    expect(seeds).to_have_value(re.compile(r"^\d+, \d+$"))
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(png(28, seed=len(name)))
    page.get_by_label("Images", exact=True).set_input_files([tmp_path / "one.png", tmp_path / "two.png"])
    expect(seeds).to_have_value("")
    page.get_by_role("button", name="Interpolate", exact=True).click()
    expect(page.locator(".tile img")).to_have_count(8)
    page.get_by_role("button", name="Draw seeds").click()
    expect(page.get_by_role("button", name=re.compile("^Remove"))).to_have_count(0)


def test_a_wide_photograph_comes_back_whole(visit, tmp_path):
    wide = tmp_path / "wide.png"
    Image.new("RGB", (90, 30), "teal").save(wide)
    page = visit("#/translate/toy-munit?n=1")
    page.get_by_label("Picture").set_input_files(wide)
    after = page.get_by_alt_text("After: right")
    expect(after).to_have_js_property("naturalWidth", 90)
    expect(after).to_have_js_property("naturalHeight", 30)


@pytest.mark.parametrize(("size", "ending"), [((1600, 1200), "jpg"), ((1200, 1500), "png")])
def test_a_photograph_too_large_for_the_server_is_made_smaller(visit, tmp_path, size, ending):
    mine = tmp_path / f"mine.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(mine)
    page = visit("#/make/toy-vae/reconstruct")
    page.get_by_label("Image", exact=True).set_input_files(mine)
    note = page.get_by_text(f"Made smaller to fit this server: {size[0]} × {size[1]} to ")
    expect(note.and_(page.locator(".hint"))).to_be_visible()
    page.get_by_role("button", name="Reconstruct", exact=True).click()
    expect(page.locator(".tile img")).to_have_js_property("naturalWidth", 28)


def test_a_picture_that_is_chosen_before_the_example_has_come_stays(visit, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes(png(32))
    page = visit("#/models")
    late = []
    page.route("**/examples/*.png", lambda request: late.append(request))
    page.evaluate("location.hash = '#/translate/toy-cyclegan'")
    page.get_by_label("Picture").set_input_files(mine)
    chosen = page.get_by_alt_text("Before: mine.png")
    expect(chosen).to_be_visible()
    for request in late:
        request.continue_()
    page.wait_for_timeout(500)
    expect(chosen).to_be_visible()


def test_a_picture_is_chosen_pasted_dropped_and_refused(visit, tmp_path):
    page = visit("#/translate/toy-pix2pix", expected=(415,))
    expect(page.get_by_alt_text("After: left")).to_be_visible()
    mine = tmp_path / "mine.png"
    mine.write_bytes(png(64))
    page.get_by_label("Picture").set_input_files(mine)
    expect(page.get_by_alt_text("Before: mine.png")).to_be_visible()
    expect(page.get_by_alt_text("After: left")).to_be_visible()
    for kind, target in (("paste", "document"), ("drop", "document.querySelector('.drop')")):
        page.evaluate(
            f"""async () => {{
            const blob = await (await fetch("/v1/models/toy-pix2pix/examples/B-1.png")).blob();
            const files = new DataTransfer();
            files.items.add(new File([blob], "{kind}.png", {{type: "image/png"}}));
            const given = {{bubbles: true, cancelable: true, clipboardData: files, dataTransfer: files}};
            const event = "{kind}" === "paste" ? new ClipboardEvent("paste", given) : new DragEvent("drop", given);
            {target}.dispatchEvent(event);
        }}"""
        )
        expect(page.get_by_alt_text(f"Before: {kind}.png")).to_be_visible()
    no_picture = tmp_path / "no.png"
    no_picture.write_bytes(b"hello")
    page.get_by_label("Picture").set_input_files(no_picture)
    expect(page.get_by_role("alert").filter(has_text="not a picture")).to_be_visible()


@contextmanager
def halted(easel: Easel) -> Iterator[None]:
    """An Easel whose worker does nothing meanwhile."""
    worker = ["-P", str(easel.process.pid), "-f", "cli worker"]
    subprocess.run(["pkill", "-STOP", *worker], check=True)
    try:
        yield
    finally:
        subprocess.run(["pkill", "-CONT", *worker], check=True)


@pytest.fixture(scope="module")
def small(start_easel) -> Easel:
    """An Easel whose queues hold three."""
    return start_easel(max_queue=3)


def fill(easel: Easel) -> None:
    """Asks for pictures until the queue is full."""
    while httpx.post(f"{easel.url}/v1/predictions", json={"model": "toy-dcgan"}).status_code == 202:
        pass


def test_a_full_queue_is_told_with_the_time_to_come_back(visit, small):
    page = visit("#/make/toy-dcgan", url=small.url, expected=(503,))
    button = page.get_by_role("button", name="Sample", exact=True)
    with halted(small):
        fill(small)
        button.click()
        expect(page.get_by_role("alert").filter(has_text="Easel is busy")).to_be_visible()
        wait = page.get_by_role("button", name=re.compile(r"Try again in \d+ second"))
        expect(wait).to_be_disabled()
    again = page.get_by_role("button", name="Try again", exact=True)
    expect(again).to_be_enabled()
    again.click()
    expect(page.locator(".tile img")).to_have_count(8)


def test_the_queue_shows_what_waits_and_cancel_really_cancels(visit, small):
    with halted(small):
        fill(small)
        page = visit("#/queue?status=queued", url=small.url)
        expect(page.get_by_text("Next in line")).to_be_visible()
        expect(page.get_by_text("2 requests before this one")).to_be_visible()
        waiting = httpx.get(f"{small.url}/v1/predictions?status=queued").json()["data"]
        page.get_by_role("button", name=f"Cancel prediction {waiting[0]['id']}").click()
        expect(page.get_by_text("2 requests before this one")).to_have_count(0)
        assert httpx.get(f"{small.url}{waiting[0]['urls']['get']}").json()["status"] == "canceled"
        page.get_by_label("Status").select_option("")
    expect(page.locator(".status.queued")).to_have_count(0)
    expect(page.locator(".status.succeeded").first).to_be_visible()


def test_leaving_cancels_what_nobody_will_see(visit, small):
    with halted(small):
        page = visit("#/make/toy-vae", url=small.url)
        with page.expect_request(lambda request: request.method == "PUT") as asked:
            page.get_by_role("button", name="Sample", exact=True).click()
        page.wait_for_timeout(100)
        page.get_by_role("link", name="Models").click()
        address = f"{small.url}/v1/predictions/{asked.value.url.rpartition('/')[2]}"
        expect(page.get_by_role("heading", level=1, name="Models")).to_be_visible()
        for _ in range(50):
            status = httpx.get(address).json().get("status")
            if status in ("canceled", "canceling"):
                break
            page.wait_for_timeout(50)
        assert status in ("canceled", "canceling")


def test_forgotten_predictions_are_gone(visit, client):
    made = client.post("/v1/predictions", json={"model": "toy-dcgan"}, headers={"Prefer": "wait"}).json()
    page = visit("#/queue")
    page.get_by_role("button", name=f"Forget prediction {made['id']}").click()
    expect(page.get_by_role("button", name=f"Forget prediction {made['id']}")).to_have_count(0)
    assert client.get(made["urls"]["get"]).status_code == 404


def test_a_mask_is_painted_and_the_rest_of_the_picture_stays(visit):
    page = visit("#/make/toy-pixelcnn/inpaint")
    page.get_by_role("button", name="Take example 1").click()
    expect(page.locator(".easel img")).to_be_visible()
    page.get_by_role("button", name="Lower half").click()
    page.get_by_label("Count", exact=True).fill("1")
    page.get_by_role("button", name="Fill in", exact=True).click()
    made = page.locator(".tile img")
    expect(made).to_have_count(1)
    given = httpx.get(f"{page.url.split('#')[0]}v1/models/toy-pixelcnn/examples/image-0.png").content
    before, after = pixels_of(given), pixels_of(httpx.get(made.evaluate("e => e.src")).content)
    assert np.array_equal(before[:14], after[:14])
    assert not np.array_equal(before[14:], after[14:])


def test_a_photograph_is_painted_on_at_its_own_size_and_saved(visit, tmp_path):
    mine = tmp_path / "mine.png"
    before = np.random.default_rng(0).integers(0, 256, (100, 300, 3), np.uint8)
    Image.fromarray(before).save(mine)
    page = visit("#/make/toy-gated-conv/inpaint")
    expect(page.get_by_role("button", name=re.compile("^Remove"))).to_be_visible()
    page.get_by_label("Image", exact=True).set_input_files(mine)
    canvas = page.get_by_label("Mask: paint where to fill in")
    expect(canvas).to_have_js_property("width", 300)
    expect(canvas).to_have_js_property("height", 100)
    page.get_by_label("Brush").fill("5")
    box = canvas.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(3, rel=0.05)
    for step, place in enumerate((0.5, 0.55, 0.6)):
        page.mouse.move(box["x"] + place * box["width"], box["y"] + 0.5 * box["height"])
        if not step:
            page.mouse.down()
    page.mouse.up()
    page.get_by_role("button", name="Fill in", exact=True).click()
    made = page.locator(".tile img")
    expect(made).to_have_count(1)
    after = pixels_of(httpx.get(made.evaluate("e => e.src")).content)
    assert after.shape == before.shape
    rows, columns = np.nonzero((after != before).any(axis=2))
    assert 135 <= columns.min() < 150 and 180 <= columns.max() < 195
    assert rows.min() >= 35 and rows.max() < 65


def test_a_mask_is_painted_by_keyboard_erased_undone_inverted_and_saved(visit):
    page = visit("#/make/toy-gated-conv/inpaint")
    canvas = page.get_by_label("Mask: paint where to fill in")
    expect(canvas).to_have_js_property("width", 32)
    area = "e => e.pen.getImageData(0, 0, 32, 32).data.filter((v, i) => i % 4 === 3 && v > 127).length"
    mask = page.locator("mask-input")
    assert mask.evaluate(area) == 256
    page.get_by_role("button", name="Clear").click()
    assert mask.evaluate(area) == 0
    canvas.focus()
    for key in (" ", "ArrowRight", "ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    painted = mask.evaluate(area)
    assert 4 < painted < 40
    page.get_by_role("button", name="Invert").click()
    assert mask.evaluate(area) == pytest.approx(1024 - painted, abs=16)
    page.get_by_role("button", name="Undo").click()
    assert mask.evaluate(area) == painted
    canvas.focus()
    for key in ("e", "+", "+", " ", "ArrowLeft", "ArrowLeft", "ArrowLeft", " "):
        page.keyboard.press(key)
    assert mask.evaluate(area) < painted / 2
    page.keyboard.press("z")
    assert mask.evaluate(area) == painted
    page.get_by_role("button", name="Fill in", exact=True).click()
    page.get_by_role("button", name="Copy as code").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save mask.png").click()
    assert (pixels_of(saved.value.path().read_bytes())[..., 0] > 127).sum() == painted


def test_a_task_that_answers_with_numbers_shows_them(visit):
    page = visit("#/make/toy-glow/score")
    page.get_by_role("button", name="Take example 1").click()
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.get_by_text("Bits per dim")).to_be_visible()


def test_translate_shows_every_style(visit):
    page = visit("#/translate/toy-munit?n=3&seed=1")
    expect(page.get_by_role("group", name="Variants").get_by_role("button")).to_have_count(3)
    expect(page.get_by_role("heading", name="There and back again")).to_be_visible()


def test_translate_offers_targets_to_tick(visit):
    page = visit("#/translate/toy-faces")
    boxes = page.get_by_role("group", name="Targets").get_by_role("checkbox")
    expect(boxes).to_have_count(4)
    expect(page.get_by_alt_text("After: 3")).to_be_visible()
    boxes.first.check(force=True)
    expect(page.get_by_alt_text("After: 0, 3")).to_be_visible()


def test_the_queue_shows_predictions_of_numbers_without_a_picture(visit, client):
    body = {
        "model": "toy-glow",
        "task": "score",
        "input": {"image": f"data:image/png;base64,{b64encode(png(28)).decode()}"},
    }
    made = client.post("/v1/predictions", json=body, headers={"Prefer": "wait=30"}).json()
    assert made["output"][0]["values"]
    page = visit("#/queue?model=toy-glow")
    expect(page.get_by_role("button", name=f"Forget prediction {made['id']}")).to_be_visible()
    assert page.locator(".prediction img[src$=undefined]").count() == 0


def test_a_painting_is_chosen_by_its_picture(visit):
    page = visit("#/make/paintings-fast-style/stylize")
    paintings = page.locator("[data-field=label] .choice")
    expect(paintings.locator("img")).to_have_count(10)
    paintings.filter(has_text="the-scream").get_by_role("radio").check()
    expect(paintings.filter(has=page.locator("input:checked"))).to_have_text("the-scream")
    page.keyboard.press("ArrowRight")
    expect(paintings.filter(has=page.locator("input:checked"))).to_have_text("udnie")
    assert paintings.locator("img").evaluate_all("all => all.every((one) => one.naturalWidth === 96)")
