"""Variational auto-encoders as PyTorch's examples and PyTorch-VAE write them down."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, noise, pictures
from tests.reference import trained


class Example(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))


class Vanilla(nn.Module):
    def __init__(self, latent=8, widths=(4, 6, 8, 12)):
        super().__init__()
        self.widths, inputs, encoder = widths, 3, []
        for width in widths:
            encoder += [nn.Sequential(nn.Conv2d(inputs, width, 3, 2, 1), nn.BatchNorm2d(width), nn.LeakyReLU())]
            inputs = width
        self.encoder = nn.Sequential(*encoder)
        self.fc_mu, self.fc_var = nn.Linear(widths[-1] * 4, latent), nn.Linear(widths[-1] * 4, latent)
        self.decoder_input = nn.Linear(latent, widths[-1] * 4)

        def up(inputs, outputs):
            return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)

        back = widths[::-1]
        self.decoder = nn.Sequential(
            *[
                nn.Sequential(up(back[index], back[index + 1]), nn.BatchNorm2d(back[index + 1]), nn.LeakyReLU())
                for index in range(len(back) - 1)
            ]
        )
        last = back[-1]
        self.final_layer = nn.Sequential(
            up(last, last), nn.BatchNorm2d(last), nn.LeakyReLU(), nn.Conv2d(last, 3, 3, padding=1), nn.Tanh()
        )

    def encode(self, x):
        flat = torch.flatten(self.encoder(x), start_dim=1)
        return self.fc_mu(flat), self.fc_var(flat)

    def decode(self, z):
        return self.final_layer(self.decoder(self.decoder_input(z).view(-1, self.widths[-1], 2, 2)))


def test_that_of_the_examples_makes_and_remakes_as_it_did(tmp_path):
    network, images = trained(Example()), pictures(2, 28, 1)
    imported, latent = Imported(tmp_path, network.state_dict()), noise(3, 20)
    with torch.inference_mode():
        made = network.decode(latent).view(3, 1, 28, 28) * 2 - 1
        assert_same(imported.answer(Task.SAMPLE, {"latent": latent}), made)
        mean, log_variance = imported.model.posterior(images)
        theirs = network.encode((images.flatten(1) + 1) / 2)
        assert_same(mean, theirs[0])
        assert_same(log_variance, theirs[1])
    assert {Task.RECONSTRUCT, Task.ENCODE, Task.INTERPOLATE} <= imported.card.tasks.keys()


@pytest.mark.parametrize("values", ["", "-1,1", "0,1"])
def test_vanilla_vae_does_too_from_the_file_that_lightning_writes(tmp_path, values):
    network, images = trained(Vanilla()), pictures(2)
    saved = {"state_dict": {f"model.{name}": value for name, value in network.state_dict().items()}, "epoch": 3}
    imported = Imported(tmp_path, saved, *(["--values", values] if values else []))
    latent, positive = noise(3, 8), values == "0,1"
    with torch.inference_mode():
        made, mean = network.decode(latent), network.encode((images + 1) / 2 if positive else images)[0]
        theirs = (made * 2 - 1).clamp(-1, 1) if positive else made
        assert_same(imported.answer(Task.SAMPLE, {"latent": latent}), theirs)
        assert_same(imported.model.encode(images), mean)
    assert ("assumed: pictures of -1 to 1" in imported.told) == (not values)
