"""Networks as other code has published them, under its names for their layers: what checkpoints of that code fit.

Each file has the `Config` of a network, whose `build()` makes it, and the network. None of them is trained here.
"""
