"""Super-resolution: the interpolation that it starts from, what it is trained on, and the figures it is measured by."""

import io
import math
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation import upscaling
from evaluation.luminance import psnr_y
from models.families.superresolution import Upscaler
from models.losses.perceptual import Perceptual
from models.model import build, freeze
from models.nn.bicubic import Enlarge, reduced, resized
from models.nn.colour import GAIN, luminance
from models.nn.vgg import VGG
from pictures.formats import ImageFormat
from training import data
from training.data import DataSpec

SMALL = {"srcnn": {"width": 4}, "edsr": {"width": 4, "blocks": 2}}


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def trained(family):
    """A model whose weights are not 0 anywhere, as those of a fresh one's last layers are."""
    model = build(family, SMALL[family])
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        with torch.no_grad():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return freeze(model)


@pytest.mark.parametrize(("height", "width"), [(24, 36), (8, 12), (6, 9), (72, 108)])
def test_pictures_are_resized_as_pillow_does_it_within_their_borders(height, width):
    """Pillow's kernel is Keys' with a = -0.5, widened when it reduces; only what lies beyond the border differs."""
    images = noise(1, 1, 24, 36)
    picture = Image.fromarray(images[0, 0].numpy()).resize((width, height), Image.Resampling.BICUBIC)
    found, theirs = resized(images, height, width)[0, 0], torch.from_numpy(np.array(picture))
    border = 2 if height <= 24 else 2 * height // 24
    inside = slice(border, -border), slice(border, -border)
    assert torch.allclose(found[inside], theirs[inside], atol=1e-5)


def test_an_even_picture_stays_even_whatever_its_size():
    for size in ((1, 1), (2, 5), (40, 3)):
        assert torch.allclose(resized(torch.full((1, 3, 7, 5), 0.3), *size), torch.full((1, 3, *size), 0.3))


def test_a_reduced_picture_has_256_levels():
    levels = (reduced(noise(1, 3, 12, 12), 3) + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert levels.shape == (1, 3, 4, 4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarging_by_convolution_is_bicubic_within_the_borders(scale):
    images = noise(2, 3, 9, 7)
    found, exact = Enlarge(scale)(images), resized(images, 9 * scale, 7 * scale)
    inside = slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale)
    assert torch.allclose(found[:, :, *inside], exact[:, :, *inside], atol=1e-5)
    assert Enlarge(scale)(noise(1, 3, 1, 1)).shape == (1, 3, scale, scale)


def test_luminance_goes_from_16_to_235_and_weighs_green_most():
    colours = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])[:, :, None, None]
    levels = (luminance(colours).flatten() + 1) * 127.5
    assert levels.tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-3)
    assert luminance(colours + 0.1 * GAIN) - luminance(colours) == pytest.approx(0.1, abs=1e-6)


def test_luminance_psnr_is_of_255_levels_and_leaves_out_the_border():
    truth = torch.zeros(1, 3, 16, 16)
    off = truth + 10 / 127.5
    level = 10 * 219 / 255
    assert psnr_y(off, truth, border=2).item() == pytest.approx(20 * math.log10(255 / level), abs=0.02)
    off[:, :, 2:-2, 2:-2] = truth[:, :, 2:-2, 2:-2]
    assert psnr_y(off, truth, border=2) > 90
    assert psnr_y(off, truth, border=1) < 60


@pytest.mark.parametrize("family", SMALL)
def test_an_untrained_upscaler_is_bicubic_interpolation(family):
    images = noise(1, 3, 8, 8)
    model = freeze(build(family, SMALL[family]))
    assert torch.allclose(model.upscale(images, 3), Enlarge(3)(images).clamp(-1, 1), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("family", SMALL)
def test_a_pixel_depends_on_no_pixel_beyond_the_reach(family, scale):
    model = trained(family)
    reach = model.native.reach
    images = noise(1, 3, 2 * reach + 3, 2 * reach + 3)
    changed = images.clone()
    changed[:, :, 0, 0] = -changed[:, :, 0, 0]
    differs = (model.upscale(images, scale) != model.upscale(changed, scale)).any(1)[0]
    assert not differs[scale * (reach + 1) :].any() and not differs[:, scale * (reach + 1) :].any()
    assert differs[:scale, :scale].all()


def test_srcnn_leaves_colour_bicubic():
    images = noise(1, 3, 8, 8) / 4
    added = trained("srcnn").upscale(images, 2) - Enlarge(2)(images)
    assert added.abs().max() > 1e-3
    assert torch.allclose(added[:, 0], added[:, 1], atol=1e-6) and torch.allclose(added[:, 1], added[:, 2], atol=1e-6)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "sr.zip", "w") as opened:
        for name, size in (("train/T91/a", (61, 50)), ("train/BSDS/b", (26, 24)), ("test/Set5/c", (49, 38))):
            pixels = np.asarray(Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)).resize(size))
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            opened.writestr(f"{name}.png", buffer.getvalue())
    monkeypatch.setenv("EASEL_DATASETS", str(tmp_path))
    return DataSpec(set="sr", held_out="test", size=8, scales=(2, 3))


