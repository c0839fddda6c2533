"""Networks and losses: shapes, independence of the batch, and the signs that surveys get wrong."""

import pytest
import torch
from torch import nn

from models.capabilities import StyledTranslator, TargetTranslator, directions_of
from models.losses.adversarial import LeastSquares, NonSaturating
from models.losses.likelihood import bernoulli_nll, kl_to_standard_normal
from models.model import build
from models.nn import dcgan
from models.nn.augment import augmented
from models.nn.image_pool import ImagePool
from models.nn.patchgan import PatchGAN
from models.nn.resnet import ResNetTranslator
from models.nn.unet import UNetTranslator
from tests.zoo import with_contrast
from training.start import start_with


@pytest.mark.parametrize("size", [16, 28, 32, 64, 128])
def test_a_dcgan_pair_fits_every_size(size):
    images = dcgan.Generator(10, 3, size, 4)(torch.randn(2, 10))
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    assert dcgan.Discriminator(3, size, 4)(images).shape == (2,)


def test_a_deeper_dcgan_pair_halves_odd_sides_too():
    images = dcgan.Generator(10, 1, 28, 4, depth=3)(torch.randn(2, 10))
    assert images.shape == (2, 1, 28, 28)
    judge = dcgan.Discriminator(1, 28, 4, depth=3)
    assert judge(images).shape == (2,)
    assert judge.features(images).shape == (2, 16 * 3 * 3)


def test_a_resizing_generator_leaves_no_grid_in_flat_areas():
    torch.manual_seed(0)
    generator = dcgan.Generator(10, 1, 64, 4, doubling="resized")
    last = nn.Sequential(*generator.net[-3:-1])  # a resize and a convolution
    flat = last(torch.rand(1, 4, 1, 1).expand(1, 4, 32, 32))[0, 0, 4:-4, 4:-4]
    assert flat.std() < 1e-6
    assert generator(torch.randn(2, 10)).shape == (2, 1, 64, 64)


def test_each_image_is_augmented_by_itself_and_gradients_pass():
    torch.manual_seed(0)
    images = (torch.rand(1, 3, 32, 32) * 2 - 1).expand(8, -1, -1, -1).clone().requires_grad_()
    seen = augmented(images)
    assert seen.shape == images.shape
    assert all((seen[0] - other).abs().mean() > 0.05 for other in seen[1:])
    hidden = (seen[:, :, 4:-4, 4:-4] == 0).all(1).float().mean((1, 2))  # where no shift reaches
    assert len(hidden.unique()) > 4 and hidden.max() <= 16**2 / 24**2
    seen.square().sum().backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()


def test_augmented_images_are_in_place_but_for_an_eighth():
    torch.manual_seed(0)
    images = torch.full((200, 1, 32, 32), 5.0)
    images[:, :, 16, 16] = -5.0
    rows, columns = ((augmented(images) < -1)[:, 0].nonzero()[:, axis] for axis in (1, 2))
    assert len(rows) > 100 and rows.min() == columns.min() == 12 and rows.max() == columns.max() == 20


def test_augmented_images_of_a_gan_are_those_of_its_discriminator_alone(monkeypatch):
    seen = []
    monkeypatch.setattr("models.families.gan.augmented", lambda images: seen.append(len(images)) or images)
    model = build("dcgan", {"size": 16, "width": 4, "augment": True})
    model.prepare_training()
    batch = {"images": torch.rand(3, 1, 16, 16)}
    model.loss("discriminator", batch)
    assert seen == [3, 3], "real and made"
    model.loss("generator", batch)
    assert seen == [3, 3, 3]


@pytest.mark.parametrize("size", [17, 8, 44])
def test_a_dcgan_refuses_sizes_it_cannot_reach(size):
    with pytest.raises(ValueError, match=f"size {size}"):
        dcgan.Generator(10, 3, size, 4)


