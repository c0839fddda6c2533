"""The picture of all models."""

import numpy as np

from evaluation import overview

COLOURS = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0]], np.uint8)


def test_every_strip_stands_below_its_name_in_turn():
    strips = [(f"model-{place}", [np.tile(colour, (64, 64, 1))] * 8) for place, colour in enumerate(COLOURS)]
    drawn = overview.draw(strips)
    places = [(drawn == colour).all(axis=2).nonzero() for colour in COLOURS]
    assert [len(rows) for rows, _ in places] == [8 * 64 * 64] * 4
    (first, second, third, fourth) = [(int(rows.min()), int(columns.min())) for rows, columns in places]
    assert first[0] == second[0] == third[0] < fourth[0]
    assert first[1] == fourth[1] < second[1] < third[1]
    assert all(drawn[row - 24 : row, column : column + 80].min() < 64 for row, column in (first, second, third, fourth))
