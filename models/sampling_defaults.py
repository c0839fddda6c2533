"""How results of many steps are made where a request does not say. Imports no torch, so that the API can show them."""

DEFAULT_STEPS = 13
"""Of a diffusion model."""
DEFAULT_SAMPLER = "dpm-solver++"
DEFAULT_GUIDANCE = 1.5
DESCENT_STEPS = 50
"""Of style transfer by optimisation."""
DEFAULT_OCTAVES = 4
ASCENT_STEPS = 10
"""Of a dream, in each octave."""
