"""The team's section: a model's way from a zip to everybody, keys, usage, and what a key without admin sees of it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.schemas.keys import Scope
from models.card import CARD_FILE
from tests.app.test_access import cli
from tests.models.test_admission import zipped
from tests.models.test_registry import version
from tests.web.test_page import AXE

pytestmark = pytest.mark.timeout(300)
GRAFANA = "https://grafana.example.com/d/easel"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("team")


@pytest.fixture(scope="module")
def guarded(start_easel, folder):
    """An Easel that asks for keys, with a folder of models that are its own."""
    (folder / "models").mkdir()
    return start_easel(
        data_dir=folder, models=folder / "models", auth="required", grafana_url=GRAFANA, models_refresh_s=0
    )


@pytest.fixture(scope="module")
def admin(guarded, folder):
    """A client with the key of an admin, which the command made."""
    made = cli("keys", "create", "boss", "--scope", "admin", EASEL_DATA_DIR=str(folder))
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    with httpx.Client(base_url=guarded.url, headers=headers, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def token_of(admin):
    """Makes a key of a scope; answers with its token."""
    return lambda scope: admin.post("/v1/keys", json={"name": f"{scope}s", "scopes": [scope]}).json()["token"]


@pytest.fixture
def team(visit, guarded, token_of):
    """The section, with a key of a scope."""

    def opened(scope: Scope = Scope.ADMIN, width: int = 1280, dark: bool = False) -> Page:
        page = visit("#/team", width=width, dark=dark, url=guarded.url, expected=(401, 403, 409, 422))
        page.get_by_role("textbox", name="API key").fill(token_of(scope))
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("heading", level=1, name="Team")).to_be_visible()
        return page

    return opened


def package(folder: Path, seed: int, **words: str) -> tuple[Path, str]:
    """The zip of a toy model whose card says these words, and its version."""
    made, card = version(folder / str(seed), seed)
    path = made / CARD_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | words))
    packed = folder / f"{seed}.zip"
    packed.write_bytes(zipped(made))
    return packed, card.weights.sha256


def test_a_zip_becomes_a_draft_with_a_sample_and_is_described_published_rolled_back_and_removed(team, admin, tmp_path):
    page = team()
    packed, first = package(tmp_path, 1)
    page.get_by_label("Upload a model").set_input_files(packed)
    draft = page.get_by_role("article").filter(has_text=f"@{first[:8]}")
    expect(draft).to_contain_text("draft")

    draft.get_by_role("button", name="Sample: ").click()
    expect(draft.locator(".tile img")).to_have_count(4)
    expect(draft.locator(".tile img").first).to_have_js_property("naturalWidth", 28)
    [made] = admin.get("/v1/predictions").json()["data"]
    assert made["version"] == first

    draft.get_by_role("button", name="Describe: ").click()
    draft.get_by_label("Summary").fill("Digits that nobody wrote")
    draft.get_by_role("button", name="Save the card").click()
    expect(draft.get_by_label("Summary")).to_have_count(0)
    assert admin.get(f"/v1/models/toy-dcgan@{first}").json()["summary"] == "Digits that nobody wrote"

    draft.get_by_role("button", name="Publish: ").click()
    expect(draft).to_contain_text("published")
    assert admin.get("/v1/models/toy-dcgan").json()["version"] == first

    packed, second = package(tmp_path, 2)
    page.get_by_label("Upload a model").set_input_files(packed)
    other = page.get_by_role("article").filter(has_text=f"@{second[:8]}")
    other.get_by_role("button", name="Publish: ").click()
    expect(draft).to_contain_text("draft")
    other.get_by_role("button", name="Roll back: ").click()
    expect(draft).to_contain_text("published")
    assert admin.get("/v1/models/toy-dcgan").json()["version"] == first

    other.get_by_role("button", name="Drop: ").click()
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    expect(other).to_have_count(1)
    other.get_by_role("button", name="Drop: ").click()
    page.get_by_role("dialog").get_by_role("button", name="Drop", exact=True).click()
    expect(other).to_have_count(0)
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_role("heading", name="toy-dcgan")).to_be_visible()
    page.get_by_role("link", name="Team").click()
    draft.get_by_role("button", name="Remove: ").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(draft).to_have_count(0)
    assert not [row for row in admin.get("/v1/versions").json()["data"] if not row["shipped"]]


def test_what_a_card_lacks_is_asked_for_and_what_is_no_model_is_told(team, admin, tmp_path):
    page = team()
    packed, sha256 = package(tmp_path, 3, summary="", licence="")
    page.get_by_label("Upload a model").set_input_files(packed)
    draft = page.get_by_role("article").filter(has_text=f"@{sha256[:8]}")
    expect(draft).to_contain_text("The card does not say: summary, licence")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"nothing of the kind")
    page.get_by_label("Upload a model").set_input_files(bad)
    expect(page.get_by_role("alert")).to_be_visible()
    admin.delete(f"/v1/models/toy-dcgan@{sha256}").raise_for_status()


def test_an_alias_is_set_moved_and_taken_away(team, admin, tmp_path):
    page = team()
    shas = []
    for seed in (5, 6):
        packed, sha256 = package(tmp_path, seed)
        page.get_by_label("Upload a model").set_input_files(packed)
        expect(page.get_by_role("article").filter(has_text=f"@{sha256[:8]}")).to_be_visible()
        shas.append(sha256)
    page.get_by_text("Aliases", exact=True).click()
    name, target = page.get_by_label("Alias", exact=True), page.get_by_label("Stands for")
    for sha256 in shas:
        name.fill("digits-latest")
        target.select_option(f"toy-dcgan@{sha256}")
        page.get_by_role("button", name="Set the alias").click()
        row = page.get_by_role("table", name="All aliases").get_by_role("row").filter(has_text="digits-latest")
        expect(row).to_contain_text(sha256[:8])
        assert admin.get("/v1/models/digits-latest").json()["version"] == sha256
    name.fill("No such name!")
    page.get_by_role("button", name="Set the alias").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Take away digits-latest").click()
    page.get_by_role("dialog").get_by_role("button", name="Take away", exact=True).click()
    expect(page.get_by_role("table", name="All aliases")).to_have_count(0)
    assert admin.get("/v1/models/digits-latest").status_code == 404
    for sha256 in shas:
        admin.delete(f"/v1/models/toy-dcgan@{sha256}").raise_for_status()


def test_a_folder_that_is_broken_is_shown_with_its_reason(team, folder):
    broken = folder / "models" / "halved"
    broken.mkdir()
    (broken / CARD_FILE).write_text("{}")
    page = team()
    expect(page.get_by_text("1 folder could not be taken up")).to_be_visible()
    expect(page.get_by_text("halved")).to_be_visible()
    (broken / CARD_FILE).unlink()
    broken.rmdir()


def test_a_key_is_made_shown_once_counted_and_revoked(team, guarded):
    page = team()
    page.get_by_label("Name").fill("gallery")
    page.get_by_label("Read: see queues").check()
    page.get_by_label("Rate").fill("fast")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_contain_text("does not fit")
    page.get_by_label("Rate").fill("7/minute")
    page.get_by_role("button", name="Make the key").click()
    token = page.locator(".token").inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    [used] = httpx.get(f"{guarded.url}/v1/usage", headers=headers).json()["data"]
    assert (used["name"], used["requests"]["limit"]) == ("gallery", 7)
    row = page.get_by_role("table", name="All keys").get_by_role("row").filter(has_text="gallery")
    expect(row).to_contain_text("predict, read")
    expect(row).to_contain_text("7/minute")
    page.reload()
    expect(row).to_be_visible()
    assert token not in page.content()
    expect(page.get_by_role("table", name="Used, and allowed")).to_contain_text("0 of 7 a minute")
    page.get_by_role("button", name="Revoke gallery").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(row).to_have_count(0)
    assert httpx.get(f"{guarded.url}/v1/usage", headers=headers).status_code == 401


def test_an_admin_sees_workers_and_the_way_to_grafana_and_changes_the_key(team, token_of):
    page = team()
    expect(page.get_by_role("heading", name="Queue and workers")).to_be_visible()
    expect(page.get_by_role("table", name="Workers")).to_be_visible()
    expect(page.get_by_role("link", name="Dashboards in Grafana")).to_have_attribute("href", GRAFANA)
    page.get_by_role("button", name="Change key").click()
    page.get_by_role("textbox", name="API key").fill(token_of(Scope.PREDICT))
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("Models and keys are for keys with the scope admin")).to_be_visible()


def test_a_key_without_admin_sees_its_own_usage_and_nothing_to_manage(team):
    page = team(Scope.PREDICT)
    table = page.get_by_role("table", name="Used, and allowed")
    expect(table.get_by_role("row")).to_have_count(2)
    expect(table).to_contain_text("predicts")
    expect(page.get_by_role("button", name="Change key")).to_be_visible()
    for name in ("Models", "Keys", "Queue and workers"):
        expect(page.get_by_role("heading", level=2, name=name)).to_have_count(0)


def test_where_access_is_open_models_are_managed_and_no_keys(visit):
    page = visit("#/team")
    expect(page.get_by_text("Access is open")).to_be_visible()
    expect(page.get_by_label("Upload a model")).to_be_attached()
    expect(page.get_by_role("button", name="Change key")).to_have_count(0)


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
def test_axe_finds_nothing_and_nothing_sticks_out(team, admin, tmp_path, width, dark):
    page = team(width=width, dark=dark)
    packed, sha256 = package(tmp_path, 4)
    page.get_by_label("Upload a model").set_input_files(packed)
    draft = page.get_by_role("article").filter(has_text=f"@{sha256[:8]}")
    shown = {"Describe: ": draft.get_by_label("Summary"), "Sample: ": draft.locator(".tile img").first}
    for name, part in shown.items():
        draft.get_by_role("button", name=name).click()
        expect(part).to_be_visible()
        page.evaluate(AXE)
        found = page.evaluate("axe.run()")["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / f"team-{width}.png", full_page=True)
    admin.delete(f"/v1/models/toy-dcgan@{sha256}").raise_for_status()
