"""Filling in: what is hidden is never seen, what is known is never changed, and figures are of the hole alone."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evaluation import hole_sheets
from evaluation.fidelity import hole_psnr
from evaluation.holes import biharmonic, inpainting, mean_colour
from models.card import Task
from models.model import build, final_images
from models.nn.smooth import smoothed
from tasks.operations import OPERATIONS
from training.masks import hide

CONFIGS = {
    "context-encoder": {"size": 32, "width": 8},
    "gated-conv": {"width": 8, "dilations": [1, 2]},
}


def model_of(family):
    torch.manual_seed(0)
    return build(family, CONFIGS[family]).eval()


def images_of(count=2, side=32):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("seed", range(40))
def test_a_free_form_mask_hides_some_of_a_picture_and_half_of_it_at_most(seed):
    mask = hide("free-form", 64, seed)
    assert mask.shape == (1, 64, 64) and set(mask.unique().tolist()) == {0.0, 1.0}
    assert 0.02 <= mask.mean() <= 0.5
    assert torch.equal(mask, hide("free-form", 64, seed))


def test_the_middle_of_a_picture_is_a_quarter_of_it():
    mask = hide("centre", 32, 0)
    assert mask.mean() == 0.25 and mask[0, 8:24, 8:24].all()


@pytest.mark.parametrize("family", CONFIGS)
@torch.inference_mode()
def test_what_is_hidden_is_not_seen_and_what_is_known_is_kept(family):
    model, images, mask = model_of(family), images_of(), hide("centre", 32, 0).expand(2, -1, -1, -1)
    inpaint = OPERATIONS[Task.INPAINT]
    other = torch.where(mask > 0, -images, images)
    made, again = (final_images(inpaint.apply(model, {"images": given, "mask": mask})) for given in (images, other))
    assert torch.equal(made, again)
    assert torch.equal(torch.where(mask > 0, 0, made), torch.where(mask > 0, 0, images))
    assert (made[:, :, 8:24, 8:24] - images[:, :, 8:24, 8:24]).abs().mean() > 0.1
    around = images + torch.where(mask > 0, 0, 0.5)
    assert not torch.equal(final_images(inpaint.apply(model, {"images": around, "mask": mask}))[:, :, 8:24, 8:24],
                           made[:, :, 8:24, 8:24])  # fmt: skip


@pytest.mark.parametrize("family", CONFIGS)
@torch.inference_mode()
def test_a_picture_is_filled_the_same_beside_others(family):
    model, images, mask = model_of(family), images_of(), hide("centre", 32, 0).expand(2, -1, -1, -1)
    both, alone = model.complete(images, mask), model.complete(images[1:], mask[1:])
    assert torch.allclose(both[1:], alone, atol=1e-5)


def test_a_model_that_leaves_nothing_to_chance_takes_no_seed():
    inputs = OPERATIONS[Task.INPAINT].inputs
    assert inputs(model_of("gated-conv")) == ("image", "mask")
    assert inputs(build("gmm", {"size": 28, "components": 2, "rank": 2})) == ("image", "mask", "n", "seed")


def test_an_error_in_the_margin_counts_ten_times():
    """With the middle made exactly and the margin off by 1 everywhere, and the other way round."""
    model = model_of("context-encoder")
    model.prepare_training()
    images, side = torch.zeros(1, 3, 32, 32), model.made
    margin = torch.ones(1, 3, side, side)
    margin[:, :, 8:-8, 8:-8] = 0
    losses = []
    for made in (margin, 1 - margin):
        model._fill = lambda images, made=made: made
        losses.append(model.loss("generator", {"images": images})["squared"].item())
    share = 16 * 16 / side**2
    assert losses == pytest.approx([0.999 * 10 * (1 - share), 0.999 * share])


def test_the_figure_is_of_the_hole_alone():
    truth, mask = images_of(), hide("centre", 32, 0).expand(2, -1, -1, -1)
    off = truth + torch.where(mask > 0, 0.2, 1.0)
    assert hole_psnr(off, truth, mask).tolist() == pytest.approx([10 * math.log10(4 / 0.04)] * 2, abs=1e-3)


def test_the_mean_colour_is_that_of_what_is_known():
    mask = hide("centre", 32, 0)[None]
    images = torch.where(mask > 0, 1.0, torch.tensor([0.5, -0.5, 0.25])[:, None, None])
    assert torch.allclose(mean_colour(images, mask)[0, :, 16, 16], torch.tensor([0.5, -0.5, 0.25]))


def test_a_smooth_fill_is_the_colour_around_and_leaves_what_is_known():
    mask = hide("centre", 32, 0)[None]
    halves = torch.full((1, 3, 32, 32), -0.5)
    halves[..., 16:] = 0.5
    filled = smoothed(torch.where(mask > 0, 9.0, halves), 1 - mask)
    assert torch.equal(torch.where(mask > 0, halves, filled), halves)
    assert (filled.diff(dim=3) > -1e-6).all() and filled[0, 0, 16, 9] < -0.3 and filled[0, 0, 16, 22] > 0.3
    assert torch.equal(smoothed(halves, torch.zeros_like(mask)), torch.zeros_like(halves))


def test_a_fresh_gated_network_fills_smoothly():
    """Its last layer starts from 0: it learns what to change."""
    images, mask = images_of(), hide("free-form", 32, 0).expand(2, -1, -1, -1)
    assert torch.equal(model_of("gated-conv").complete(images, mask), smoothed(images, 1 - mask))


def test_a_biharmonic_fill_goes_on_with_a_slope():
    mask = hide("centre", 32, 0)[None]
    slope = torch.linspace(-0.9, 0.9, 32).expand(1, 3, 32, 32)
    hidden = torch.where(mask > 0, 0.0, slope)
    assert torch.allclose(biharmonic(hidden, mask), slope, atol=1e-3)


@pytest.mark.parametrize(("family", "shown"), [("context-encoder", 4), ("gmm", 5)])
def test_a_sheet_shows_each_hole_filled_and_what_was_there(family, shown):
    model = model_of(family) if family in CONFIGS else build("gmm", {"size": 32, "components": 2, "rank": 2})
    images = images_of(10)[:, : 1 if family == "gmm" else 3]
    sheet = hole_sheets.draw(model, SimpleNamespace(all=lambda: {"images": images}))
    assert len(hole_sheets.columns(model)) == shown
    assert sheet.shape[:2] == (34 * hole_sheets.ROWS - 2, 34 * shown - 2)
    given, *_, truth = (sheet[:32, 34 * column : 34 * column + 32].astype(int) for column in range(shown))
    hidden = (given == 128).all(axis=2)
    assert 0 < hidden.mean() <= 0.51
    assert np.array_equal(given[~hidden], truth[~hidden])


@pytest.mark.parametrize(
    ("family", "kinds"), [("context-encoder", ["centre"]), ("gated-conv", ["centre", "free-form"])]
)
def test_figures_of_each_kind_of_hole_stand_beside_those_of_the_classical_fills(family, kinds):
    model = model_of(family)
    about = SimpleNamespace(
        model=model,
        card=SimpleNamespace(tasks={Task.INPAINT: ("image", "mask")}),
        real={"images": images_of(3)},
        metric=lambda name, value, count, by=None: (name, value, count),
    )
    with torch.inference_mode():
        found = list(inpainting(about))
    assert [name for name, _, _ in found] == [
        f"hole_psnr[{kind}]{suffix}" for kind in kinds for suffix in ("", ".mean-colour", ".push-pull", ".biharmonic")
    ]
    assert all(0 < value < 40 and count == 3 for _, value, count in found)
