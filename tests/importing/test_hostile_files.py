"""Files that lie about themselves are refused in words, at once, and cost no more memory than they have bytes."""

import io
import json
import os
import pickle
import socket
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest
import safetensors.torch
import torch

from importing import files
from importing.errors import NotImportable
from importing.files.described import scan

REFUSING = """
import re, resource, sys
from pathlib import Path
from importing.errors import NotImportable
from importing.importer import read
from importing.layouts.layout import ImportSettings

def kilobytes(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

resource.setrlimit(resource.RLIMIT_AS, (kilobytes("VmSize") * 1024 + 2**30, resource.RLIM_INFINITY))
for path in sys.stdin:
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = kilobytes("VmHWM")
    try:
        read(Path(path.rstrip()), ImportSettings())
    except NotImportable as error:
        told = str(error)
    except BaseException as error:
        told = f"no refusal, but {error!r}"
    else:
        told = "no refusal"
    print(kilobytes("VmHWM") - before, told.replace(chr(10), " "), flush=True)
"""
MOST = 150_000
"""Kilobytes of memory that refusing a file may take besides the program itself."""


@pytest.fixture(scope="module")
def refused():
    """Says why a file is refused, by a process of its own that is held to 1 GB more than it has when it begins."""
    command = [sys.executable, "-c", REFUSING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        def why(path) -> str:
            child.stdin.write(f"{path}\n")
            child.stdin.flush()
            taken, reason = child.stdout.readline().split(maxsplit=1)
            assert not reason.startswith("no refusal"), reason
            assert int(taken) < MOST
            return reason

        yield why
        child.stdin.close()


def with_pickle(folder, opcodes: bytes, storages=(), compression=zipfile.ZIP_STORED):
    """A zip file laid out as torch's, with a pickle of one's own."""
    path = folder / "net.pth"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", opcodes)
        archive.writestr("net/byteorder", "little")
        for key, data in enumerate(storages):
            archive.writestr(f"net/data/{key}", data)
    return path


class Described:
    """Pickles as a tensor of torch does, and says of itself what one likes."""

    def __init__(self, shape, strides, key="0", length=4, offset=0):
        self.arguments = (("storage", torch.FloatStorage, key, "cpu", length), offset, shape, strides)

    def __reduce__(self):
        pid, *rest = self.arguments
        return torch._utils._rebuild_tensor_v2, (Persistent(pid), *rest, False, OrderedDict())


class Persistent:
    def __init__(self, pid):
        self.pid = pid


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Persistent) else None


def pickled(tree) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(tree)
    return stream.getvalue()


