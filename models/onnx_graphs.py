"""ONNX graphs of other code, held against bounds before anything is made of them.

A file of a few bytes can ask for any amount of memory: by messages that take more room than bytes, by tensors that are
declared and not there, by functions that call each other, by data in other files. What a graph computes is bounded
where it runs (`models.onnx_runtime`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

MAX_BYTES = 2**30
"""Of a graph, with the data that it keeps in other files."""
MAX_FIELDS = 2_000_000
"""Of its messages, at every depth; a large network has a hundred thousand."""
MAX_NODES = 100_000
"""With every function written out where it is called."""
MAX_DEPTH = 64
"""Of messages in messages."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Where operators may be from: ONNX's own, and those that every release of ONNX Runtime has besides."""
_PACKED = 2**26
"""Bytes of numbers that are written one by one, and take up to eight times as much in memory."""


class BadGraph(ValueError):
    """A graph that is not taken: the message says what is wrong with it."""


def parse(data: bytes) -> ModelProto:
    """A graph's bytes as messages, whose number is known before they are made.

    Raises:
        BadGraph: it is no ONNX graph, or a larger one than is taken.
    """
    if len(data) > MAX_BYTES:
        raise BadGraph(f"it has {len(data):,} bytes, and {MAX_BYTES:,} are the most")
    _count_messages(memoryview(data), ModelProto.DESCRIPTOR)
    try:
        model = ModelProto.FromString(data)
    except Exception:  # protobuf's own
        raise BadGraph("it is no ONNX graph") from None
    if not model.graph.node or not model.graph.output:
        raise BadGraph("it is no ONNX graph: there are no nodes or no outputs in it")
    return model


def check(model: ModelProto) -> None:
    """Holds a graph against the bounds. Its tensors have to be in it: no other file is looked at.

    Raises:
        BadGraph: operators that ONNX Runtime has not, tensors that are not what they say, or more than is taken.
    """
    functions = {(function.domain, function.name): function for function in model.functions}
    bodies: dict[tuple[str, str], list[NodeProto]] = {key: [*_nodes(each.node)] for key, each in functions.items()}
    nodes = [*_nodes(model.graph.node)]
    for node in (*nodes, *(node for body in bodies.values() for node in body)):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in functions:
            raise BadGraph(
                f"it uses a custom operator, {node.domain}::{node.op_type}; only those of ONNX and of ONNX Runtime's "
                "own com.microsoft are taken"
            )
    if _written_out(nodes, bodies) > MAX_NODES:
        raise BadGraph(f"it has more than {MAX_NODES:,} nodes, its functions written out")
    if sum(_bytes(tensor) for tensor in tensors(model)) > MAX_BYTES:
        raise BadGraph(f"its tensors have more than {MAX_BYTES:,} bytes")


def parameters(model: ModelProto) -> int:
    """How many floating-point numbers its tensors hold; 1 at least."""
    kinds = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
    held = (math.prod(tensor.dims) for tensor in tensors(model) if tensor.data_type in kinds)
    quantised = (
        math.prod(tensor.dims)
        for tensor in tensors(model)
        if tensor.data_type in (TensorProto.INT8, TensorProto.UINT8) and len(tensor.dims) > 1
    )
    return max(1, sum(held) + sum(quantised))


def tensors(model: ModelProto) -> Iterator[TensorProto]:
    """All tensors that are written in a graph, at every depth.

    Raises:
        BadGraph: a sparse one.
    """
    yield from _tensors_of(model.graph)
    for function in model.functions:
        yield from _attribute_tensors(_attributes(function.node))


def _tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    if graph.sparse_initializer:
        raise BadGraph("it has sparse tensors, whose size in memory is not bounded by theirs in the file")
    yield from graph.initializer
    yield from _attribute_tensors(_attributes(graph.node))


def _attribute_tensors(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
    for attribute in attributes:
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise BadGraph("it has sparse tensors, whose size in memory is not bounded by theirs in the file")
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in _graphs(attribute):
            yield from _tensors_of(graph)


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes, and those of the graphs in them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in _graphs(attribute):
                yield from _nodes(graph.node)


def _attributes(nodes: Iterable[NodeProto]) -> Iterator[AttributeProto]:
    return (attribute for node in nodes for attribute in node.attribute)


def _graphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _written_out(nodes: Iterable[NodeProto], bodies: dict[tuple[str, str], list[NodeProto]]) -> int:
    """How many nodes there are when functions stand where they are called."""
    sizes: dict[tuple[str, str], int] = {}
    calling: list[tuple[str, str]] = []

    def size(called: Iterable[NodeProto]) -> int:
        total = 0
        for key, count in Counter((node.domain, node.op_type) for node in called).items():
            total += count * (1 if key not in bodies else measured(key))
        return total

    def measured(key: tuple[str, str]) -> int:
        if key in calling or len(calling) > MAX_DEPTH:
            raise BadGraph(f"its function {key[1]} calls itself, or too many others")
        if key not in sizes:
            calling.append(key)
            sizes[key] = 1 + size(bodies[key])
            calling.pop()
        return sizes[key]

    return size(nodes)


def _bytes(tensor: TensorProto) -> int:
    """Of a tensor in memory. Raises `BadGraph` if it is not all there, or has no size."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise BadGraph(f"its tensor {tensor.name} lies in another file")
    if any(length < 0 for length in tensor.dims):
        raise BadGraph(f"its tensor {tensor.name} has a negative length")
    count = math.prod(tensor.dims)
    if tensor.data_type == TensorProto.STRING:
        held = len(tensor.string_data)
        if held != count:
            raise BadGraph(f"its tensor {tensor.name} has {held:,} of {count:,} values")
        return sum(map(len, tensor.string_data))
    try:
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, ValueError):
        raise BadGraph(f"its tensor {tensor.name} is of a type that is not known") from None
    size = count * kind.itemsize
    if size > MAX_BYTES:
        raise BadGraph(f"its tensor {tensor.name} is declared with {size:,} bytes, and {MAX_BYTES:,} are the most")
    if tensor.HasField("raw_data") and len(tensor.raw_data) * 4 < size:  # a number may have two bits, and a byte here
        raise BadGraph(f"its tensor {tensor.name} has {len(tensor.raw_data):,} of {size:,} bytes")
    if not tensor.HasField("raw_data"):
        fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
        if sum(map(len, fields)) * 4 < count:
            raise BadGraph(f"its tensor {tensor.name} has fewer than its {count:,} numbers")
    return size


def _count_messages(data: memoryview, kind: Any) -> None:
    """Goes over the fields of a message and of those in it, without making any.

    Args:
        kind: the message's descriptor.

    Raises:
        BadGraph: too many, too deep, or no message at all.
    """
    fields, packed = 0, 0
    waiting = [(0, len(data), kind, 0)]
    while waiting:
        place, end, kind, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise BadGraph(f"its messages lie more than {MAX_DEPTH} deep in one another")
        while place < end:
            fields += 1
            if fields > MAX_FIELDS:
                raise BadGraph(f"it has more than {MAX_FIELDS:,} fields")
            tag, place = _varint(data, place, end)
            wire = tag & 7
            if wire == 0:
                _, place = _varint(data, place, end)
            elif wire in (1, 5):
                place += 8 if wire == 1 else 4
            elif wire == 2:
                length, place = _varint(data, place, end)
                field = kind.fields_by_number.get(tag >> 3)
                if field is not None and field.message_type is not None:
                    waiting.append((place, place + length, field.message_type, depth + 1))
                elif field is not None and field.type not in _as_large(field):
                    packed += length
                place += length
            else:
                raise BadGraph("it is no ONNX graph")
            if place > end or packed > _PACKED:
                raise BadGraph("it is no ONNX graph, or cut off" if place > end else "it has too many packed numbers")


def _as_large(field: Any) -> tuple[int, ...]:
    """Types of fields that take as much room in memory as in the file."""
    return field.TYPE_BYTES, field.TYPE_STRING, field.TYPE_FLOAT, field.TYPE_DOUBLE


def _varint(data: memoryview, place: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while place < end and shift < 64:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise BadGraph("it is no ONNX graph, or cut off")


def bytes_per_pixel(model: ModelProto, sizes: dict[str, tuple[int, ...]], pixels: int) -> int:
    """About how much memory a pass takes for each pixel that goes in: what its tensors take while they are needed.

    Args:
        sizes: of the graph's inputs, at which it is looked at.
        pixels: of the picture among them.
    """
    sized = ModelProto()
    sized.CopyFrom(model)
    for each in sized.graph.input:
        if each.name in sizes:
            del each.type.tensor_type.shape.dim[:]
            for length in sizes[each.name]:
                each.type.tensor_type.shape.dim.add(dim_value=length)
    del sized.graph.value_info[:]
    for each in sized.graph.output:
        each.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(sized, data_prop=True).graph
    held = {each.name: _type_bytes(each) for each in (*inferred.value_info, *inferred.input, *inferred.output)}
    last = {name: place for place, node in enumerate(inferred.node) for name in node.input}
    for each in inferred.output:
        last[each.name] = len(inferred.node)
    live = {each.name for each in inferred.input}
    most = 0
    for place, node in enumerate(inferred.node):
        live.update(name for name in node.output if name)
        most = max(most, sum(held.get(name, 0) for name in live))
        live = {name for name in live if last.get(name, -1) > place}
    return -(-most // pixels)


def _type_bytes(value: onnx.ValueInfoProto) -> int:
    told = value.type.tensor_type
    lengths = [dim.dim_value for dim in told.shape.dim]
    if not told.HasField("shape") or told.elem_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        return 0
    return math.prod(lengths) * helper.tensor_dtype_to_np_dtype(told.elem_type).itemsize
