"""Pictures of one's own: layouts are recognised, broken files are left out and told, and splits stay as they are."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from pictures import codec
from pictures.formats import ImageFormat
from tests.training.pictures import many, picture, write, zipped
from training import data
from training.datasets import cache, splits
from training.datasets.check import check
from training.datasets.layouts import recognise
from training.datasets.spec import DataSpec
from training.datasets.tree import read_tree

TWO_SIDED = ("unpaired", "folders-of-pairs", "side-by-side")
SMALL = ImageFormat(height=16, width=16, channels=3)
CELEBA = "12\nHat Smile\n" + "".join(f"{number}.png {1 if number % 2 else -1} 1\n" for number in range(12))
LAYOUTS = {
    "folder": many("holiday/{}.jpg", 12, format="JPEG"),
    "classes": {**many("cat/{}.png", 12), **many("dog/{}.webp", 12, start=12, format="WEBP")},
    "unpaired": {
        **many("trainA/{}.png", 12),
        **many("trainB/{}.png", 12, start=50),
        **many("testA/{}.png", 2, start=90),
    }
    | many("testB/{}.png", 2, start=95),
    "folders-of-pairs": {**many("A/{}.png", 12), **many("B/{}.jpg", 13, start=50, format="JPEG")},
    "side-by-side": {**many("train/{}.png", 12, size=(40, 20)), **many("val/{}.png", 3, start=50, size=(40, 20))},
    "attributes": {**many("img_align_celeba/{}.png", 12), "list_attr_celeba.txt": CELEBA},
    "text": {**many("{}.png", 12), **{f"{number}.txt": f"number {number}\n" for number in range(12)}},
    "metadata": {
        **many("{}.png", 12),
        "metadata.jsonl": "".join(
            json.dumps({"file_name": f"{n}.png", "text": f"picture {n}", "label": "ab"[n % 2], "red": n % 2}) + "\n"
            for n in range(12)
        ),
    },
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_recognised_and_make_batches(layout, kind, tmp_path):
    files = LAYOUTS[layout]
    path = write(tmp_path / "own", files) if kind == "folder" else zipped(tmp_path / "own.zip", files)
    assert recognise(read_tree(path))[0] == layout
    source, held_out = (data.load(DataSpec(path=path, split=split, size=16)) for split in ("train", "test"))
    batch = source.batch(4, 0)
    assert (
        {"a", "b"} <= batch.keys() if layout in ("unpaired", "folders-of-pairs", "side-by-side") else "images" in batch
    )
    first, other = (next(iter(each.fields.values())) for each in (source, held_out))
    assert len(first) + len(other) >= 12 and len(other) >= 1
    assert not {bytes(p.numpy().tobytes()) for p in first} & {bytes(p.numpy().tobytes()) for p in other}
    assert source.paired == (layout in ("folders-of-pairs", "side-by-side"))


def test_a_zip_of_a_folder_is_that_folder(tmp_path):
    path = zipped(tmp_path / "pets.zip", {f"pets/{name}": each for name, each in LAYOUTS["classes"].items()})
    layout, found = recognise(read_tree(path))
    assert (layout, found["all"].classes) == ("classes", ("cat", "dog"))


def test_pictures_are_read_as_the_service_reads_them(tmp_path):
    files = {"a.png": picture(1, mode="RGBA"), "b.png": picture(2, size=(50, 20)), "c.png": picture(3)}
    source = data.load(DataSpec(path=write(tmp_path / "own", files), size=16))
    decoded = {codec.decode(each, SMALL, 10**6).tobytes() for each in files.values()}
    assert {pixels.permute(1, 2, 0).numpy().tobytes() for pixels in source.fields["images"]} < decoded


def test_of_pictures_side_by_side_a_is_on_the_left(tmp_path):
    left, right = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    both = Image.new("RGB", (40, 20))
    both.paste(left, (0, 0))
    both.paste(right, (20, 0))
    buffer = io.BytesIO()
    both.save(buffer, "PNG")
    source = data.load(DataSpec(path=write(tmp_path / "own", {"0.png": buffer.getvalue()}), size=16))
    a, b = (source.fields[name][0] for name in "ab")
    assert (a[0] == 255).all() and not a[1:].any() and (b[2] == 255).all() and not b[:2].any()


def test_grey_pictures_make_a_grey_set(tmp_path):
    assert data.load(DataSpec(path=write(tmp_path / "own", many("{}.png", 5, mode="L")), size=16)).channels == 1


def test_broken_files_are_left_out_and_named_and_pairs_go_together(tmp_path):
    files = {**many("A/{}.png", 12), **many("B/{}.png", 12, start=50)}
    files["A/3.png"], files["B/5.png"] = b"no picture", files["B/5.png"][:-60]
    path = write(tmp_path / "own", files)
    report = check(path)
    assert report.broken.keys() == {"A/3.png", "B/5.png"}
    assert sum(listing.count for listing in report.splits.values()) == 10
    whole = [n for n in range(12) if n not in (3, 5)]
    pairs = {name: [codec.decode(files[f"{name.upper()}/{n}.png"], SMALL, 10**6) for n in whole] for name in "ab"}
    for split in ("train", "test"):
        source = data.load(DataSpec(path=path, split=split, size=16))
        for a, b in zip(*(source.fields[name].permute(0, 2, 3, 1).numpy() for name in "ab"), strict=True):
            assert [np.array_equal(a, each) for each in pairs["a"]] == [np.array_equal(b, each) for each in pairs["b"]]


def test_what_is_decoded_is_kept_until_a_file_changes(tmp_path, monkeypatch):
    path = write(tmp_path / "own", many("{}.png", 6))
    first = data.load(DataSpec(path=path, size=16)).fields["images"].clone()
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_make", lambda *_: pytest.fail("decoded again"))
        assert torch.equal(data.load(DataSpec(path=path, size=16)).fields["images"], first)
    write(path, {"0.png": picture(77, size=(30, 30)), "1.png": picture(78, size=(30, 30))})
    assert not torch.equal(data.load(DataSpec(path=path, size=16)).fields["images"][:4], first[:4])


def test_a_picture_stays_on_its_side_when_others_come_and_its_copy_is_with_it(tmp_path):
    path = write(tmp_path / "own", many("{}.png", 60))

    def held_out():
        tree = read_tree(path)
        return {piece.file for piece in splits.divided(tree, recognise(tree)[1])["test"].fields["images"]}

    before = held_out()
    assert 2 <= len(before) < 15
    some = min(before)
    write(path, {"copy.png": (path / some).read_bytes(), **many("more/{}.png", 20, start=100)})
    assert {name for name in held_out() if "/" not in name} == before | {"copy.png"}


def test_doubts_are_said_before_training(tmp_path):
    said = check(write(tmp_path / "few", LAYOUTS["classes"])).remarks
    assert any("few" in remark for remark in said)
    half = write(tmp_path / "half", many("trainA/{}.png", 4))
    assert any("no pictures of B" in remark for remark in check(half).remarks)
    with pytest.raises(ValueError, match="one side only"):
        data.load(DataSpec(path=half, size=16))
    with pytest.raises(ValueError, match="no pictures"):
        check(write(tmp_path / "none", {"readme.txt": "nothing"}))


def test_two_classes_are_the_domains_of_a_translator(tmp_path):
    path = write(tmp_path / "own", LAYOUTS["classes"])
    source = data.load(DataSpec(path=path, size=16, domains=("cat", "dog")))
    assert not source.paired and len(source.fields["a"]) + len(source.fields["b"]) < 24


def test_the_command_tells_what_is_there_twice_and_makes_a_sheet(tmp_path):
    files = {
        **many("{}.png", 12),
        "again.png": picture(3),
        "smaller.jpg": picture(4, format="JPEG"),
        "bad.jpg": b"\xff\xd8\xff",
    }
    path = write(tmp_path / "own", files)
    result = CliRunner().invoke(app, ["data", "check", str(path), "--sheet", str(tmp_path / "sheet.png")])
    assert result.exit_code == 0, result.output
    assert "layout: one folder of pictures" in result.output
    assert "3.png = again.png" in result.output and "4.png ~ smaller.jpg" in result.output
    assert "bad.jpg: the JPEG file is broken" in result.output
    assert codec.decode((tmp_path / "sheet.png").read_bytes(), SMALL, 10**7).any()
    missing = CliRunner().invoke(app, ["data", "check", str(tmp_path / "nowhere")])
    assert missing.exit_code == 1


def test_texts_of_ones_own_are_captions(tmp_path):
    source = data.load(DataSpec(path=write(tmp_path / "own", LAYOUTS["text"]), size=16, captions=True))
    assert source.batch(2, 0)["text"].shape[0] == 2
    assert source.captions is not None and len(source.captions.trained) == len(source.names)


def test_what_is_not_looked_at_takes_no_memory(tmp_path):
    source = data.load(DataSpec(path=write(tmp_path / "own", many("{}.png", 8)), size=16))
    start = source.fields["images"].data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(address, 16) for address in line.split()[0].split("-"))
        if first <= start < last:
            assert line.endswith("images.npy")
            return
    pytest.fail("no mapping holds the pictures")
