"""How large the pictures may be that a network of convolutions alone takes at their own size."""

import math

from pictures.framing import Native

MEMORY = 2**30
"""Bytes that a pass may take."""
TILE = 2**18
"""Most pixels of a tile: the answer grows by one at a time, and can be canceled between two."""
WHOLE = 2**21
"""Most pixels of a picture that is not cut."""
LIMIT = 2**22
"""Most pixels of a picture in tiles."""


def native(
    bytes_per_pixel: int,
    multiple: int = 1,
    least: int = 1,
    reach: int | None = None,
    default: bool = False,
    most: int = WHOLE,
) -> Native:
    """The bounds of a network that takes so much memory for each pixel that goes in.

    Args:
        reach: as `Native` has it. Without one, a picture goes through whole.
        most: pixels of such a picture, where what bounds it is time.
    """
    whole = min(most if reach is None else TILE, MEMORY // bytes_per_pixel)
    return Native(
        multiple=multiple,
        least=least,
        reach=reach,
        whole=whole,
        limit=whole if reach is None else LIMIT,
        pass_bytes=whole * bytes_per_pixel,
        default=default,
    )


def strictest(first: Native, *others: Native) -> Native:
    """The bounds within which all of these networks work."""
    bounds = first
    for other in others:
        reach = None if bounds.reach is None or other.reach is None else max(bounds.reach, other.reach)
        whole = min(bounds.whole, other.whole)
        bounds = Native(
            multiple=math.lcm(bounds.multiple, other.multiple),
            least=max(bounds.least, other.least),
            reach=reach,
            whole=whole,
            limit=whole if reach is None else min(bounds.limit, other.limit),
            pass_bytes=max(bounds.pass_bytes, other.pass_bytes),
            default=bounds.default and other.default,
        )
    return bounds
