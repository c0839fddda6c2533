"""Webhooks as a caller meets them: asked for, refused, delivered, looked up."""

import json
import time

import pytest

from tests.app.test_bad_input import assert_problem


def ask(client, webhook, **more):
    return client.post("/v1/predictions", json={"model": "toy-dcgan", "webhook": webhook, **more})


def test_a_webhook_is_delivered_and_its_tries_can_be_looked_up(open_client, receiver):
    made = ask(open_client, f"{receiver.url}/hook", webhook_events_filter=["completed"]).json()
    (received,) = receiver.wait_for(1)
    notice = json.loads(received.body)
    assert notice["data"] == open_client.get(made["urls"]["get"]).json()
    for _ in range(100):
        if tries := open_client.get(f"/v1/predictions/{made['id']}/deliveries").json()["data"]:
            break
        time.sleep(0.05)
    (only,) = tries
    assert (only["id"], only["type"]) == (received.headers["webhook-id"], "prediction.succeeded")
    assert (only["status"], only["error"]) == (200, None)


def test_a_prediction_without_a_webhook_has_no_deliveries_and_an_unknown_one_is_404(open_client):
    made = ask(open_client, None).json()
    assert open_client.get(f"/v1/predictions/{made['id']}/deliveries").json() == {"object": "list", "data": []}
    assert_problem(open_client.get(f"/v1/predictions/{'0' * 32}/deliveries"), 404, "prediction_not_found")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "http://8.8.8.8:22/", "file:///etc/passwd",
        "http://user@8.8.8.8/", "http://does-not-exist.invalid/", "no url", "",
    ],
)  # fmt: skip
def test_a_webhook_that_would_not_be_called_is_refused_at_once(client, url):
    assert_problem(ask(client, url), 422, "webhook_refused", "/webhook")


def test_an_unknown_event_is_refused(client):
    answer = ask(client, None, webhook_events_filter=["started"])
    assert_problem(answer, 422, "invalid_input", "/webhook_events_filter/0")
