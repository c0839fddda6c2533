"""The garbage collector of a process that serves."""

import gc

_YOUNG = 20_000
"""Objects more than before, until the young ones are looked at; Python's own is 700, which a single batch exceeds."""


def settle() -> None:
    """Called once a process is ready: what it holds now stays, and is never looked at again; the rest more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 50)
