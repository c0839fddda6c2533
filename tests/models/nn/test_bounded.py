import torch

from models.nn.bounded import bounded


def test_images_are_cut_off_at_one_and_minus_one():
    assert bounded(torch.tensor([-3.0, -0.5, 0.5, 3.0])).tolist() == [-1, -0.5, 0.5, 1]


def test_what_went_beyond_finds_its_way_back_and_goes_no_further():
    beyond = torch.tensor([-3.0, 3.0], requires_grad=True)
    shown = bounded(beyond)
    (back,) = torch.autograd.grad((shown - torch.tensor([0.5, -0.5])).square().sum(), beyond, retain_graph=True)
    assert torch.equal(back, torch.tensor([-3.0, 3.0]))
    (further,) = torch.autograd.grad((shown - torch.tensor([-2.0, 2.0])).square().sum(), beyond)
    assert torch.equal(further, torch.zeros(2))
