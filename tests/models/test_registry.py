"""Models come, go and are replaced while somebody looks: nobody finds half of one, and names say what they mean."""

import json
import shutil
import time

import pytest
import torch

from models import checkpoint
from models.aliases import ALIASES_FILE
from models.card import CARD_FILE, WEIGHTS_FILE, Card
from models.library import Library, NotPossible
from models.model import build
from models.registry import Registry
from tests import zoo


def version(folder, seed, name="toy-dcgan"):
    """A whole model whose weights differ by `seed`."""
    made = zoo.make(folder, name)
    card = Card.read(made)
    torch.manual_seed(seed)
    weights = checkpoint.write(build(card.family, card.config), made)
    card = card.model_copy(update={"weights": weights})
    card.write(made)
    return made, card


@pytest.fixture
def root(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def library(root):
    return Library(Registry([root]))


def test_a_folder_that_appears_changes_or_goes_is_seen_at_the_next_look(root, tmp_path):
    registry = Registry([root])
    assert not registry.refresh()
    _, first = version(root, 1)
    assert registry.refresh()
    assert registry["toy-dcgan"].card == first
    assert not registry.refresh()
    _, second = version(root, 2)
    assert registry.refresh()
    assert registry["toy-dcgan"].card == second
    shutil.rmtree(root / "toy-dcgan")
    assert registry.refresh()
    assert "toy-dcgan" not in registry.current


@pytest.mark.parametrize("missing", [CARD_FILE, WEIGHTS_FILE])
def test_half_a_folder_is_not_taken_up_and_the_reason_is_told(root, missing):
    made, _ = version(root, 1)
    whole = (made / missing).read_bytes()
    (made / missing).unlink()
    registry = Registry([root])
    assert len(registry) == 0
    assert missing in registry.broken[made]
    (made / missing).write_bytes(whole)
    registry.refresh()
    assert (len(registry), dict(registry.broken)) == (1, {})


def test_weights_that_are_being_copied_are_not_taken_up_though_they_have_their_length(root):
    registry = Registry([root])
    made, _ = version(root, 1)
    whole = (made / WEIGHTS_FILE).read_bytes()
    for part, reason in ((whole[:-1], "bytes"), (whole[:-1] + b"\1", "sha256")):
        (made / WEIGHTS_FILE).write_bytes(part)
        registry.refresh()
        assert len(registry) == 0
        assert reason in registry.broken[made]
    (made / WEIGHTS_FILE).write_bytes(whole)
    registry.refresh()
    assert len(registry) == 1


def test_a_model_is_served_as_it_was_while_its_files_are_replaced(root, tmp_path):
    made, first = version(root, 1)
    registry = Registry([root])
    other, second = version(tmp_path, 2)
    shutil.copy(other / CARD_FILE, made)
    registry.refresh()
    assert registry["toy-dcgan"].card == first
    assert made in registry.broken
    shutil.copy(other / WEIGHTS_FILE, made)
    registry.refresh()
    assert registry["toy-dcgan"].card == second
    assert not registry.broken


def test_two_folders_of_one_name_are_an_error_that_names_both(root):
    made, card = version(root, 1)
    shutil.copytree(made, root / "a-copy")
    card.model_copy(update={"weights": card.weights.model_copy(update={"sha256": "0" * 64})}).write(root / "a-copy")
    registry = Registry([root])
    assert registry["toy-dcgan"].folder == made, "the folder that is called as the model is"
    assert str(made) in registry.broken[root / "a-copy"]
    assert str(root / "a-copy") in registry.broken[root / "a-copy"]


def test_versions_are_added_published_and_rolled_back(library, root, tmp_path):
    first, second = version(tmp_path / "1", 1), version(tmp_path / "2", 2)
    library.add(first[0])
    library.add(second[0], publish=False)
    registry = library.registry
    assert registry["toy-dcgan"].card == first[1]
    assert registry[second[1].reference[:20]].card == second[1], "a draft can be asked for by its version"
    library.point("toy-latest", "toy-dcgan")
    library.point("toy-dcgan", second[1].reference)
    assert (registry["toy-dcgan"].card, registry["toy-latest"].card) == (second[1], first[1])
    assert library.back("toy-dcgan").card == first[1]
    assert library.back("toy-dcgan").card == second[1], "and forth again"
    assert Registry([root])["toy-dcgan"].card == second[1], "another process finds the same"


def test_a_plain_folder_is_what_a_name_falls_back_to(library, root, tmp_path):
    _, plain = version(root, 1)
    library.registry.refresh()
    _, added = version(tmp_path, 2)
    library.add(tmp_path / "toy-dcgan")
    assert library.registry["toy-dcgan"].card == added
    assert library.back("toy-dcgan").card == plain


def test_what_a_name_stands_for_is_not_removed_but_the_whole_model_is(library, root, tmp_path):
    for seed in (1, 2):
        library.add(version(tmp_path / str(seed), seed)[0])
    current, former = library.registry["toy-dcgan"].card, version(tmp_path / "1", 1)[1]
    with pytest.raises(NotPossible, match="rollback"):
        library.remove(current.reference)
    assert [entry.folder.exists() for entry in library.remove(former.reference)] == [False]
    with pytest.raises(NotPossible, match="never stood"):
        library.back("toy-dcgan")
    library.remove("toy-dcgan")
    assert not library.registry.versions
    assert json.loads((root / ALIASES_FILE).read_bytes()) == {}


def test_names_that_say_nothing_are_told_and_harm_no_others(library, root, tmp_path):
    library.add(version(tmp_path, 1)[0])
    known = json.loads((root / ALIASES_FILE).read_bytes())
    (root / ALIASES_FILE).write_text(json.dumps({**known, "gone": ["gone@" + "0" * 64]}))
    library.registry.refresh()
    assert "toy-dcgan" in library.registry.current
    assert "gone@0000" in library.registry.broken[root / ALIASES_FILE]
    (root / ALIASES_FILE).write_text("{")
    library.registry.refresh()
    assert "toy-dcgan" in library.registry.current, "what it said before still holds"


def test_a_look_at_what_has_not_changed_is_cheap(toy_zoo):
    registry = Registry([toy_zoo])
    began = time.monotonic()
    for _ in range(10):
        registry.refresh()
    assert (time.monotonic() - began) / 10 < 0.05


def test_models_come_by_what_one_can_do_featured_ones_first_and_baselines_last(root):
    standing = {"toy-edsr": {"featured": True}, "toy-vae": {"featured": True}, "toy-dcgan": {"baseline": True}}
    for name in (
        "toy-dcgan",
        "toy-vae",
        "toy-edsr",
        "toy-gated-conv",
        "toy-pix2pix",
        "toy-glow",
        "toy-cgan",
        "toy-adain",
    ):
        made = zoo.make(root, name)
        card = Card.read(made)
        card.model_copy(update=standing.get(name, {})).write(made)
    assert [entry.card.name for entry in Registry([root])] == [
        "toy-edsr", "toy-vae",
        "toy-cgan", "toy-pix2pix", "toy-adain", "toy-gated-conv", "toy-glow",
        "toy-dcgan",
    ]  # fmt: skip
