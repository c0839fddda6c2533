"""What a request says, by its inputs."""

import pytest

import tasks.inputs
from models.card import Card, Task
from tasks.inputs import INPUTS, LABEL, LATENT, SEED, TRUNCATION, Input, N, input_model


@pytest.fixture
def inputs(toy_zoo):
    return input_model(Card.read(toy_zoo / "toy-cgan"), Task.CONDITIONAL)


def test_an_input_gives_its_value_as_it_was_checked(inputs):
    given = inputs.model_validate({"label": "7", "seed": 3})
    assert (given[LABEL], given[SEED], given[N]) == (7, 3, 1)


def test_an_input_without_a_value_is_an_error_or_the_default(inputs):
    given = inputs.model_validate({"label": 7})
    with pytest.raises(KeyError, match="seed"):
        given[SEED]
    assert given.get(LATENT) is None
    assert given.get(TRUNCATION, 0.5) == 0.5


def test_a_model_has_only_the_inputs_of_its_task(inputs):
    given = inputs.model_validate({"label": 7})
    with pytest.raises(KeyError, match="strength"):
        given[INPUTS["strength"]]
    assert given.given(("label", "seed", "strength")) == ["label"]


def test_every_input_is_listed_under_its_name():
    defined = {name: each for name, each in vars(tasks.inputs).items() if isinstance(each, Input)}
    assert {name.lower(): each for name, each in defined.items()} == INPUTS
