"""Networks whose output at a position depends on earlier positions alone, in raster order.

`GatedPixelCNN` is van den Oord et al. 2016 (arXiv 1606.05328, section 2.1 to 2.3), its masks realised as padding and
shifts. Both networks here take a map of tokens and give the logits of each token's value; what a token is, the family
says. `cursor(count)` is the same network, one position after the other, without computing anything twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.layers import Layers


class Cursor(ABC):
    """A causal network on its way through `count` maps of tokens, in raster order."""

    @abstractmethod
    def logits(self) -> Tensor:
        """[count, values] of the token where the cursor stands; to be called once between two pushes."""

    @abstractmethod
    def push(self, token: Tensor) -> None:
        """Sets the token where the cursor stands, [count, features], and moves on to the next position."""


class _GatedLayer(nn.Module):
    """A vertical stack that sees all rows up to its own, and a horizontal one that sees its row up to itself (Fig. 2).

    `first`: the horizontal stack does not see its own position (the paper's mask A); nothing to add to, so no residual.
    """

    def __init__(self, inputs: int, width: int, rows: int, columns: int, first: bool = False):
        super().__init__()
        self.first = first
        self.around = (columns // 2, columns // 2, rows - 1, 0)
        self.left = columns // 2
        self.vertical = nn.Conv2d(inputs, width * 2, (rows, columns))
        self.horizontal = nn.Conv2d(inputs, width * 2, (1, self.left + (not first)))
        self.link = nn.Conv2d(width * 2, width * 2, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """[N, inputs, H, W] twice -> [N, width, H, W] twice."""
        above = self.vertical(F.pad(v, self.around))
        row = self.horizontal(F.pad(h, (self.left, -1 if self.first else 0, 0, 0)))
        gated = self.out(gate(row + down(self.link(above))))
        return (gate(above), gated) if self.first else (v + gate(above), h + gated)


def gate(x: Tensor) -> Tensor:
    """tanh(a / 2) σ(b) of the two halves of the channels (eq. 2). [N, 2 C, ...] -> [N, C, ...]."""
    a, b = torch.sigmoid(x).chunk(2, dim=1)  # tanh(a / 2) = 2σ(a) - 1, and a sigmoid takes a fifth of a tanh's time
    return (2 * a - 1) * b


def down(x: Tensor) -> Tensor:
    """One row down; the first becomes 0."""
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))


class Head(nn.Sequential):
    """The last layers, 1x1 convolutions of rectified maps: [N, inputs, H, W] -> [N, values, H, W]."""

    def __init__(self, inputs: int, hidden: int, values: int):
        super().__init__(nn.ReLU(), nn.Conv2d(inputs, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, values, 1))

    def pointwise(self) -> tuple[Pointwise, Pointwise]:
        """The two convolutions."""
        hidden, out = (Pointwise(layer) for layer in self if isinstance(layer, nn.Conv2d))
        return hidden, out


class GatedPixelCNN(nn.Module):
    """Tokens [N, features, side, side] -> logits [N, values, side, side].

    Args:
        width: channels of both stacks.
        layers: each sees one row and column further, after a first one that sees two.
    """

    def __init__(self, features: int, values: int, side: int, width: int, layers: int):
        super().__init__()
        self.first = _GatedLayer(features, width, 3, 5, first=True)
        self.places = nn.Parameter(torch.zeros(2, width, side, side))
        self.layers = Layers(_GatedLayer(width, width, 2, 3) for _ in range(layers))
        self.head = Head(width, width * 2, values)

    def forward(self, tokens: Tensor) -> Tensor:
        v, h = self.first(tokens, tokens)
        v, h = v + self.places[0], h + self.places[1]
        for layer in self.layers:
            v, h = layer(v, h)
        return self.head(h)

    def cursor(self, count: int) -> Cursor:
        return _GatedCursor(self, count)


class _GatedCursor(Cursor):
    """Vertical stacks move a row at a time, horizontal ones a place at a time.

    In float64, so that no batch size rounds a probability to another sample. At a place the calls cost more than their
    arithmetic, so there are few, into memory that stays: one tells all layers what is to their left, and four make a
    layer.
    """

    def __init__(self, net: GatedPixelCNN, count: int):
        _, width, self.side, _ = net.places.shape
        self.places = net.places.detach().double().permute(0, 2, 3, 1)
        self.vertical = [_VerticalStack(layer, count, self.side) for layer in (net.first, *net.layers)]
        gates = self.places.new_ones(1 + len(net.layers), count, 1 + 2 * width)
        self.first, *self.layers = map(_HorizontalStack, (net.first, *net.layers), gates)
        self.gates, self.left = gates[1:, :, 1:], torch.stack([layer.left for layer in self.layers])
        self.h = self.places.new_zeros(1 + len(net.layers), count, width)
        """What each layer but the first is given, and the head; for the place to the left until `logits`."""
        self.given = self.h.unbind()
        self.hidden, self.out = net.head.pointwise()
        self.tokens = self.places.new_zeros(count, self.side, net.first.vertical.in_channels)
        self.row = 0
        self._start_row()

    def logits(self) -> Tensor:
        torch.addmm(
            self.first_from_above[self.column], torch.cat(self.before, 1), self.first.left, out=self.first.gates
        )
        torch.baddbmm(self.from_above[self.column], self.h[:-1], self.left, out=self.gates)
        self.first.gated(self.shifts[self.column], self.given[0])
        for layer, h, following in zip(self.layers, self.given, self.given[1:], strict=False):
            layer.gates.addmm_(h, layer.own)
            layer.gated(h, following)
        return self.out(F.relu(self.hidden(F.relu(self.given[-1]))))

    def push(self, token: Tensor) -> None:
        self.tokens[:, self.column] = token
        self.before = [*self.before[1:], token.double()]
        self.column += 1
        if self.column == self.side and self.row + 1 < self.side:
            first, *rest = self.vertical
            v = first.down(self.tokens) + self.places[0, self.row]
            for stack in rest:
                v = v + stack.down(v)
            self.row += 1
            self._start_row()

    def _start_row(self) -> None:
        """Left of a row there is nothing."""
        first, *rest = [stack.from_above for stack in self.vertical]
        self.column = 0
        self.first_from_above, self.from_above = first.unbind(1), torch.stack(rest).unbind(2)
        self.shifts = self.places[1, self.row].unbind()
        self.before = [torch.zeros_like(self.tokens[:, 0])] * self.vertical[0].reach
        self.h.zero_()


class _HorizontalStack:
    """A layer's horizontal stack at one place. Halved before and after the gate, which is then one tanh: 2 `gate(2 x)`
    is tanh(a) (1 + tanh(b))."""

    def __init__(self, layer: _GatedLayer, memory: Tensor):
        """
        Args:
            memory: [N, 1 + 2 width] of ones. The first stay, for the bias of what comes after the gate.
        """
        weight = layer.horizontal.weight.detach().double().squeeze(2).permute(2, 1, 0) / 2
        self.left, self.own = weight[: layer.left].flatten(0, 1), weight[layer.left :].flatten(0, 1)
        out = Pointwise(layer.out)
        self.out = torch.cat([out.bias[None], out.weight.T / 2])
        self.gates = memory[:, 1:]
        """[N, 2 width]: what the gate gets."""
        self.a, self.b = self.gates.chunk(2, dim=1)
        self.and_one = memory[:, : len(self.out)]

    def gated(self, h: Tensor, out: Tensor) -> None:
        """Writes h and the gated output, [N, width], to `out`. Overwrites `gates`."""
        self.gates.tanh_()
        self.a.addcmul_(self.a, self.b)
        torch.addmm(h, self.and_one, self.out, out=out)


class _VerticalStack:
    """A layer's vertical stack, a row at a time, with what it has to remember: the last rows above. Halved before the
    gate, as `_HorizontalStack` is."""

    def __init__(self, layer: _GatedLayer, count: int, side: int):
        weight, self.bias = layer.vertical.weight.detach().double() / 2, bias(layer.vertical) / 2
        self.weight, self.link, self.reach = weight.permute(0, 2, 1, 3).flatten(1), Pointwise(layer.link), layer.left
        width, channels, rows, _ = weight.shape
        self.above = weight.new_zeros(count, rows, side + 2 * self.reach, channels)
        horizontal = bias(layer.horizontal)
        self.link.bias = (self.link.bias + horizontal) / 2
        self.from_above = (horizontal / 2).expand(count, side, width)
        """Half of what the horizontal stack's gate gets, but for what that sees itself."""

    def down(self, v: Tensor) -> Tensor:
        """Its gated output in the row whose inputs `v` [N, side, C] are now known."""
        row = F.pad(v, (0, 0, self.reach, self.reach))[:, None]
        self.above = torch.cat([self.above[:, 1:], row], dim=1)
        seen = self.above.unfold(2, 2 * self.reach + 1, 1).transpose(1, 2).flatten(2)
        moved = F.linear(seen, self.weight, self.bias)
        self.from_above = self.link(moved)
        a, b = moved.tanh_().chunk(2, dim=2)
        return torch.addcmul(a, a, b) / 2


def bias(convolution: nn.Conv2d) -> Tensor:
    """A convolution's bias in float64, [C]; 0 where it has none."""
    if convolution.bias is None:
        return convolution.weight.new_zeros(convolution.out_channels, dtype=torch.float64)
    return convolution.bias.detach().double()


class Pointwise:
    """A 1x1 convolution in float64, of places in rows: [..., C] -> [..., C']."""

    def __init__(self, convolution: nn.Conv2d):
        self.weight = convolution.weight.detach().flatten(1).double()
        self.bias = bias(convolution)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)