@pytest.mark.parametrize("size", [32, 128])
def test_a_unet_reaches_down_to_one_pixel(size):
    net = UNetTranslator(3, size, 4).eval()
    assert net(torch.randn(1, 3, size, size)).shape == (1, 3, size, size)
    assert sum(isinstance(layer, nn.Conv2d) for layer in net.modules()) == size.bit_length() - 1


def test_three_halvings_see_patches_of_70_pixels():
    net = PatchGAN(3, 4)
    assert net(torch.randn(1, 3, 128, 128)).shape == (1, 1, 14, 14)
    convolutions = nn.Sequential(*[layer for layer in net.net if isinstance(layer, nn.Conv2d)])
    image = torch.zeros(1, 3, 128, 128, requires_grad=True)
    convolutions(image)[0, 0, 7, 7].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == 70


TRANSLATORS = {
    "pix2pix": {"size": 32},
    "bicyclegan": {"size": 32},
    "cyclegan": {"blocks": 1, "doubling": "resized"},
    "dualgan": {"size": 32},
    "discogan": {},
    "unit": {"blocks": 2},
    "munit": {"blocks": 1},
    "drit": {"blocks": 1},
    "stargan": {"blocks": 1},
}


@pytest.mark.parametrize("family", TRANSLATORS)
def test_a_translation_depends_on_its_own_row_alone(family):
    model = with_contrast(build(family, {"width": 8} | TRANSLATORS[family])).eval()
    rows = [torch.rand(3, 3, 32, 32) * 2 - 1]
    if isinstance(model, StyledTranslator):
        rows.append(torch.randn(3, *model.latent_shape))
    if isinstance(model, TargetTranslator):
        rows.append(torch.eye(3))
    way = ["AtoB"] if directions_of(model) else []

    def translate(images, *conditions):
        return model.translate(images, *way, *conditions)

    together = translate(*rows)
    alone = translate(*(row[1:2] for row in rows))
    assert torch.allclose(together[1:2], alone, atol=1e-4)
    for place in range(len(rows)):
        others = [row.roll(1, 0) if place == index else row for index, row in enumerate(rows)]
        assert (translate(*others) - together).abs().max() > 1e-3, "an input does not count"


def test_the_generators_loss_does_not_saturate_where_the_discriminator_is_sure():
    sure_it_is_fake = torch.tensor([-10.0], requires_grad=True)
    NonSaturating().generator(sure_it_is_fake).backward()
    assert sure_it_is_fake.grad.item() == pytest.approx(-1, abs=1e-3)


def test_adversarial_losses_are_least_where_they_should_be():
    for loss, best_real, best_fake in ((NonSaturating(), 20.0, -20.0), (LeastSquares(), 1.0, 0.0)):
        real, fake = torch.tensor([best_real]), torch.tensor([best_fake])
        assert loss.discriminator(real, fake).item() == pytest.approx(0, abs=1e-6)
        assert loss.generator(real).item() == pytest.approx(0, abs=1e-6)
        assert loss.generator(fake).item() > 0.4
    assert NonSaturating(smoothing=0.1).discriminator(torch.tensor([20.0]), torch.tensor([-20.0])).item() > 1


def test_the_kl_term_is_zero_at_the_prior_and_positive_elsewhere():
    zero = torch.zeros(1, 3)
    assert kl_to_standard_normal(zero, zero).item() == 0
    mean, log_variance = torch.tensor([[0.5, -1.0, 2.0]]), torch.tensor([[0.3, -0.7, 0.1]])
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum()
    assert kl_to_standard_normal(mean, log_variance).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_reconstruction_term_is_a_sum_over_pixels_not_a_mean():
    logits, targets = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    assert bernoulli_nll(logits, targets).tolist() == pytest.approx([16 * torch.log(torch.tensor(2.0)).item()] * 2)


def test_the_discriminator_of_a_conditional_gan_sees_the_label():
    judge = dcgan.Discriminator(1, 28, 8, classes=10).eval()
    image = torch.randn(1, 1, 28, 28)
    verdicts = {judge(image, torch.tensor([label])).item() for label in range(10)}
    assert len(verdicts) == 10


