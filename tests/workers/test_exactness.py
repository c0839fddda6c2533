"""Batch sizes that give the same bytes: measured, whatever the library does."""

import pytest
import torch

from workers.exactness import ExactSizes


def runner(off_by):
    """Images that are `off_by(size)` away from what they should be, in a batch of that size."""
    runs = []

    def run(indices):
        runs.append(len(indices))
        return torch.tensor([float(index) for index in indices]) + off_by(len(indices))

    return run, runs


def test_where_all_sizes_agree_no_row_is_wasted():
    run, _ = runner(lambda size: 0)
    sizes = ExactSizes(run, 20)
    assert sizes.largest == 16
    assert [sizes.holding(count) for count in range(1, 17)] == list(range(1, 17))


def test_sizes_that_come_out_otherwise_are_not_used():
    run, _ = runner(lambda size: 0 if size in (4, 8, 16, 6) else 1e-7 * size)
    sizes = ExactSizes(run, 16)
    assert [sizes.holding(count) for count in (1, 2, 3, 4, 5, 6, 7, 8, 9, 16)] == [4, 4, 4, 4, 8, 6, 8, 8, 16, 16]


def test_a_size_is_measured_once():
    run, runs = runner(lambda size: 0)
    sizes = ExactSizes(run, 8)
    runs.clear()
    for _ in range(3):
        sizes.holding(5)
    assert runs == [5]


@pytest.mark.parametrize("limit", [1, 2, 3, 31])
def test_any_limit_will_do(limit):
    run, _ = runner(lambda size: 0)
    sizes = ExactSizes(run, limit)
    assert sizes.holding(1) == 1
    assert sizes.largest <= limit
