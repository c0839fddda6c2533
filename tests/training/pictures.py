"""Folders of small pictures, as people have them."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(number: int, size: tuple[int, int] = (24, 20), mode: str = "RGB", format: str = "PNG") -> bytes:
    """A smooth picture, another one for each number."""
    random = np.random.default_rng(number)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    small = Image.fromarray(random.integers(0, 256, (4, 4, *channels), np.uint8))
    buffer = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(buffer, format)
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    """The files in a folder, by their names."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def zipped(path: Path, files: dict[str, bytes | str]) -> Path:
    """The files in a zip, by their names."""
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


def many(template: str, count: int, start: int = 0, **how) -> dict[str, bytes]:
    """Pictures whose names have their number."""
    return {template.format(number): picture(start + number, **how) for number in range(count)}
