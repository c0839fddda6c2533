"""The diagonal BiLSTM of PixelRNN (van den Oord et al. 2016, arXiv 1601.06759, section 3.2 to 3.4).

Two LSTMs cross the map diagonal by diagonal, one from the upper left, one from the upper right, so that one layer sees
all rows above a position and its own up to it. As in `models.nn.masked`, tokens become logits of each token's value.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.layers import Layers
from models.nn.masked import Cursor, Head, Pointwise, bias, down


class _BiLSTM(nn.Module):
    """x + what two LSTMs make of all positions before it and of x itself. [N, 2 width, S, S] -> the same.

    The state at (row, column) follows from those at (row, column - 1) and (row - 1, column); the second LSTM sees the
    map mirrored, and its states move down a row, so that nothing right of a position is seen from it.
    """

    order: Tensor
    """The positions, diagonal after diagonal."""
    back: Tensor
    """Where each position stands in `order`."""

    def __init__(self, width: int, side: int):
        super().__init__()
        self.width, self.side = width, side
        self.input = nn.Conv2d(width * 2, 2 * width * 4, 1)
        self.state = nn.Parameter(torch.empty(2, 2 * width, 4 * width).uniform_(-1, 1) / (2 * width) ** 0.5)
        self.output = nn.Conv2d(width * 2, width * 2, 1)
        places = torch.arange(side**2).unflatten(0, (side, side))
        diagonals = [places.flip(0).diagonal(offset).flip(0) for offset in range(1 - side, side)]
        self.lengths = [len(diagonal) for diagonal in diagonals]
        order = torch.cat(diagonals)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.input(x).chunk(2, dim=1)
        ways = torch.stack([one, other.flip(3)]).flatten(3)[..., self.order]
        states = self._along(ways.permute(3, 0, 1, 2).contiguous())[self.back]
        one, other = states.permute(1, 2, 3, 0).unflatten(3, x.shape[2:])
        return x + self.output(torch.cat([one, down(other.flip(3))], dim=1))

    def _along(self, gates: Tensor) -> Tensor:
        """Diagonal after diagonal, each from its upper end. [S², 2, N, 4 width] -> [S², 2, N, width]."""
        hidden = cell = gates.new_zeros(0, *gates.shape[1:3], self.width)
        states = []
        for diagonal in gates.split(self.lengths):
            if len(diagonal) > len(hidden):
                hidden, cell = F.pad(hidden, (0, 0) * 3 + (1, 1)), F.pad(cell, (0, 0) * 3 + (1, 1))
            before = torch.cat([hidden[1:], hidden[:-1]], dim=-1)
            hidden, cell = self.step(diagonal, before, cell[1:])
            states.append(hidden)
        return torch.cat(states)

    def step(self, gates: Tensor, before: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """[P, 2, N, 4 width], the states beside and above [P, 2, N, 2 width], the cells beside -> states and cells."""
        return _lstm(gates + torch.einsum("pwnh,whg->pwng", before, self.state), cell)


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Equation 3: gates [..., 4 width] and cell [..., width] -> state and cell, [..., width] each."""
    out, forget, write, content = torch.sigmoid(gates).chunk(4, dim=-1)
    cell = forget * cell + write * (2 * content - 1)  # tanh(x / 2) = 2σ(x) - 1, and a sigmoid is the faster by far
    return out * (2 * torch.sigmoid(cell) - 1), cell


class DiagonalBiLSTM(nn.Module):
    """Tokens [N, features, side, side] -> logits [N, values, side, side]. `width`: of each LSTM's state."""

    seen: Tensor
    """What the first layer may see of its surroundings: 1, and 0 from the position itself on."""

    def __init__(self, features: int, values: int, side: int, width: int, layers: int):
        super().__init__()
        self.side = side
        self.first = nn.Conv2d(features, width * 2, (3, 5))
        seen = torch.ones(3, 5)
        seen[2, 2:] = 0
        self.register_buffer("seen", seen, persistent=False)
        self.layers = Layers(_BiLSTM(width, side) for _ in range(layers))
        self.head = Head(width * 2, width * 2, values)

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.conv2d(F.pad(tokens, (2, 2, 2, 0)), self.first.weight * self.seen, self.first.bias)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)

    def cursor(self, count: int) -> Cursor:
        return _BiLSTMCursor(self, count)


class _BiLSTMCursor(Cursor):
    """The first LSTM moves with the places, the second crosses each row once it is known. Float64, for the reason of
    `_GatedCursor`."""

    def __init__(self, net: DiagonalBiLSTM, count: int):
        self.side = net.side
        self.first, self.bias = (net.first.weight * net.seen).double().flatten(1), bias(net.first)
        self.layers = [_Layer(layer, count) for layer in net.layers]
        self.hidden, self.out = net.head.pointwise()
        self.tokens = self.first.new_zeros(count, net.first.in_channels, 3, self.side + 4)
        """The row and two above it, two places wider on either side."""
        self.column = 0

    def logits(self) -> Tensor:
        window = self.tokens[:, :, :, self.column : self.column + 5]
        x = F.linear(window.flatten(1), self.first, self.bias)
        for layer in self.layers:
            x = layer.across(x, self.column)
        return self.out(F.relu(self.hidden(F.relu(x))))

    def push(self, token: Tensor) -> None:
        self.tokens[:, :, 2, self.column + 2] = token
        self.column += 1
        if self.column == self.side:
            for layer in self.layers:
                layer.back()
            self.tokens = F.pad(self.tokens[:, :, 1:], (0, 0, 0, 1))
            self.column = 0


class _Layer:
    """One layer, with what it has to remember: both LSTMs' states of the row above, and of this row what is known."""

    def __init__(self, layer: _BiLSTM, count: int):
        self.input, self.output = Pointwise(layer.input), Pointwise(layer.output)
        self.weights = layer.state.double()
        self.gates = 4 * layer.width
        self.above = self.weights.new_zeros(2, layer.side, count, layer.width)
        self._start_row()

    def across(self, x: Tensor, column: int) -> Tensor:
        """What the layer makes of its input at the next place, [N, 2 width] -> the same."""
        gates = self.input(x)
        before = torch.cat([self.state, self.above[0, column]], dim=1)
        self.state, self.cell = _lstm(gates[:, : self.gates] + before @ self.weights[0], self.cell)
        self.others.append(gates[:, self.gates :])
        self.states.append(self.state)
        return x + self.output(torch.cat([self.state, self.above[1, column]], dim=1))

    def back(self) -> None:
        """Sends the second LSTM along the row, from its right end."""
        state = cell = torch.zeros_like(self.state)
        found = []
        for gates, above in zip(self.others[::-1], self.above[1].flip(0), strict=True):
            state, cell = _lstm(gates + torch.cat([state, above], dim=1) @ self.weights[1], cell)
            found.append(state)
        self.above = torch.stack([torch.stack(self.states), torch.stack(found[::-1])])
        self._start_row()

    def _start_row(self) -> None:
        """Left of a row there is nothing."""
        self.state = self.cell = torch.zeros_like(self.above[0, 0])
        self.others: list[Tensor] = []
        """The second LSTM's gates, as far as they do not depend on its states."""
        self.states: list[Tensor] = []
