"""How a diffusion model is sampled where a request does not say. Imports no torch, so that the API can show them."""

DEFAULT_STEPS = 13
DEFAULT_SAMPLER = "dpm-solver++"
DEFAULT_GUIDANCE = 1.5
