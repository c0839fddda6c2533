"""Which pool a model belongs to."""

import pytest
from pydantic import ValidationError

from core.pools import Pools
from core.settings import Settings


def test_the_first_pool_with_a_fitting_pattern_owns_a_model():
    pools = Pools(Settings(pools="gpu=*-diffusion, paintings-*;digits=mnist-*").pools)
    assert pools.names == ("gpu", "digits", "default")
    assert [pools.of(name) for name in ("mnist-diffusion", "paintings-gatys", "mnist-vae", "sr-edsr")] == [
        "gpu",
        "gpu",
        "digits",
        "default",
    ]


def test_a_worker_of_no_pool_serves_all_models():
    pools = Pools(Settings(pools="digits=mnist-*").pools)
    assert pools.serves(None, "mnist-vae") and pools.serves(None, "sr-edsr")
    assert pools.serves("digits", "mnist-vae") and not pools.serves("digits", "sr-edsr")
    assert pools.serves("default", "sr-edsr") and not pools.serves("default", "mnist-vae")


@pytest.mark.parametrize("given", [{"pools": "gpu"}, {"pools": "gpu="}, {"pools": "gpu=a", "pool": "cpu"}])
def test_what_names_no_pool_is_refused_at_the_start(given):
    with pytest.raises(ValidationError, match="pool"):
        Settings(**given)
