"""Mosaics: every cell a tile of the bank, the one most like it."""

import torch

from models.model import build


def mosaic(**config):
    made = build("mosaic", {"size": 16, "tile": 4, "bank": 6, **config}).requires_grad_(False)
    torch.manual_seed(0)
    made.fit({"images": torch.rand(20, 3, 4, 4) * 2 - 1}, 0)
    return made


def test_without_tint_every_cell_is_a_tile_of_the_bank():
    model = mosaic(tint=0.0)
    made = model.stylize(torch.rand(2, 3, 16, 16) * 2 - 1)
    cells = made.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    apart = (cells[:, None] - model.tiles[None]).abs().amax((2, 3, 4))
    assert apart.min(1).values.max() == 0
    assert len(apart.argmin(1).unique()) > 1


def test_a_picture_of_tiles_becomes_itself():
    model = mosaic()
    rows = [torch.cat([model.tiles[(row + column) % 6] for column in range(4)], dim=2) for row in range(4)]
    picture = torch.cat(rows, dim=1)[None]
    assert torch.allclose(model.stylize(picture), picture, atol=1e-6)


def test_a_full_tint_gives_each_cell_its_own_mean_colour():
    model = mosaic(tint=1.0)
    picture = torch.zeros(1, 3, 16, 16)
    picture[:, 0, :8] = 0.2
    model.tiles.data *= 0.1
    assert torch.allclose(model.stylize(picture)[:, :, :8].mean((2, 3)), picture[:, :, :8].mean((2, 3)), atol=1e-5)


def test_the_bank_is_of_training_images_each_at_most_once():
    torch.manual_seed(0)
    images = torch.rand(20, 3, 4, 4) * 2 - 1
    model = mosaic()
    found = (model.tiles[:, None] == images[None]).all((2, 3, 4)).nonzero()[:, 1]
    assert len(found.unique()) == 6
