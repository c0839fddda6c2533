"""A real browser on a page of another site."""

import httpx

from tests.receiver import listening


def test_a_page_of_another_port_makes_no_prediction(browser, easel):
    """A form needs no leave of CORS to be sent: only the server can refuse it."""
    with listening() as elsewhere, httpx.Client(base_url=easel.url) as client:
        before = client.get("/v1/predictions").json()
        page = browser.new_page()
        page.goto(elsewhere.url)
        with page.expect_response(f"{easel.url}/v1/predictions") as answered:
            page.evaluate(
                """url => {
                    const form = new FormData();
                    form.set("request", JSON.stringify({ model: "toy-dcgan" }));
                    fetch(`${url}/v1/predictions`, { method: "POST", mode: "no-cors", body: form });
                }""",
                easel.url,
            )
        assert answered.value.status == 403
        page.close()
        assert client.get("/v1/predictions").json() == before
