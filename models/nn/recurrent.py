"""The diagonal BiLSTM of PixelRNN (van den Oord et al. 2016, arXiv 1601.06759, section 3.2 to 3.4).

Two LSTMs cross the map diagonal by diagonal, one from the upper left, one from the upper right, so that one layer sees
all rows above a position and its own up to it. As in `models.nn.masked`, tokens become logits of each token's value.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.masked import Cursor, down, pointwise


class _BiLSTM(nn.Module):
    """x + what two LSTMs make of all positions before it and of x itself. [N, 2 width, S, S] -> the same.

    The state at (row, column) follows from those at (row, column - 1) and (row - 1, column); the second LSTM sees the
    map mirrored, and its states move down a row, so that nothing right of a position is seen from it.
    """

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

    def __init__(self, features: int, values: int, side: int, width: int, layers: int):
        super().__init__()
        self.first = nn.Conv2d(features, width * 2, (3, 5))
        seen = torch.ones(3, 5)
        seen[2, 2:] = 0
        self.register_buffer("seen", seen, persistent=False)
        self.layers = nn.ModuleList(_BiLSTM(width, side) for _ in range(layers))
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width * 2, width * 2, 1), nn.ReLU(), nn.Conv2d(width * 2, values, 1)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.conv2d(F.pad(tokens, (2, 2, 2, 0)), self.first.weight * self.seen, self.first.bias)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)

    def cursor(self, count: int) -> Cursor:
        return _BiLSTMCursor(self, count)


class _BiLSTMCursor(Cursor):
    """Keeps the states of the row above, and what is beside. Float64, for the reason of `_GatedCursor`."""

    def __init__(self, net: DiagonalBiLSTM, count: int):
        self.net = copy.deepcopy(net).double()
        self.side = net.layers[0].side
        features, width = net.first.in_channels, net.layers[0].width
        zeros = self.net.first.weight.new_zeros
        self.tokens = zeros(count, features, 3, self.side + 4)
        """The row and two above it, two places wider on either side."""
        self.above = [zeros(2, self.side, count, width) for _ in net.layers]
        """States of the row above, of the LSTM from the left and of the one from the right."""
        self._start_row()

    def logits(self) -> Tensor:
        net, column = self.net, self.column
        window = self.tokens[:, :, :, column : column + 5]
        x = F.conv2d(window, net.first.weight * net.seen, net.first.bias).flatten(1)
        for index, layer in enumerate(net.layers):
            self.inputs[index].append(x)
            beside, cell = self.beside[index]
            gates = pointwise(layer.input, x)[:, : 4 * layer.width]
            before = torch.cat([beside, self.above[index][0, column]], dim=1)
            state, cell = _lstm(gates + before @ layer.state[0], cell)
            self.beside[index] = state, cell
            self.states[index].append(state)
            seen = torch.cat([state, self.above[index][1, column]], dim=1)
            x = x + pointwise(layer.output, seen)
        hidden, out = net.head[1], net.head[3]
        return pointwise(out, F.relu(pointwise(hidden, F.relu(x))))

    def push(self, token: Tensor) -> None:
        self.tokens[:, :, 2, self.column + 2] = token
        self.column += 1
        if self.column == self.side:
            self._finish_row()
            self._start_row()

    def _start_row(self) -> None:
        """Beside the first place of a row there is nothing."""
        self.column = 0
        nothing = self.above[0].new_zeros(self.above[0].shape[2:])
        self.beside = [(nothing, nothing) for _ in self.net.layers]
        self.inputs: list[list[Tensor]] = [[] for _ in self.net.layers]
        self.states: list[list[Tensor]] = [[] for _ in self.net.layers]

    def _finish_row(self) -> None:
        """Sends the second LSTM along the row that is now known, from its right end."""
        for index, layer in enumerate(self.net.layers):
            state = cell = torch.zeros_like(self.beside[index][0])
            gates = pointwise(layer.input, torch.stack(self.inputs[index]))
            found = []
            for column in range(self.side - 1, -1, -1):
                before = torch.cat([state, self.above[index][1, column]], dim=1)
                state, cell = _lstm(gates[column, :, 4 * layer.width :] + before @ layer.state[1], cell)
                found.append(state)
            self.above[index] = torch.stack([torch.stack(self.states[index]), torch.stack(found[::-1])])
        self.tokens = F.pad(self.tokens[:, :, 1:], (0, 0, 0, 1))