def test_squares_of_photographs_come_with_the_same_reduced(photographs):
    source = data.load(photographs)
    assert (source.channels, source.record.count, source.classes) == (3, 2, ("BSDS", "T91"))
    seen = set()
    for seed in range(8):
        batch = source.batch(4, seed)
        scale = batch["images"].shape[-1] // 8
        seen.add(scale)
        assert batch["images"].shape == (4, 3, 8 * scale, 8 * scale) and batch["small"].shape == (4, 3, 8, 8)
        # Within the border, where the square's surroundings do not count.
        again = reduced(batch["images"], scale)[:, :, 2:-2, 2:-2]
        assert torch.allclose(again, batch["small"][:, :, 2:-2, 2:-2], atol=1.01 / 127.5)
    assert seen == {2, 3}
    assert torch.equal(source.batch(4, 1)["images"], source.batch(4, 1)["images"])


def test_a_photograph_that_is_too_small_for_a_square_is_left_out(photographs):
    source = data.load(photographs.model_copy(update={"scales": (4,)}))
    large = source.large[source.classes.index("T91")]
    for image in source.batch(8, 0)["images"]:
        assert image.shape == (3, 32, 32)
        assert large.shape[1] >= 32 and image.mean() == pytest.approx(data.to_float(large).mean().item(), abs=0.5)


def test_figures_are_of_each_set_and_beside_those_of_bicubic_interpolation(photographs, monkeypatch):
    monkeypatch.setattr(upscaling, "TIMED", 16)
    held_out = data.load(photographs.evaluation())
    model = freeze(build("edsr", {**SMALL["edsr"], "scales": [2]}))

    class About:
        def __init__(self):
            self.model, self.held_out = model, held_out
            self.card = SimpleNamespace(image=ImageFormat(height=8, width=8, channels=3))

        def judge(self, names):
            return None

        def metric(self, name, value, count, extractor=None, reference=None):
            return name, value, count

    found = {name: (value, count) for name, value, count in upscaling.upscaling(About())}
    assert found.keys() == {"psnr_y.Set5.x2", "psnr_y.Set5.x2.floor"}
    truth = data.to_float(held_out.fields["images"][0])[None, :, :38, :48]
    made = upscaling.bicubic(reduced(truth, 2), 2)
    assert found["psnr_y.Set5.x2.floor"] == (pytest.approx(psnr_y(made, truth, border=2).item()), 1)
    assert found["psnr_y.Set5.x2"][0] == pytest.approx(found["psnr_y.Set5.x2.floor"][0], abs=0.1)
    ((name, cost, _),) = upscaling.upscaling_cost(About())
    assert name == "ms_per_megapixel.x2" and cost > 0


def test_patches_are_those_that_are_whole():
    assert upscaling._patches(noise(1, 3, 70, 100)).shape == (2 * 3, 3, 32, 32)


def test_perceptual_distance_is_a_share_of_the_features():
    network = freeze(VGG(3, 5, (4, 8), (1, 1)))
    distance = Perceptual(network, ("relu1_1", "relu2_1"))
    images = noise(2, 3, 16, 16)
    assert distance(images, images) == 0
    assert 0.1 < distance(noise(2, 3, 16, 16, seed=1), images) < 3
    images.requires_grad_(True)
    distance(images, noise(2, 3, 16, 16, seed=1)).backward()
    assert images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_srgan_begins_with_the_weights_of_a_trained_network(monkeypatch):
    from models.families import superresolution

    edsr = trained("edsr")
    monkeypatch.setattr(superresolution, "shipped", lambda name, family: {"sr-edsr": edsr}[name])
    model = build("srgan", {**SMALL["edsr"], "scales": [3], "start": "sr-edsr"})
    model.prepare_training()
    images = noise(1, 3, 8, 8)
    assert torch.equal(model.upscale(images, 3), edsr.upscale(images, 3))
    assert issubclass(type(model), Upscaler)
