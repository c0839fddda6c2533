"""ONNX files that are not served: each is refused with a word on it, before it costs anything."""

import contextlib
import hashlib
import os
import resource

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data
from safetensors.torch import save

from importing import onnx_probe
from importing.errors import NotImportable
from importing.onnx_graph import import_graph
from importing.onnx_reader import GraphSettings
from models import onnx_graphs
from models.card import Card, WeightsRecord
from models.checkpoint import BadCheckpoint
from models.checkpoint import read as read_model
from tests import foreign_graphs as foreign
from tests.foreign_graphs import graph, small, written

TANH = helper.make_node("Tanh", ["x"], ["y"])


def refused(tmp_path, data, match, **settings):
    """What importing says."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotImportable, match=match) as caught:
        import_graph("mine", written(tmp_path, data), GraphSettings(**settings), tmp_path / "zoo")
    assert "model.onnx" in str(caught.value)
    assert not (tmp_path / "zoo").exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\3\4" + bytes(100), b"\x08\x0a" * 50, bytes(1000)])
def test_what_is_no_graph(tmp_path, data):
    refused(tmp_path, data, "no ONNX graph")


def test_every_prefix_of_a_graph_and_every_flipped_byte_is_told_or_taken(tmp_path):
    """Nothing but the refusal is raised, whatever is amiss."""
    whole, random = graph(foreign.Flat), np.random.default_rng(0)
    for case in range(150):
        broken = bytearray(whole[: random.integers(len(whole))] if case % 3 == 0 else whole)
        for place in random.integers(0, min(len(broken), 3000) or 1, 2 if case % 3 else 0):
            broken[place] ^= 1 << random.integers(8)
        with contextlib.suppress(NotImportable):
            import_graph(f"model-{case}", written(tmp_path, bytes(broken)), GraphSettings(), tmp_path / "zoo")


def test_custom_operators(tmp_path):
    node = helper.make_node("Dream", ["x"], ["y"], domain="my.ops")
    refused(tmp_path, small([node]), r"a custom operator, my\.ops::Dream", task="translate")


def test_operators_that_onnx_runtime_has_not(tmp_path):
    refused(tmp_path, small([helper.make_node("Dream", ["x"], ["y"])]), "ONNX Runtime does not take it.*Dream")


@pytest.mark.parametrize("location", ["/etc/passwd", "../beside.bin", "link.bin"])
def test_data_outside_of_the_files_folder(tmp_path, location):
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "beside.bin").write_bytes(bytes(1 << 16))
    (folder / "link.bin").symlink_to(tmp_path / "beside.bin")
    model = small([helper.make_node("Mul", ["x", "w"], ["y"])], {"w": np.ones((1, 3, 8, 8), np.float32)})
    convert_model_to_external_data(model, location="data.bin", size_threshold=0)
    model.graph.initializer[0].external_data[0].value = location
    model.graph.initializer[0].ClearField("raw_data")
    refused(folder, model, "outside of the file's folder|no regular", task="translate")


def external(folder):
    """A graph with data in a file beside it."""
    folder.mkdir(exist_ok=True)
    model = onnx.load_from_string(graph(foreign.Flat))
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="data.bin", size_threshold=0)
    return (folder / "model.onnx").read_bytes()


def test_data_beside_the_file_is_taken_in(tmp_path):
    external(tmp_path)
    card = import_graph("mine", tmp_path / "model.onnx", GraphSettings(), tmp_path / "zoo")
    assert card.weights.parameters == sum(parameter.numel() for parameter in foreign.network(foreign.Flat).parameters())
    (tmp_path / "data.bin").unlink()
    read_model(tmp_path / "zoo" / "mine")


def test_data_beside_the_file_that_ends_too_early_or_is_no_file(tmp_path):
    data = external(tmp_path)
    (tmp_path / "data.bin").write_bytes((tmp_path / "data.bin").read_bytes()[:-10])
    refused(tmp_path, data, r"data\.bin ends before its tensor")
    (tmp_path / "data.bin").unlink()
    refused(tmp_path, data, r"data\.bin cannot be read: No such file")
    os.mkfifo(tmp_path / "data.bin")
    refused(tmp_path, data, r"data\.bin is no regular file")


def test_a_pipe_a_device_and_a_folder_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "zero"):
        with pytest.raises(NotImportable, match=r"no regular file|Is a directory"):
            import_graph("mine", tmp_path / f"{name}.onnx", GraphSettings(), tmp_path / "zoo")


def test_more_bytes_than_are_stated(tmp_path):
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(onnx_graphs.MAX_BYTES + 1)
    with pytest.raises(NotImportable, match="1,073,741,825 bytes, and 1,073,741,824 are the most"):
        import_graph("mine", path, GraphSettings(), tmp_path / "zoo")


def test_a_tensor_that_is_declared_and_not_there(tmp_path):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[40_000_000_000])
    for data in (b"", bytes(400)):
        tensor.raw_data = data
        model = small([helper.make_node("Mul", ["x", "w"], ["y"])])
        model.graph.initializer.append(tensor)
        refused(tmp_path, model, "declared with 160,000,000,000 bytes", task="translate")
    tensor.dims[0] = 200_000_000
    model.graph.initializer[0].CopyFrom(tensor)
    refused(tmp_path, model, "has 400 of 800,000,000 bytes", task="translate")


def test_a_sparse_tensor(tmp_path):
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("", TensorProto.INT64, [1], [0]),
        [10**9],
    )
    model = small([helper.make_node("Mul", ["x", "w"], ["y"])])
    model.graph.sparse_initializer.append(sparse)
    refused(tmp_path, model, "sparse tensors", task="translate")


@pytest.mark.parametrize("hidden", [False, True])
def test_a_tensor_that_a_pass_would_make_of_nothing(tmp_path, hidden):
    """160 GB of one number, of a length that stands there or that is computed."""
    length = numpy_helper.from_array(np.array([40_000_000_000 // (192 if hidden else 1)]), "length")
    nodes = [helper.make_node("ConstantOfShape", ["long" if hidden else "length"], ["big"])]
    if hidden:
        nodes = [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("ReduceProd", ["shape"], ["numbers"], keepdims=1),
            helper.make_node("Mul", ["numbers", "length"], ["long"]),
            *nodes,
        ]
    nodes += [helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0), helper.make_node("Add", ["x", "sum"], ["y"])]
    model = small(nodes, {"length": numpy_helper.to_array(length)}, shape=(1, 3, 8, 8))
    refused(tmp_path, model, "smaller than requested bytes", task="translate")


def test_messages_that_take_more_room_than_bytes(tmp_path):
    """Three million empty nodes of two bytes each."""
    inside = b"\x0a\x00" * 3_000_000
    length = len(inside)
    varint = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14 & 127 | 128, length >> 21])
    refused(tmp_path, b"\x08\x0a\x3a" + varint + inside, "more than 2,000,000 fields")


def test_functions_that_call_each_other(tmp_path):
    """Thirty of two calls each are a billion nodes."""
    domain = helper.make_opsetid("f", 1), helper.make_opsetid("", 18)

    def calling(number):
        nodes = [
            helper.make_node(f"F{number + 1}", [name], [made], domain="f") for name, made in (("a", "b"), ("b", "c"))
        ]
        return helper.make_function("f", f"F{number}", ["a"], ["c"], nodes, domain)

    last = helper.make_function("f", "F30", ["a"], ["c"], [helper.make_node("Tanh", ["a"], ["c"])], domain)
    functions = [*map(calling, range(30)), last]
    model = small([helper.make_node("F0", ["x"], ["y"], domain="f")], opset_imports=domain, functions=functions)
    refused(tmp_path, model, "more than 100,000 nodes", task="translate")
    circle = helper.make_function("f", "F0", ["a"], ["c"], [helper.make_node("F0", ["a"], ["c"], domain="f")], domain)
    model = small([helper.make_node("F0", ["x"], ["y"], domain="f")], opset_imports=domain, functions=[circle])
    refused(tmp_path, model, "calls itself", task="translate")


def test_functions_are_taken(tmp_path):
    domain = helper.make_opsetid("f", 1), helper.make_opsetid("", 18)
    function = helper.make_function("f", "F", ["a"], ["c"], [helper.make_node("Tanh", ["a"], ["c"])], domain)
    model = small([helper.make_node("F", ["x"], ["y"], domain="f")], opset_imports=domain, functions=[function])
    settings = GraphSettings(task="translate", values="-1,1")
    import_graph("mine", written(tmp_path, model), settings, tmp_path / "zoo")


def test_a_pass_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_probe, "MAX_SECONDS", 1)
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Tanh", ["a"], ["b"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, None)],
    )
    loop = helper.make_node("Loop", ["count", "", "x"], ["y"], body=body)
    model = small([loop], {"count": np.array(10**15)}, shape=(1, 3, 8, 8))
    refused(tmp_path, model, "one pass of it takes more than 1 seconds", task="translate", values="0,1")


def test_pictures_that_are_drawn_by_chance(tmp_path):
    nodes = [helper.make_node("RandomNormalLike", ["x"], ["noise"]), helper.make_node("Tanh", ["noise"], ["y"])]
    refused(tmp_path, small(nodes, shape=(1, 3, 8, 8)), "another picture each time", task="translate")


def test_pictures_without_finite_numbers(tmp_path):
    nodes = [helper.make_node("Log", ["x"], ["log"]), helper.make_node("Sqrt", ["log"], ["y"])]
    refused(tmp_path, small(nodes, shape=(1, 3, 8, 8)), "without a finite number", task="translate", values="-1,1")


@pytest.mark.parametrize(
    ("data", "settings", "reason"),
    [
        (graph(foreign.AnySize), {}, r"it takes pictures \(input_1\); say what it makes of them by --task"),
        (graph(foreign.Flat), {"task": "translate"}, "no square picture"),
        (graph(foreign.OneHot, ["z", "c"]), {"task": "sample"}, "takes a label besides .*--task conditional takes one"),
        (graph(foreign.Flat), {"task": "conditional"}, "conditional needs an input that is a label"),
        (graph(foreign.OneHot, ["z", "c"]), {"classes": ("3",)}, r"it has 5 classes, not 3 \(--classes\)"),
        (graph(foreign.Flat), {"output": "pictures"}, "it has no output pictures .*it has made"),
        (graph(foreign.Flat), {"inputs": {"latent": "z"}}, "it has no input z .*it has input_1"),
        (graph(foreign.Flat), {"inputs": {"mask": "input_1"}}, "an input is an image, a latent or a label"),
        (graph(foreign.Smaller), {"task": "upscale"}, "it makes 16 x 16 of 32 x 32, which is not two or more times"),
        (graph(foreign.Smaller), {"task": "translate", "size": (64, 64)}, "pictures of 32 x 32, not of 64 x 64"),
        (small([TANH], shape=("n", 4, 8, 8)), {"task": "translate"}, "x is .* x 4 x 8 x 8, which are no pictures"),
        (small([TANH], shape=("n", "latent")), {}, "left open; say it by --latent"),
        (small([TANH], shape=("n", 3, 8, 3)), {"task": "translate"}, "may lie both ways; say which by --layout"),
        (small([TANH], shape=()), {}, "which no request gives"),
    ],
)  # fmt: skip
def test_what_has_to_be_said_is_asked_for_by_its_option(tmp_path, data, settings, reason):
    refused(tmp_path, data, reason, **settings)


def test_a_name_that_is_taken(tmp_path):
    path = written(tmp_path, graph(foreign.Flat))
    import_graph("mine", path, GraphSettings(), tmp_path / "zoo")
    with pytest.raises(NotImportable, match="exists already"):
        import_graph("mine", path, GraphSettings(), tmp_path / "zoo")


def test_a_folder_whose_graph_was_changed_is_not_served(tmp_path):
    """What a worker reads is held against the same bounds: a folder may have come another way."""
    import_graph("mine", written(tmp_path, graph(foreign.Flat)), GraphSettings(), tmp_path / "zoo")

    node = helper.make_node("Dream", ["x"], ["y"], domain="my.ops")
    state = {"_extra_state": torch.frombuffer(bytearray(small([node]).SerializeToString()), dtype=torch.uint8)}
    folder, blob = tmp_path / "zoo" / "mine", save(state)
    (folder / "model.safetensors").write_bytes(blob)
    weights = WeightsRecord(sha256=hashlib.sha256(blob).hexdigest(), bytes=len(blob), parameters=1)
    Card.read(folder).model_copy(update={"weights": weights}).write(folder)
    with pytest.raises(BadCheckpoint, match="a custom operator"):
        read_model(folder)
