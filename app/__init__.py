"""The HTTP API. Reads cards, never weights: nothing here imports torch."""
