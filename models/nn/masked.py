"""Networks whose output at a position depends on earlier positions alone, in raster order.

`GatedPixelCNN` is van den Oord et al. 2016 (arXiv 1606.05328, section 2.1 to 2.3), its masks realised as padding and
shifts. Both networks here take a map of tokens and give the logits of each token's value; what a token is, the family
says. `cursor(count)` is the same network, one position after the other, without computing anything twice.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Cursor(ABC):
    """A causal network on its way through `count` maps of tokens, in raster order."""

    @abstractmethod
    def logits(self) -> Tensor:
        """[count, values] of the token where the cursor stands."""

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
        self.layers = nn.ModuleList(_GatedLayer(width, width, 2, 3) for _ in range(layers))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width * 2, 1), nn.ReLU(), nn.Conv2d(width * 2, values, 1))

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

    In float64, so that no batch size rounds a probability to another sample.
    """

    def __init__(self, net: GatedPixelCNN, count: int):
        self.net = copy.deepcopy(net).double()
        self.side = self.net.places.shape[-1]
        self.layers = [_LayerCursor(layer, count, self.side) for layer in (self.net.first, *self.net.layers)]
        self.tokens = self.net.places.new_zeros(count, self.side, self.net.first.vertical.in_channels)
        self.row = self.column = 0

    def logits(self) -> Tensor:
        first, *layers = self.layers
        h = first.across(None, self.column) + self.net.places[1, :, self.row, self.column]
        for layer in layers:
            h = h + layer.across(h, self.column)
        hidden, out = self.net.head[1], self.net.head[3]
        return pointwise(out, F.relu(pointwise(hidden, F.relu(h))))

    def push(self, token: Tensor) -> None:
        self.tokens[:, self.column] = token
        self.layers[0].left.append(token.double())
        self.column += 1
        if self.column == self.side:
            first, *layers = self.layers
            v = first.down(self.tokens) + self.net.places[0, :, self.row].T
            for layer in layers:
                v = v + layer.down(v)
            self.row, self.column = self.row + 1, 0


class _LayerCursor:
    """One layer, with what it has to remember: the last rows above, and what is to the left in this row."""

    def __init__(self, layer: _GatedLayer, count: int, side: int):
        self.layer = layer
        self.vertical = layer.vertical.weight.permute(0, 2, 1, 3).flatten(1)
        self.horizontal = layer.horizontal.weight.squeeze(2).permute(2, 1, 0).flatten(0, 1)
        width, channels, rows, _ = layer.vertical.weight.shape
        self.above = self.vertical.new_zeros(count, rows, side + 2 * layer.left, channels)
        self.told = layer.horizontal.bias.expand(count, side, width)
        """What the vertical stack, seen up to the row above, adds to the horizontal one."""
        self._start_row()

    def across(self, h: Tensor | None, column: int) -> Tensor:
        """The horizontal stack's gated output at the next place. `h` [N, C] is its input there, if it sees that."""
        if h is not None:
            self.left.append(h)
        seen = torch.cat(self.left, dim=1)
        del self.left[0]
        gated = gate(torch.addmm(self.told[:, column], seen, self.horizontal))
        return pointwise(self.layer.out, gated)

    def down(self, v: Tensor) -> Tensor:
        """The vertical stack's gated output in the row whose inputs `v` [N, side, C] are now known."""
        reach = self.layer.left
        row = F.pad(v, (0, 0, reach, reach))[:, None]
        self.above = torch.cat([self.above[:, 1:], row], dim=1)
        seen = self.above.unfold(2, 2 * reach + 1, 1).transpose(1, 2).flatten(2)
        moved = F.linear(seen, self.vertical, self.layer.vertical.bias)
        self.told = pointwise(self.layer.link, moved) + self.layer.horizontal.bias
        self._start_row()
        return gate(moved.transpose(1, 2)).transpose(1, 2)

    def _start_row(self) -> None:
        """Left of a row there is nothing."""
        inputs = self.layer.horizontal.in_channels
        self.left = [self.above.new_zeros(len(self.above), inputs)] * self.layer.left


def pointwise(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1x1 convolution of places in rows: [..., C] -> [..., C']."""
    return F.linear(x, convolution.weight.flatten(1), convolution.bias)
