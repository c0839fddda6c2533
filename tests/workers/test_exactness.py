"""Batch sizes that give the same bytes: measured when they are needed, whatever the library does."""

import pytest
import torch

from workers.exactness import ExactSizes
from workers.measurements import Measurements


def runner(off_by=lambda size: 0):
    """Images that are `off_by(size)` away from what they should be, in a batch of that size."""
    runs = []

    def run(indices):
        runs.append(len(indices))
        return torch.tensor([[float(index)] for index in indices]) + off_by(len(indices))

    return run, runs


def sizes_used(sizes, counts):
    return [[size for _, size in sizes.batches(count)] for count in counts]


def test_one_image_is_made_before_anything_is_measured():
    run, runs = runner()
    assert ExactSizes(run, 32).batches(1) == [(1, 1)]
    assert runs == []


def test_where_all_sizes_agree_no_row_is_wasted():
    run, _ = runner()
    sizes = ExactSizes(run, 20)
    assert all(sizes.batches(count) == [(count, count)] for count in range(1, 21))
    assert sizes.batches(45) == [(20, 20), (20, 20), (5, 5)]


def test_sizes_that_come_out_otherwise_are_not_used():
    run, _ = runner(lambda size: 0 if size in (1, 4, 6, 8) else 1e-7 * size)
    used = sizes_used(ExactSizes(run, 16), (1, 2, 3, 4, 5, 6, 7, 9, 16))
    assert used == [[1], [1, 1], [4], [4], [8], [6], [8], [8, 8], [8, 8]]


def test_where_no_size_agrees_everything_is_made_one_by_one():
    run, _ = runner(lambda size: 1e-7 * size)
    assert ExactSizes(run, 16).batches(3) == [(1, 1)] * 3


def test_a_model_may_have_a_larger_size_of_its_own():
    run, runs = runner(lambda size: 0 if size in (4, 16, 32) else 1e-7 * size)
    sizes = ExactSizes(run, 32, own=16)
    assert (sizes.batches(1), sizes.batches(3)) == ([(1, 16)], [(3, 16)])
    assert runs == [], "the first answer is had without"
    assert sizes_used(sizes, (1, 3, 4, 17, 33)) == [[16], [4], [4], [32], [32, 16]]


def test_a_size_is_measured_once():
    run, runs = runner()
    sizes = ExactSizes(run, 8)
    for _ in range(3):
        sizes.batches(5)
    assert runs == [5, 1, 1, 1], "the size, and three of its rows alone"


@pytest.mark.parametrize("limit", [1, 2, 3, 31])
def test_any_limit_will_do(limit):
    run, _ = runner()
    for own in (1, 16):
        sizes = ExactSizes(run, limit, own)
        assert sum(count for count, _ in sizes.batches(40)) == 40
        assert all(count <= size <= limit for count, size in sizes.batches(40))


def test_what_was_measured_is_found_by_the_next_worker_of_the_same_kind(tmp_path):
    run, runs = runner(lambda size: 1e-7 * (size == 3))
    here = Measurements(tmp_path, "cpu", 1)
    sizes = ExactSizes(run, 8, keep=lambda verdicts: here.write("ab", "sample", verdicts))
    sizes.batches(3)
    runs.clear()
    again = ExactSizes(run, 8, verdicts=Measurements(tmp_path, "cpu", 1).read("ab", "sample"))
    assert again.batches(3) == sizes.batches(3) == [(3, 4)]
    assert runs == []
    assert Measurements(tmp_path, "cpu", 2).read("ab", "sample") == {}, "other threads, other sums"


def test_a_folder_that_cannot_be_written_costs_a_measurement_alone(tmp_path):
    (tmp_path / "file").write_text("")
    here = Measurements(tmp_path / "file", "cpu", 1)
    here.write("ab", "sample", {2: True})
    assert here.read("ab", "sample") == {}
