"""MNIST as it comes from its origin, and what becomes of it."""

import hashlib
import zipfile

import pytest

from training import download

FILES = {"test/7/00000.png": b"seven", "train/0/00001.png": b"zero", "train/5/00000.png": b"five"}
THEIRS = {
    "test/7/00000.png": "test/7/60000.png",
    "train/0/00001.png": "train/0/1.png",
    "train/5/00000.png": "train/5/0.png",
}


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "origin.zip"
    with zipfile.ZipFile(path, "w") as theirs:
        theirs.writestr("mnist-pngs-d26bd33/README.md", "digits")
        for name in reversed(FILES):
            theirs.writestr(f"mnist-pngs-d26bd33/{THEIRS[name]}", FILES[name])
    return path


def test_the_archive_is_laid_out_as_recipes_read_it_and_always_the_same(origin, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "expected.zip", "w") as expected:
        for name, data in FILES.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            expected.writestr(entry, data)
    wanted, came = (tmp_path / "expected.zip").read_bytes(), []
    monkeypatch.setattr(download, "SHA256", hashlib.sha256(wanted).hexdigest())
    download.mnist(tmp_path / "sets" / "mnist.zip", came.append, origin.as_uri())
    assert (tmp_path / "sets" / "mnist.zip").read_bytes() == wanted
    assert came[-1] == origin.stat().st_size


def test_nothing_is_kept_of_what_is_not_as_it_was(origin, tmp_path):
    with pytest.raises(ValueError, match="sha256"):
        download.mnist(tmp_path / "mnist.zip", origin=origin.as_uri())
    origin.write_bytes(b"an error page")
    with pytest.raises(ValueError, match="no zip"):
        download.mnist(tmp_path / "mnist.zip", origin=origin.as_uri())
    assert not list(tmp_path.glob("mnist*"))