def test_a_zip_bomb_is_not_unpacked(tmp_path, refused):
    path = with_pickle(
        tmp_path, pickled({"a": Described((2**28,), (1,), length=2**28)}), [bytes(2**30)], zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 2**21
    assert "compressed zip file, of 1,073," in refused(path)


def test_a_tensor_larger_than_its_storage_is_not_made(tmp_path, refused):
    for shape, strides in (((200_000, 200_000), (0, 0)), ((2**20, 2**20), (2**20, 1)), ((2**40,), (1,))):
        reason = refused(with_pickle(tmp_path, pickled({"model.1.weight": Described(shape, strides)}), [bytes(16)]))
        assert f"claims to be {' x '.join(map(str, shape))}" in reason
    torch.save({"model.1.weight": torch.zeros(1, 1).expand(200_000, 200_000)}, tmp_path / "expanded.pth")
    assert "claims to be 200000 x 200000, 40,000,000,000 numbers, and its storage has 1" in refused(
        tmp_path / "expanded.pth"
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_a_storage_longer_than_the_file_is_not_made(tmp_path, refused, zipped):
    path = tmp_path / "net.pth"
    torch.save({"a": torch.zeros(4)}, path, _use_new_zipfile_serialization=zipped)
    if zipped:
        path = with_pickle(tmp_path, pickled({"a": Described((2**38,), (1,), length=2**38)}), [bytes(16)])
        assert "storage 0 is shorter than it says" in refused(path)
    else:
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        parts = (0x1950A86A20F9469CFC6C, 1001, system, {"a": Described((2**38,), (1,), length=2**38)}, ["0"])
        path.write_bytes(b"".join(map(pickled, parts)) + struct.pack("<q", 2**38) + bytes(16))
        assert "it is cut off" in refused(path)


def test_many_names_for_one_storage_do_not_add_up(tmp_path, refused):
    tree = {f"layer.{index}.weight": Described((2**20,), (1,), length=2**20) for index in range(5_000)}
    assert "its tensors claim 20,971,520,000 bytes" in refused(with_pickle(tmp_path, pickled(tree), [bytes(2**22)]))


def nested(depth):
    """Lists of ten times the same list, which a reader that follows each would take for 10 ** depth."""
    tree = []
    for _ in range(depth):
        tree = [tree] * 10
    return tree


BOMBS = {
    "a list within itself ten times over": pickled(nested(12)),
    "a memo of four billion places": b"\x80\x02]r\xff\xff\xff\xff.",
    "a text of a terabyte": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.",
    "a bytearray of a terabyte": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85R.",
    "an uninitialised tensor": b"\x80\x02ctorch\nFloatTensor\n\x8a\x06" + (2**38).to_bytes(6, "little") + b"\x85R.",
    "ten million lists": b"\x80\x02(" + b"]" * 10_000_000 + b"l.",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_pickle_makes_no_more_than_it_weighs(tmp_path, refused, bomb):
    assert refused(with_pickle(tmp_path, BOMBS[bomb]))


def test_entries_that_share_their_bytes_do_not_add_up(tmp_path, refused):
    path = with_pickle(tmp_path, pickled({}), [bytes(2**20)] * 3)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.getinfo("net/data/0").header_offset
    for key in (1, 2):
        at = data.rfind(f"net/data/{key}".encode()) - 46 + 42
        data[at : at + 4] = struct.pack("<L", first)
    path.write_bytes(data[: data.find(b"net/data/1") - 30] + data[data.find(b"PK\1\2") :])
    assert refused(path)


def test_a_pickle_of_code_is_not_run(tmp_path):
    witness = tmp_path / "run"

    class Code:
        def __reduce__(self):
            return os.mkdir, (str(witness),)

    for protocol in range(6):
        path = tmp_path / "net.pth"
        path.write_bytes(pickle.dumps(Code(), protocol=protocol))
        with pytest.raises(NotImportable):
            files.read(path)
        torch.save({"weight": torch.zeros(2), "code": Code()}, path)
        with pytest.raises(NotImportable, match=r"more than weights \((posix|nt).mkdir\)"):
            files.read(path)
    assert not witness.exists()


def test_a_damaged_pickle_is_refused_in_a_line_and_not_recited():
    with pytest.raises(NotImportable, match="or a damaged one") as refusal:
        scan(io.BytesIO(b"\x80\x02S" + b"x" * 10_000 + b"\n."))
    assert len(str(refusal.value)) < 200


def test_what_a_pickle_described_it_cannot_change_afterwards(tmp_path):
    """By the opcode BUILD, which sets the attributes of what was made."""
    made = pickled({"a": Described((4,), (1,))})
    changing = made[:-2] + b"}X\x05\x00\x00\x00shapeK\x09s\x86b" + made[-2:]
    with pytest.raises(NotImportable):
        files.read(with_pickle(tmp_path, changing, [bytes(16)]))


def test_headers_of_safetensors_are_held_against_the_file(tmp_path, refused):
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(4)}, path)
    assert files.read(path)["a"].shape == (4,)
    for header in (
        {"a": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}},
        {"a": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [2**60, 2**60 + 16]}},
    ):
        said = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(said)) + said + bytes(16))
        assert "damaged safetensors file" in refused(path)
    path.write_bytes(struct.pack("<Q", 2**40) + b"{" + bytes(16))
    assert "no checkpoint" in refused(path)
    path.write_bytes(struct.pack("<Q", 20_000_000) + b"{" + b" " * 20_000_000)
    assert "more in it than in any checkpoint" in refused(path)


def test_what_is_no_file_is_refused_at_once(tmp_path, refused):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-the-pipe").symlink_to(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "empty").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, told in {
            "pipe": "a pipe",
            "to-the-pipe": "a pipe",
            "folder": "a folder",
            "socket": "a socket",
            "nowhere": "No such file",
            "empty": "it is empty",
            "/dev/zero": "a device",
        }.items():
            assert told in refused(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves_is_read_as_torch_reads_it(tmp_path, zipped):
    tied = torch.randn(6, 4)
    tree = {
        "state_dict": OrderedDict(
            weight=tied,
            transposed=tied.t(),
            part=tied[2:4, 1:],
            half=torch.randn(3).half(),
            brain=torch.randn(3).bfloat16(),
            count=torch.tensor(7),
            flags=torch.tensor([True, False]),
            empty=torch.zeros(0, 3),
            parameter=torch.nn.Parameter(torch.randn(2)),
        ),
        "epoch": 3,
        "losses": [1.5, 2.5],
        "betas": (0.9, 0.999),
    }
    path = tmp_path / "net.pth"
    torch.save(tree, path, _use_new_zipfile_serialization=zipped)
    read, theirs = files.read(path), torch.load(path, weights_only=True)
    assert read["epoch"] == 3
    assert read["losses"] == [1.5, 2.5]
    for name, value in theirs["state_dict"].items():
        assert read["state_dict"][name].dtype == value.dtype
        assert torch.equal(read["state_dict"][name], value.detach())
