"""The page's main paths in Debian's Firefox, which Playwright cannot drive: over WebDriver BiDi, by puppeteer-core."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PUPPETEER = ROOT / ".easel" / "browser"


@pytest.mark.skipif(
    FIREFOX is None or shutil.which("node") is None or not (PUPPETEER / "node_modules" / "puppeteer-core").is_dir(),
    reason="Firefox, node or puppeteer-core is missing; `make browser` installs what it can",
)
def test_the_main_paths_work_in_firefox(easel):
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("firefox.mjs")), str(FIREFOX), easel.url],
        env={**os.environ, "PUPPETEER": str(PUPPETEER)}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    shown = told["shown"]
    assert "toy-cgan" in shown["models"]
    assert "/v1/predictions" in shown["make/toy-cgan/conditional"]
    assert shown["translate/toy-cyclegan"] == 4
    assert shown["make/toy-gated-conv/inpaint"] == 1
    assert shown["explore/toy-dcgan"] == "45 percent across, 50 percent down"
