"""How often a face is found in a picture, by the cascade that comes with scikit-image.

A cascade of local binary patterns (Viola and Jones 2001; Liao et al. 2007), trained on frontal faces; no network.
"""

import torch.nn.functional as F
from torch import Tensor

_SCALE = 2
"""The cascade's window is 24 pixels wide; in pictures twice as large as ours it fits faces more closely."""
_LEAST = 40


def face_detection_rate(images: Tensor) -> float:
    """Share of the pictures in which a frontal face is found. [N, 3, H, W] in [-1, 1].

    Not all real faces are found, and some are where there is none: read it beside the rate of real pictures.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("looking for faces needs scikit-image: pip install 'easel[metrics]'") from error
    larger = F.interpolate(images, scale_factor=_SCALE, mode="bicubic").clamp(-1, 1)
    pixels = ((larger + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    cascade, side = Cascade(lbp_frontal_face_cascade_filename()), max(larger.shape[2:])
    found = [
        cascade.detect_multi_scale(picture, 1.1, 1, min_size=(_LEAST, _LEAST), max_size=(side, side))
        for picture in pixels
    ]
    return sum(map(bool, found)) / len(images)
