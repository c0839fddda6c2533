"""What a model can do: what its family inherits, and nothing else."""

import re
from pathlib import Path

import pytest

from models.capabilities import (
    CAPABILITIES,
    BoundScorer,
    Decoder,
    Encoder,
    Sampler,
    Scorer,
    TextSampler,
    VariationalEncoder,
    capabilities,
    require,
)
from models.model import build

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def test_a_model_can_do_what_its_family_inherits():
    vae = build("vae", {"width": 8})
    assert capabilities(vae) == (Sampler, Encoder, VariationalEncoder, Decoder, Scorer, BoundScorer)


def test_a_sampler_of_texts_is_no_sampler_of_labels():
    """Their methods have one name."""
    model = build("gan-int-cls", {"width": 8})
    assert capabilities(model) == (TextSampler,)


def test_what_a_model_cannot_do_is_refused_with_what_it_can():
    vae = build("vae", {"width": 8})
    assert require(vae, Encoder) is vae
    with pytest.raises(TypeError, match=r"VAE is no TextSampler; it is Sampler, Encoder, .*BoundScorer"):
        require(vae, TextSampler)


def test_a_family_without_the_method_that_it_promises_cannot_be_built():
    class Promise(Sampler):
        pass

    with pytest.raises(TypeError, match="abstract method"):
        Promise()


def test_contributors_are_told_of_every_capability():
    table = re.findall(r"^  \| (`.*?) \|", CONTRIBUTING.read_text(), re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
    assert named == {capability.__name__ for capability in CAPABILITIES}
