"""Debian's chromium, and pages of it that forgive nothing: no console errors, and no other host."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, sync_playwright

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        reason = "chromium is not installed; `make browser` installs it where apt-get and root are at hand"
        for item in items:
            if item.path.is_relative_to(__file__.removesuffix("conftest.py")):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


Open = Callable[..., Page]


@pytest.fixture
def visit(browser, easel) -> Iterator[Open]:
    """Opens an address of the playground: `visit("#/make", width=360, dark=True)`.

    At the end fails for errors in the console and for requests to another host. `expected` are the statuses of answers,
    and the messages, that belong to the test.
    """
    wrong: list[str] = []
    contexts = []

    def open_page(
        address: str = "",
        width: int = 1280,
        dark: bool = False,
        url: str = easel.url,
        expected: tuple[int | str, ...] = (),
    ) -> Page:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(10_000)
        page = context.new_page()

        def judge(answer: Response) -> None:
            if answer.status >= 400 and answer.status not in expected:
                wrong.append(f"{answer.status} {answer.url}")
            if urlsplit(answer.url).scheme == "http" and not answer.url.startswith(url):
                wrong.append(f"another host: {answer.url}")

        def hear(message) -> None:
            known = ("Failed to load resource", *(one for one in expected if isinstance(one, str)))
            if message.type in ("error", "warning") and not message.text.startswith(known):
                wrong.append(message.text)

        page.on("response", judge)
        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{url}/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong
