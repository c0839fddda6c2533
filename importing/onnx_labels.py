"""How many classes the labels of an ONNX graph are of, as far as its operators tell."""

from __future__ import annotations

from onnx import GraphProto, NodeProto, numpy_helper

_SAME = frozenset({"Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
"""Operators after which an index is still that index."""


def classes_of(graph: GraphProto, label: str) -> int | None:
    """Of the input `label`, indices: the rows of the embedding that they choose from, or the depth of their one-hot."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for each in node.attribute if node.op_type == "Constant" else ():
            if each.name == "value":
                held[node.output[0]] = each.t
    indices = {label}
    for node in graph.node:
        if node.op_type in _SAME and node.input[0] in indices:
            indices.add(node.output[0])
        elif node.op_type == "Gather" and node.input[1] in indices and node.input[0] in held:
            return held[node.input[0]].dims[_axis(node)]
        elif node.op_type == "OneHot" and node.input[0] in indices and node.input[1] in held:
            return int(numpy_helper.to_array(held[node.input[1]]).reshape(-1)[0])
    return None


def _axis(node: NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "axis"), 0)
