"""Which device a process computes on."""

import pytest
import torch

from models import devices


@pytest.fixture
def gpus(monkeypatch):
    """Has torch tell of so many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_worker_takes_a_gpu_in_turn(gpus, name):
    gpus(3)
    assert [str(devices.choose(name, number)) for number in range(5)] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:0",
        "cuda:1",
    ]


def test_a_named_device_is_taken_as_it_is(gpus):
    gpus(3)
    assert str(devices.choose("cuda:1", 2)) == "cuda:1"
    assert str(devices.choose("cpu", 2)) == "cpu"


def test_without_a_gpu_all_compute_on_the_cpu(gpus):
    gpus(0)
    assert [str(devices.choose("auto", number)) for number in range(2)] == ["cpu", "cpu"]
