"""Weights are found wherever trainings put them, and it is said which were taken."""

import pytest
import torch

from importing.errors import NotImportable
from importing.states import candidates
from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, noise
from tests.importing.layouts.test_dcgan_example import generator

NETWORK, AVERAGED = generator(), generator()
STATE = NETWORK.state_dict()
AVERAGE = {name: value + 0.01 if value.is_floating_point() else value for name, value in AVERAGED.state_dict().items()}
AVERAGED.load_state_dict(AVERAGE)
CRITIC = {"main.0.weight": torch.zeros(4, 3, 4, 4)}


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


WRAPPED = {
    "Lightning": {
        "epoch": 3,
        "global_step": 1000,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": prefixed("generator.", STATE) | prefixed("discriminator.", CRITIC),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "hyper_parameters": {"lr": 2e-4},
    },
    "a model beside its optimiser": {"model": STATE, "optimizer": {"state": {}, "param_groups": []}, "epoch": 3},
    "both players": {"G": STATE, "D": CRITIC},
    "DataParallel": prefixed("module.", STATE),
    "compiled": prefixed("_orig_mod.", STATE),
    "compiled, in DataParallel, in Lightning": {"state_dict": prefixed("netG.module._orig_mod.", STATE)},
    "compiled within": {"state_dict": prefixed("model._orig_mod.", STATE)},
    "two levels": {"state": {"generator": STATE, "discriminator": CRITIC}},
}
EMA = {
    "BasicSR": {"params": STATE, "params_ema": AVERAGE},
    "rosinality": {"g": STATE, "d": CRITIC, "g_ema": AVERAGE},
    "StyleGAN": {"G": STATE, "D": CRITIC, "G_ema": AVERAGE},
    "within a module": {"state_dict": prefixed("generator.", STATE) | prefixed("ema_generator.", AVERAGE)},
    "torch's": {"model": STATE, "ema": {"n_averaged": torch.tensor(5), **prefixed("module.", AVERAGE)}},
}


def same(tmp_path, saved, network, *options):
    imported, latent = Imported(tmp_path, saved, *options), noise(2, 12)
    with torch.inference_mode():
        theirs = network.main(latent[:, :, None, None])
    assert_same(imported.answer(Task.SAMPLE, {"latent": latent}), theirs)
    return imported.told


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_wrapped_state_is_found(tmp_path, kind):
    same(tmp_path, WRAPPED[kind], NETWORK)


@pytest.mark.parametrize("kind", EMA)
def test_averaged_weights_are_preferred_and_it_is_said(tmp_path, kind):
    assert "ema" in same(tmp_path, EMA[kind], AVERAGED).lower()


def test_what_is_to_be_taken_can_be_said(tmp_path):
    told = same(tmp_path, EMA["BasicSR"], NETWORK, "--key", "params")
    assert "found: the weights under params" in told


def test_so_can_a_prefix(tmp_path):
    saved = {"models": {"all": prefixed("first.second.", STATE) | prefixed("other.", CRITIC)}}
    told = same(tmp_path, saved, NETWORK, "--key", "models.all", "--strip", "first.second.")
    assert "found: of the names those that begin with first.second." in told


@pytest.mark.parametrize(
    ("tree", "options", "reason"),
    [
        ({"epoch": 3, "lr": 0.1}, {}, "no state dict, tensors by name, but 'epoch', 'lr'"),
        ({"model": STATE}, {"key": "state_dict"}, "there is no state_dict in it, but model"),
        ({"model": {"net": STATE}}, {"key": "model.gen"}, "there is no gen in model, but net"),
        ({"model": 3}, {"key": "model"}, "model in it is int, not a state dict"),
        (STATE, {"strip": "net."}, "no name in it begins with 'net.'; it begins with main.0.weight"),
    ],
)
def test_where_there_are_none_it_is_said_what_there_is(tree, options, reason):
    with pytest.raises(NotImportable, match=reason):
        candidates(tree, **options)
