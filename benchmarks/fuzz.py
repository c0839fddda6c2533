"""Broken pictures: files of every kind that is read, mutated at random, are sent to a running Easel for a while.

`python -m benchmarks.fuzz --seconds 60`. An API on 127.0.0.1 without a worker is sent uploads, which it decodes. Ends
with status 1 if any answer is a 5xx or takes longer than `SLOW_S`, or if the API grows by more than `GROWTH_MB`.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from benchmarks.memory import Easel, resident_mb

SLOW_S = 10
GROWTH_MB = 200


def seeds() -> dict[str, bytes]:
    """A small file of every kind, and of what is odd in some: palettes, depths, animations, metadata."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    colour, grey = Image.fromarray(noise), Image.fromarray(noise[:, :, 0])
    clear = Image.merge("RGBA", (*colour.split(), grey))
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "png": _encoded(colour, "PNG", exif=exif),
        "png with alpha": _encoded(clear, "PNG"),
        "png of a palette": _encoded(colour.quantize(16), "PNG"),
        "png of 16 bits": _encoded(Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257), "PNG"),
        "jpeg": _encoded(colour, "JPEG", exif=exif),
        "progressive jpeg": _encoded(colour, "JPEG", progressive=True),
        "cmyk jpeg": _encoded(colour.convert("CMYK"), "JPEG"),
        "webp": _encoded(colour, "WEBP"),
        "lossless webp": _encoded(clear, "WEBP", lossless=True),
        "avif": _encoded(colour, "AVIF", speed=10),
        "gif": _encoded(colour, "GIF", save_all=True, append_images=[grey]),
        "bmp": _encoded(colour, "BMP"),
        "tiff": _encoded(colour, "TIFF"),
        "lzw tiff": _encoded(colour, "TIFF", compression="tiff_lzw"),
        "float tiff": _encoded(Image.fromarray(noise[:, :, 0].astype(np.float32) / 255), "TIFF"),
    }


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The file with bytes changed, cut out, doubled, or cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"))
            case 3:
                changed[at : at + chance.randrange(1, 64)] = b""
            case _:
                changed[at:at] = changed[at : at + chance.randrange(1, 64)]
        if not changed:
            return b""
    return bytes(changed[: chance.randrange(len(changed)) + 1] if chance.random() < 0.1 else changed)


def run(easel: Easel, seconds: float, seed: int) -> tuple[Counter[str], list[str], float]:
    """How often each answer came, what must not have come, and by how many MB the API has grown."""
    chance, files = random.Random(seed), seeds()
    answers: Counter[str] = Counter()
    faults: list[str] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{easel.port}", timeout=60) as client:
        for data in files.values():
            client.post("/v1/uploads", files={"file": data})
        before, ends = resident_mb(easel.api.pid), time.monotonic() + seconds
        while time.monotonic() < ends:
            kind = chance.choice(list(files))
            data, began = mutated(files[kind], chance), time.monotonic()
            answer = client.post("/v1/uploads", files={"file": data})
            took = time.monotonic() - began
            code = answer.json().get("code", "") if answer.is_error else ""
            answers[f"{answer.status_code} {code}".strip()] += 1
            if answer.is_server_error or took > SLOW_S:
                faults.append(f"{kind}: {answer.status_code} after {took:.1f} s, {data[:200].hex()}")
        return answers, faults, resident_mb(easel.api.pid) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Easel(Path(folder), key_uploads_mb=2000) as easel:
        answers, faults, grown = run(easel, asked.seconds, asked.seed)
    for answer, count in answers.most_common():
        print(f"{count:8,}  {answer}")
    print(f"the API grew by {grown:.0f} MB")
    print("\n".join(faults))
    sys.exit(bool(faults) or grown > GROWTH_MB)


def _encoded(picture: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
