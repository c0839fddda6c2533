"""What comes as a zip is unpacked and read whole before it is taken up, within bounds."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest
import torch
from safetensors.torch import load, save

from models import admission
from models.archive import ARCHIVE
from models.card import CARD_FILE, WEIGHTS_FILE
from tests.models.test_registry import version

LIMIT = 2**20
_WHOLE = (CARD_FILE, WEIGHTS_FILE)


def zipped(made, within="", names=_WHOLE, **more):
    """The files of a model as a zip, some of them with other contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in dict.fromkeys((*names, *more)):
            packed.writestr(within + name, more.get(name) or (made / name).read_bytes())
    return buffer.getvalue()


def with_weights(made, change):
    """The model's zip with other weights, which its card states, too."""
    blob = save(change(load((made / WEIGHTS_FILE).read_bytes())))
    card = json.loads((made / CARD_FILE).read_text())
    card["weights"] |= {"sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)}
    return zipped(made, **{CARD_FILE: json.dumps(card), WEIGHTS_FILE: blob})


def with_config(made, **config):
    card = json.loads((made / CARD_FILE).read_text())
    card["config"] |= config
    return zipped(made, **{CARD_FILE: json.dumps(card)})


@pytest.fixture
def unbound(monkeypatch):
    """This process's memory stays as it is."""
    monkeypatch.setattr(admission, "_bound_memory", lambda most: None)


def admitted(folder, body):
    folder.mkdir()
    (folder / ARCHIVE).write_bytes(body)
    return admission.main(folder, LIMIT)


def test_a_whole_model_is_unpacked_from_wherever_it_lies_and_nothing_else_is(tmp_path, unbound):
    made, _ = version(tmp_path, 4)
    others = {"../../evil.txt": b"x", "/tmp/evil": b"x", "run.py": b"x", "examples/image-0.png": b"png"}
    for number, within in enumerate(("", "toy/", "a/b/toy/", "toy\\")):
        folder = tmp_path / str(number)
        assert admitted(folder, zipped(made, within, **others, **{f"__MACOSX/{CARD_FILE}": b"x"})) is None
        written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert written == {CARD_FILE, WEIGHTS_FILE, "examples/image-0.png"}
        assert (folder / WEIGHTS_FILE).read_bytes() == (made / WEIGHTS_FILE).read_bytes()
    assert not list(tmp_path.rglob("evil*"))


CASES = {
    "not a zip file": lambda made: b"PK\3\4 and nothing",
    "cannot be read": lambda made: zipped(made)[:-30],
    "there is no model.safetensors": lambda made: zipped(made, names=(CARD_FILE,)),
    "this one holds 0": lambda made: zipped(made, names=(WEIGHTS_FILE,)),
    "this one holds 2": lambda made: zipped(made, **{f"other/{CARD_FILE}": b"{}"}),
    "more than 1,048,576 bytes": lambda made: zipped(made, **{WEIGHTS_FILE: b"\0" * (2 * LIMIT)}),
    "bytes: still being copied": lambda made: zipped(made, **{WEIGHTS_FILE: b"short"}),
    "sha256": lambda made: zipped(made, **{WEIGHTS_FILE: (made / WEIGHTS_FILE).read_bytes()[:-1] + b"\1"}),
    "size mismatch": lambda made: with_weights(made, lambda state: {name: torch.zeros(1) for name in state}),
    "Unexpected key": lambda made: with_weights(made, lambda state: state | {"more": torch.zeros(1)}),
    "Extra inputs": lambda made: with_config(made, nonsense=1),
    "Invalid JSON": lambda made: zipped(made, **{CARD_FILE: b"{"}),
}


@pytest.mark.parametrize("words", CASES)
def test_what_cannot_be_served_is_refused_with_the_reason(tmp_path, unbound, words):
    made, _ = version(tmp_path, 3)
    assert words in (admitted(tmp_path / "incoming", CASES[words](made)) or "")


@pytest.mark.timeout(300)
def test_settings_that_ask_for_all_memory_cost_the_checking_process_alone(tmp_path):
    made, _ = version(tmp_path, 3)
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / ARCHIVE).write_bytes(with_config(made, width=2**14))
    command = [sys.executable, "-m", "models.admission", str(tmp_path / "incoming"), str(LIMIT)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    assert "far more memory than its weights take" in ended.stdout
