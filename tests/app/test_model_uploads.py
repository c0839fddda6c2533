"""Models come by HTTP: checked before they are taken up, drafts until they are published, and removed again."""

import httpx
import pytest

from models.card import CARD_FILE, WEIGHTS_FILE
from tests.app.test_bad_input import assert_problem
from tests.app.test_live_registry import weights
from tests.models.test_admission import zipped
from tests.models.test_registry import version

pytestmark = pytest.mark.timeout(300)
ZIP = {"Content-Type": "application/zip"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("uploads") / "models"


@pytest.fixture(scope="module")
def live(start_easel, folder):
    return start_easel(models=folder, models_refresh_s=0, max_model_mb=4)


@pytest.fixture(scope="module")
def client(live):
    with httpx.Client(base_url=live.url, timeout=120) as opened:
        yield opened


def form(*paths):
    return [("files", (path.name, path.read_bytes())) for path in paths]


def listed(client):
    return {row["id"] for row in client.get("/v1/models").json()["data"]}


def versions(client):
    return {row["reference"]: row for row in client.get("/v1/versions").json()["data"] if not row["shipped"]}


def test_a_draft_is_uploaded_looked_at_described_published_rolled_back_and_removed(client, folder, tmp_path):
    first, second = (version(tmp_path / str(seed), seed) for seed in (1, 2))
    answer = client.post("/v1/models", content=zipped(first[0], "zebra/"), headers=ZIP)
    assert answer.status_code == 201, answer.text
    draft = answer.json()
    assert (draft["reference"], draft["names"], draft["published"]) == (first[1].reference, [], False)
    assert "toy-dcgan" not in listed(client)
    assert client.get(answer.headers["location"]).json()["card"]["weights"]["sha256"] == first[1].weights.sha256
    assert_problem(client.post("/v1/predictions", json={"model": "toy-dcgan"}), 404, "model_not_found")
    assert weights(client, draft["reference"]) == first[1].weights.sha256, "its first sample"

    told = client.patch(f"/v1/models/{draft['reference']}", json={"summary": "Toys", "limits": ""})
    assert told.json()["reference"] == draft["reference"]
    assert client.post(f"/v1/models/{draft['reference']}/publish").json()["names"] == ["toy-dcgan"]
    assert "toy-dcgan" in listed(client)
    assert client.get("/v1/models/toy-dcgan").json()["summary"] == "Toys"
    assert weights(client, "toy-dcgan") == first[1].weights.sha256

    answer = client.post("/v1/models", files=form(second[0] / CARD_FILE, second[0] / WEIGHTS_FILE))
    assert answer.status_code == 201, answer.text
    assert weights(client, "toy-dcgan") == first[1].weights.sha256, "a draft changes nothing"
    client.post(f"/v1/models/{second[1].reference}/publish")
    assert weights(client, "toy-dcgan") == second[1].weights.sha256
    again = client.post("/v1/models", content=zipped(second[0]), headers=ZIP)
    assert (again.status_code, again.json()["published"]) == (200, True), "it is there already"

    assert client.put("/v1/aliases/toy-latest", json={"model": second[1].reference[:20]}).status_code == 200
    assert client.post("/v1/models/toy-dcgan/rollback").json()["version"] == first[1].weights.sha256
    assert weights(client, "toy-latest") == second[1].weights.sha256
    assert_problem(client.delete(f"/v1/models/{second[1].reference}"), 409, "model_in_use")
    assert client.delete("/v1/aliases/toy-latest").status_code == 204
    assert client.delete(f"/v1/models/{second[1].reference}").json() == {"removed": [second[1].reference]}
    assert client.delete("/v1/models/toy-dcgan").json() == {"removed": [first[1].reference]}
    assert versions(client) == {}
    assert_problem(client.delete("/v1/models/toy-dcgan"), 404, "model_not_found")
    assert not [path for path in folder.iterdir() if path.is_dir()], "nothing is left over"


def test_what_cannot_be_served_is_refused_with_the_reason_and_leaves_nothing(client, folder, tmp_path):
    made, _ = version(tmp_path, 3)
    answer = client.post("/v1/models", content=zipped(made, **{WEIGHTS_FILE: b"short"}), headers=ZIP)
    assert_problem(answer, 422, "model_unusable")
    assert "still being copied, or cut off" in answer.json()["detail"]
    assert versions(client) == {}
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_a_body_that_is_too_large_or_something_else_is_refused(client, tmp_path):
    made, _ = version(tmp_path, 5)
    large = b"\0" * (5 * 2**20)
    assert_problem(client.post("/v1/models", content=large, headers=ZIP), 413, "too_large")
    chunks = (large[:65536] for _ in range(100))
    assert_problem(client.post("/v1/models", content=chunks, headers=ZIP), 413, "too_large")
    assert_problem(client.post("/v1/models", content=b"x", headers={"Content-Type": "text/plain"}), 415)
    (made / "model.pth").write_bytes(b"x")
    assert_problem(client.post("/v1/models", files=form(made / CARD_FILE, made / "model.pth")), 400)
    assert_problem(client.post("/v1/models", files=form(made / CARD_FILE, made / CARD_FILE)), 400)


def test_a_shipped_model_stays_and_bad_requests_say_what_is_wrong(client):
    assert_problem(client.delete("/v1/models/mnist-dcgan"), 409, "conflict")
    assert_problem(client.patch("/v1/models/mnist-dcgan", json={"limits": ""}), 409, "conflict")
    assert_problem(client.patch("/v1/models/mnist-dcgan", json={"summary": ""}), 422, pointer="/summary")
    assert_problem(client.put("/v1/aliases/mnist-vae", json={"model": "mnist-dcgan"}), 409, "conflict")
    assert_problem(client.put("/v1/aliases/mine", json={"model": "no-such"}), 404, "model_not_found")
    assert_problem(client.put("/v1/aliases/No!", json={"model": "mnist-dcgan"}), 422)
    assert_problem(client.post("/v1/models/mnist-dcgan/rollback"), 409, "conflict")
