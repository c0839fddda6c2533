"""Copy as: what the dialog shows runs as pasted, and makes the picture that the page shows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.conftest import pixels_of, png

SNIPPETS = Path(__file__).parents[2] / "app" / "web" / "js" / "snippets.js"
RUN = {
    "curl": lambda code: ["bash", "-c", code],
    "Python": lambda code: [sys.executable, "-c", code],
    "JavaScript": lambda code: ["node", "--input-type=module", "-e", code],
    "OpenAI SDK": lambda code: [sys.executable, "-c", code],
}


@pytest.fixture(params=RUN)
def language(request):
    if request.param == "JavaScript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    return request.param


def pasted(page, language, folder):
    """Runs the code of the dialog in `folder`; answers with the pixels of the (first) file that it wrote."""
    page.get_by_role("button", name="Copy as code").first.click()
    page.get_by_role("tab", name=language).click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    code = page.evaluate("navigator.clipboard.readText()")
    before = set(folder.iterdir())
    done = subprocess.run(RUN[language](code), cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    written = {path for path in folder.iterdir() if path not in before and "example" not in path.name}
    out = min(path for path in written if path.name.startswith("toy-") and "-B-" not in path.name)
    return pixels_of(out.read_bytes())


def shown(image):
    return pixels_of(httpx.get(image.evaluate("e => e.src")).content)


def test_a_sample_of_a_class(visit, language, tmp_path):
    page = visit("#/make/toy-cgan/conditional?label=7&n=1&seed=11&truncation=0.5")
    image = page.locator(".tile img")
    expect(image).to_have_count(1)
    assert np.array_equal(pasted(page, language, tmp_path), shown(image))


def test_a_translation_of_an_example(visit, language, tmp_path):
    page = visit("#/translate/toy-pix2pix")
    image = page.get_by_alt_text("After: left")
    expect(image).to_be_visible()
    assert np.array_equal(pasted(page, language, tmp_path), shown(image))


def test_a_translation_of_ones_own_picture(visit, language, tmp_path):
    page = visit("#/translate/toy-cyclegan?direction=BtoA")
    mine = tmp_path / "it's mine.png"
    mine.write_bytes(png(64, seed=3))
    page.get_by_label("Picture").set_input_files(mine)
    expect(page.get_by_alt_text("Before: it's mine.png").first).to_be_visible()
    image = page.get_by_alt_text("After: left")
    expect(image).to_be_visible()
    expect(page.get_by_role("button", name="Copy as code")).to_be_visible()
    wanted = shown(image)
    height, width, _ = wanted.shape
    # The way back and the heat map, which the page asks for too, come after it, in a grid or as files of their own.
    assert np.array_equal(pasted(page, language, tmp_path)[:height, :width], wanted)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("name", ["curl", "Python", "JavaScript"])
def test_a_task_that_answers_numbers_is_asked_for_them(easel, name, tmp_path):
    (tmp_path / "mine.png").write_bytes(png(28))
    order = {"model": "toy-vae", "task": "encode", "input": {}}
    made = f"""
        import {{ snippets }} from {json.dumps(str(SNIPPETS))};
        const pictures = {{ image: [{{ name: "mine.png", blob: new Blob([], {{ type: "image/png" }}) }}] }};
        console.log(snippets({json.dumps(easel.url)}, {json.dumps(order)}, pictures, false)[{json.dumps(name)}]);
    """
    code = subprocess.run(RUN["JavaScript"](made), capture_output=True, text=True, timeout=30, check=True).stdout
    subprocess.run(RUN[name](code), cwd=tmp_path, capture_output=True, timeout=30, check=True)
    answer = json.loads((tmp_path / "toy-vae.json").read_text())
    assert len(answer["output"][0]["latent"]) == 4
