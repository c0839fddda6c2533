"""Pictures of a data set as the service would read them, in the size and the colours that are trained on."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from pictures import codec
from pictures.formats import Channels, ImageFormat
from training.datasets.listing import Listing, Piece
from training.datasets.tree import Tree

MAX_PIXELS = 2**28
"""Of a picture: what one trains on is one's own, so that this bounds memory alone."""
_LOOKED_AT = 64
"""Pictures whose colours are looked at."""
_GREY = frozenset({"1", "L", "LA", "La", "I;16", "I;16B"})


def read(tree: Tree, piece: Piece, side: int, channels: Channels) -> np.ndarray:
    """uint8 [C, side, side]: the middle of the picture, upright, opaque, sRGB (`pictures.codec`).

    Raises:
        pictures.codec.BadPicture: it is broken or none.
    """
    wanted = ImageFormat(height=side, width=side, channels=channels)
    data = tree.read(piece.file)
    if not piece.half:
        return codec.decode(data, wanted, MAX_PIXELS).transpose(2, 0, 1)
    picture = codec.upright(data, MAX_PIXELS).convert(wanted.mode)
    middle = picture.width // 2
    box = (0, 0, middle, picture.height) if piece.half == "left" else (middle, 0, picture.width, picture.height)
    fitted = ImageOps.fit(picture.crop(box), (side, side), Image.Resampling.BICUBIC)
    return np.asarray(fitted).reshape(side, side, channels).transpose(2, 0, 1)


def channels(tree: Tree, listing: Listing) -> Channels:
    """1 if all pictures that are looked at are grey; they are spread over all."""
    files = [piece.file for pieces in listing.fields.values() for piece in pieces]
    modes = (mode(tree, file) for file in files[:: max(1, len(files) // _LOOKED_AT)])
    return 1 if all(found in _GREY for found in modes if found) else 3


def mode(tree: Tree, file: str) -> str | None:
    """Pillow's word for a picture's pixels, from its header; None of a broken one."""
    try:
        return codec.header(tree.read(file), MAX_PIXELS).mode
    except codec.BadPicture:
        return None
