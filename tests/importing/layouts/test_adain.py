"""AdaIN as naoto0804's code writes it down, with the whole of its encoder's file."""

import torch
from torch import nn

from models.card import Task
from tests.importing.layouts.served import Imported, assert_same, pictures
from tests.reference import trained


def padded(inputs, outputs):
    return [nn.ReflectionPad2d((1, 1, 1, 1)), nn.Conv2d(inputs, outputs, (3, 3)), nn.ReLU()]


def decoder(a, b, c, d):
    up = nn.Upsample(scale_factor=2, mode="nearest")
    layers = [*padded(d, c), up, *padded(c, c), *padded(c, c), *padded(c, c), *padded(c, b), up, *padded(b, b)]
    layers += [*padded(b, a), up, *padded(a, a), *padded(a, 3)[:2]]
    return nn.Sequential(*layers)


def vgg(a, b, c, d):
    pool = nn.MaxPool2d((2, 2), (2, 2), (0, 0), ceil_mode=True)
    layers = [nn.Conv2d(3, 3, (1, 1)), *padded(3, a), *padded(a, a), pool, *padded(a, b), *padded(b, b), pool]
    layers += [*padded(b, c), *padded(c, c), *padded(c, c), *padded(c, c), pool, *padded(c, d)]
    layers += [
        *padded(d, d),
        *padded(d, d),
        *padded(d, d),
        pool,
        *padded(d, d),
        *padded(d, d),
        *padded(d, d),
        *padded(d, d),
    ]
    return nn.Sequential(*layers)


def statistics(features):
    flat = features.view(*features.shape[:2], -1)
    return flat.mean(2)[:, :, None, None], (flat.var(2) + 1e-5).sqrt()[:, :, None, None]


def test_it_stylizes_after_any_picture_as_it_did(tmp_path):
    widths = (4, 6, 8, 10)
    back, whole = trained(decoder(*widths)), trained(vgg(*widths))
    with torch.no_grad():
        back[28].bias += 0.5
    imported = Imported(
        tmp_path, back.state_dict(), "--with", str(tmp_path / "vgg.pth"), beside={"vgg.pth": whole.state_dict()}
    )
    assert imported.card.imported.files.keys() == {"weights", "with"}
    inputs = imported.card.tasks[Task.STYLIZE]
    assert "style_image" in inputs
    assert "label" not in inputs
    content, style = pictures(2, 48), pictures(2, 40).flip(0)
    encoder, strength = whole[:31], torch.tensor([1.0, 0.4])
    with torch.inference_mode():
        read, wanted = encoder((content + 1) / 2), encoder((style + 1) / 2)
        (mean, deviation), (their_mean, their_deviation) = statistics(read), statistics(wanted)
        adapted = (read - mean) / deviation * their_deviation + their_mean
        share = strength[:, None, None, None]
        theirs = (back(adapted * share + read * (1 - share)) * 2 - 1).clamp(-1, 1)
        manner = imported.model.manner_of(style)
    answer = imported.answer(Task.STYLIZE, {"images": content, "manner": manner, "strength": strength})
    assert_same(answer, theirs)
