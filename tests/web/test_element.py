"""The custom element of `clients/js`, on a page of another origin."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

PACKAGE = Path(__file__).parents[2] / "clients/js"
KINDS = {".html": "text/html", ".js": "text/javascript"}


@pytest.fixture(scope="module")
def origin(start_easel):
    """Where the package's files are served, its example with the models of an Easel that this origin may call."""

    class Files(BaseHTTPRequestHandler):
        def do_GET(self):
            file = PACKAGE / self.path.lstrip("/")
            self.send_response(200)
            self.send_header("Content-Type", KINDS[file.suffix])
            self.end_headers()
            text = file.read_text().replace("http://127.0.0.1:8000", easel.url).replace("mnist-cgan", "toy-cgan")
            self.wfile.write(text.encode())

        def log_message(self, *said):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        here = f"http://127.0.0.1:{server.server_port}"
        easel = start_easel(cors_origins=here)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield here
        server.shutdown()


@pytest.fixture
def page(browser, origin):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{origin}/example.html")
    yield opened
    context.close()


def test_the_example_runs(page):
    picture = page.get_by_role("img", name="a handwritten seven")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") > 0
    before = picture.get_attribute("src")
    page.get_by_role("button", name="Another").click()
    expect(picture).not_to_have_attribute("src", before)


def test_what_is_wrong_is_said_where_the_picture_would_be(page):
    page.evaluate("""() => {
        const element = document.querySelector("easel-image");
        element.setAttribute("n", "0");
        return element.again();
    }""")
    expect(page.get_by_role("status")).to_contain_text("does not take this input")


def test_what_is_taken_away_is_canceled(page):
    expect(page.get_by_role("img")).to_be_visible()
    with page.expect_request(lambda request: request.url.endswith("/cancel")):
        page.evaluate("""() => {
            const element = document.querySelector("easel-image");
            const fetched = window.fetch;
            window.fetch = (url, init) => init.method === "PUT"
                ? new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason)))
                : fetched(url, init);
            element.again();
            element.remove();
        }""")
