"""Between which values the numbers lie that a graph makes, as far as its last operators tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from models.families.onnx_graph import Values

Interval = tuple[float, float]

_BOUNDED: Mapping[str, Interval] = {"Tanh": (-1, 1), "Sigmoid": (0, 1), "HardSigmoid": (0, 1), "Softmax": (0, 1)}
_SAME = frozenset(
    {
        "Identity",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Cast",
        "Slice",
        "Gather",
        "Split",
        "Expand",
    }
    | {"Tile", "DepthToSpace", "MaxPool", "Round", "Floor", "Ceil"}
)
"""Operators whose results lie where their first input does."""
_NEAR = 0.02
"""Share of a range by which its bounds may be off."""
RANGES: Mapping[Interval, Values] = {(-1, 1): "-1,1", (0, 1): "0,1", (0, 255): "0,255"}


def values_of(graph: GraphProto, output: str) -> Values | None:
    """What black and white are in an output; None where its operators do not tell."""
    for each in graph.output:
        if each.name == output and each.type.tensor_type.elem_type == TensorProto.UINT8:
            return "0,255"
    found = _Bounds(graph).of(output)
    if found is None:
        return None
    for (low, high), name in RANGES.items():
        if max(abs(found[0] - low), abs(found[1] - high)) <= _NEAR * (high - low):
            return name
    return None


class _Bounds:
    def __init__(self, graph: GraphProto):
        self.makers: dict[str, NodeProto] = {name: node for node in graph.node for name in node.output}
        self.held: dict[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}

    def of(self, name: str, depth: int = 0) -> Interval | None:
        """Of a tensor by its name; None where that is not told."""
        number = self._number(name)
        if number is not None:
            return number, number
        node = self.makers.get(name)
        if node is None or depth > 50:
            return None
        if node.op_type in _BOUNDED:
            return _BOUNDED[node.op_type]
        if node.op_type == "Clip":
            return self._clip(node)
        known = [self.of(each, depth + 1) for each in node.input[: 1 if node.op_type in _SAME else None]]
        bounds = [each for each in known if each is not None]
        if not bounds or len(bounds) < len(known):
            return None
        if node.op_type in _SAME:
            return bounds[0]
        if node.op_type == "Concat":
            return min(low for low, _ in bounds), max(high for _, high in bounds)
        if node.op_type == "Neg":
            return -bounds[0][1], -bounds[0][0]
        return _combined(node.op_type, *bounds) if len(bounds) == 2 else None

    def _clip(self, node: NodeProto) -> Interval | None:
        told = {each.name: each.f for each in node.attribute}
        low = self._number(node.input[1]) if len(node.input) > 1 else told.get("min")
        high = self._number(node.input[2]) if len(node.input) > 2 else told.get("max")
        return None if low is None or high is None else (low, high)

    def _number(self, name: str) -> float | None:
        """The number that a constant is, or that all of its numbers are."""
        tensor = self.held.get(name)
        node = self.makers.get(name)
        if tensor is None and node is not None and node.op_type == "Constant":
            for each in node.attribute:
                value = helper.get_attribute_value(each)
                if each.name == "value":
                    tensor = value
                elif isinstance(value, float | int):
                    return float(value)
        if tensor is None or not 0 < np.prod(tensor.dims) <= 16:
            return None
        numbers = np.unique(numpy_helper.to_array(tensor))
        return float(numbers[0]) if len(numbers) == 1 and numbers.dtype.kind in "fiu" else None


def _combined(operator: str, one: Interval, other: Interval) -> Interval | None:
    """What comes of two tensors."""
    if operator == "Add":
        return one[0] + other[0], one[1] + other[1]
    if operator == "Sub":
        return one[0] - other[1], one[1] - other[0]
    if operator == "Div" and 0 in other:
        return None
    if operator in ("Mul", "Div"):
        ends = [first * (second if operator == "Mul" else 1 / second) for first in one for second in other]
        return min(ends), max(ends)
    if operator in ("Min", "Max"):
        pick = min if operator == "Min" else max
        return pick(one[0], other[0]), pick(one[1], other[1])
    return None