def test_the_image_pool_hands_back_what_it_is_given_until_it_is_full():
    pool = ImagePool(4)
    first = torch.arange(4.0).reshape(4, 1, 1, 1)
    assert torch.equal(pool.swap(first), first)
    torch.manual_seed(0)
    later = pool.swap(torch.full((40, 1, 1, 1), 9.0))
    assert 0 < (later != 9).sum() <= 4
    assert ImagePool(0).swap(first) is not None


def test_a_residual_translator_begins_by_changing_nothing():
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    model = build("cyclegan", {"width": 4, "blocks": 1, "residual": True})
    assert torch.equal(model.translate(images, "AtoB"), images)


def test_a_start_is_what_was_trained_without_its_grid():
    torch.manual_seed(0)
    trained, begun = (ResNetTranslator(3, 4, 1, doubling=doubling) for doubling in ("transposed", "resized"))
    start_with(begun, trained)
    doubled, resized = trained.net[11], nn.Sequential(*begun.net[11:13])
    assert isinstance(doubled, nn.ConvTranspose2d)
    x = torch.randn(1, 16, 8, 8)
    smooth = nn.functional.avg_pool2d(nn.functional.pad(doubled(x), (1, 0, 1, 0)), 2, stride=1)
    assert torch.allclose(4 * smooth[..., 2:-2, 2:-2], resized(x)[..., 2:-2, 2:-2], atol=1e-5)
    assert torch.equal(trained.net[1].weight, begun.net[1].weight)


def test_a_wider_start_makes_what_the_narrower_one_made():
    torch.manual_seed(0)
    narrow, wide = dcgan.Generator(5, 3, 16, 4).eval(), dcgan.Generator(5, 3, 16, 6).eval()
    start_with(wide, narrow)
    latent = torch.randn(2, 5)
    assert torch.allclose(wide(latent), narrow(latent), atol=1e-6)
    known, own = narrow.net[3].weight, wide.net[3].weight  # [inputs, outputs, 4, 4]
    assert torch.equal(own[:8, :4], known) and not own[8:, :4].any() and own[:, 4:].all()


def test_a_start_that_does_not_fit_is_refused():
    known = nn.Conv2d(2, 3, 1)
    for other in (nn.Conv2d(1, 3, 1), nn.ConvTranspose2d(2, 3, 1), nn.Sequential(known, nn.Conv2d(3, 3, 1))):
        with pytest.raises(ValueError):
            start_with(other, known)


def test_unit_translates_by_the_code_of_one_domain():
    model = build("unit", {"size": 16, "width": 4, "blocks": 2}).eval()
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    codes = model.encode(images, "BtoA")
    assert codes.shape == (1, *model.latent_shape)
    assert torch.allclose(model._generate(codes, "a"), model.translate(images, "BtoA"))
    names = [name for name, _ in model.named_parameters() if name.startswith("shared")]
    assert names and not {name for name in model.state_dict() if "encoders" in name and "shared" in name}


def test_a_style_that_an_image_has_is_of_the_domain_translated_to():
    model = build("munit", {"width": 4, "blocks": 1, "style": 3}).eval()
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.allclose(model.style(images, "AtoB"), model.styles["b"](images))
    assert model.style(images, "BtoA").shape == (2, *model.latent_shape)


@pytest.mark.parametrize("family", ["unit", "munit", "drit"])
def test_networks_of_two_domains_begin_equal(family):
    """Else light in one domain may come to mean dark in the other."""
    model = build(family, {"width": 4, "blocks": 1, "discriminator_width": 4}).eval()
    model.prepare_training()
    images = torch.rand(1, 3, 64, 64)
    style = [torch.randn(1, *model.latent_shape)] if isinstance(model, StyledTranslator) else []
    assert torch.equal(model.translate(images, "AtoB", *style), model.translate(images, "BtoA", *style))
