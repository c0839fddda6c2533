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
    """Keeps, of each layer, the last rows of the vertical stack and the last places of the horizontal one.

    The vertical stack moves a row at a time. Float64, so that no batch size rounds a probability to another sample.
    """

    def __init__(self, net: GatedPixelCNN, count: int):
        self.net = copy.deepcopy(net).double()
        self.layers = [self.net.first, *self.net.layers]
        self.side = self.net.places.shape[-1]
        zeros = self.net.places.new_zeros
        self.above = [zeros(count, *_window(layer)[:2], self.side + 2 * layer.left) for layer in self.layers]
        self.links = [zeros(count, layer.link.out_channels, self.side) for layer in self.layers]
        self.tokens = zeros(count, self.layers[0].vertical.in_channels, self.side)
        self.row = 0
        self._start_row()

    def logits(self) -> Tensor:
        row, column = self.row, self.column
        h = self.left[0][-1]
        for index, (layer, left) in enumerate(zip(self.layers, self.left, strict=True)):
            if not layer.first:
                left.append(h)
            seen = torch.cat(left, dim=1)
            weight = layer.horizontal.weight.squeeze(2).transpose(1, 2).flatten(1)
            gated = gate(F.linear(seen, weight, layer.horizontal.bias) + self.links[index][:, :, column])
            gated = F.linear(gated, layer.out.weight.flatten(1), layer.out.bias)
            h = gated + self.net.places[1, :, row, column] if layer.first else h + gated
            del left[0]
        return self.net.head(h[:, :, None, None]).flatten(1)

    def push(self, token: Tensor) -> None:
        self.tokens[:, :, self.column] = token
        self.left[0].append(token.double())
        self.column += 1
        if self.column == self.side:
            self._finish_row()
            self.row += 1
            self._start_row()

    def _start_row(self) -> None:
        """Left of a row there is nothing."""
        self.column = 0
        count = len(self.tokens)
        self.left = [[self.tokens.new_zeros(count, layer.horizontal.in_channels)] * layer.left for layer in self.layers]

    def _finish_row(self) -> None:
        """Moves the vertical stacks over the row that is now known, for the next row to see."""
        v = self.tokens
        for index, layer in enumerate(self.layers):
            window = torch.cat([self.above[index][:, :, 1:], F.pad(v, (layer.left, layer.left))[:, :, None]], dim=2)
            self.above[index] = window
            moved = layer.vertical(window)
            self.links[index] = layer.link(moved).squeeze(2)
            gated = gate(moved).squeeze(2)
            v = gated + self.net.places[0, :, self.row] if layer.first else v + gated


def _window(layer: _GatedLayer) -> tuple[int, int, int]:
    """Channels, rows and columns that the vertical stack sees at once."""
    _, channels, rows, columns = layer.vertical.weight.shape
    return channels, rows, columns
