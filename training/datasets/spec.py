"""The part of a recipe that says which pictures are trained on, and what a batch of them looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from training.masks import Masks


class DataSpec(BaseModel):
    """A data set by its name or its path, and how pictures of it become a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: Literal[
        "", "mnist", "stacked-mnist", "cifar10", "emoji", "faces", "facades", "horse2zebra", "sr", "style", "medley"
    ] = ""
    """One of the sets that Easel's recipes name (`training.datasets.named`)."""
    path: Path | None = None
    """A folder or a zip of one's own, in place of `set`; its layout is recognised (`training.datasets.layouts`)."""
    layout: str = ""
    """Of `path`, where it is not to be recognised."""
    licence: str = "not stated"
    """Of the pictures of `path`, for the card."""
    source: str = "own pictures"
    """Of the pictures of `path`, for the card."""
    split: str = "train"
    held_out: str = "test"
    """The split that is never trained on: for sample sheets and metrics."""
    size: int
    """Side of the model's square image, in pixels; with `scales`, of the reduced picture."""
    resize: int | None = None
    """Side to which training pictures are scaled; `size` if absent."""
    crop: int | None = None
    """Side of the random crop of a scaled picture that is trained on; `size` if absent."""
    flip: bool = False
    """Mirror half of the images (pairs together)."""
    shift: int = 0
    """Largest random translation, in pixels, with the border repeated."""
    binary: bool = False
    """Each pixel made black or white once and for all, white with its brightness as probability ("static")."""
    domains: tuple[str, str] | None = None
    """Two classes of a labelled set as the domains A and B. They are trained on without pairs; of the held-out split
    only what both have is taken, in the same order, so that the true answers are known there, and only there."""
    pairs: bool = False
    """Whether what is trained on is paired, too: for a judge of pairs, never for a translator."""
    only: str = ""
    """The one class of a labelled set that is taken, or the one side of a paired set (`a`, `b`), if not all are."""
    edges: bool = False
    """A pair is made of each picture: `a` is its edges (`models.nn.edges`), `b` itself."""
    captions: bool = False
    """A batch also has `text`, one of the captions of each picture, as `models.nn.text.bags` puts it."""
    masks: Masks | None = None
    """A batch also has `mask`: which part of each picture is hidden, by `training.masks`."""
    attributes: tuple[str, ...] = ()
    """Columns of the split's `attributes.csv`: the labels are then [N, attributes] of 0 and 1."""
    known: int = 0
    """How many training pictures keep their label, as many of each class: a batch has some of these as `known` with
    their `labels`, and `images` without. 0: all of them, and every image's label is in `labels`."""

    scales: tuple[int, ...] = ()
    """Of photographs of any size: a batch has squares of them as `images`, turned and mirrored at random, and as
    `small` the same reduced by one of these (`models.nn.bicubic.reduced`), `size` pixels on a side."""

    @model_validator(mode="after")
    def _one_of_both(self) -> DataSpec:
        if bool(self.set) == (self.path is not None):
            raise ValueError("data is either a `set` of Easel's recipes or the `path` of a folder or zip")
        return self

    @property
    def name(self) -> str:
        """Of the data set, for people and cards."""
        return self.set or (self.path.stem if self.path else "")

    def evaluation(self) -> DataSpec:
        """The held-out split, whole pictures, nothing random."""
        whole = {"resize": None, "crop": None, "flip": False, "shift": 0, "pairs": False, "known": 0, "scales": ()}
        return self.model_copy(update={"split": self.held_out, **whole})
