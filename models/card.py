"""The card: everything a trained model says about itself. Imports no torch, so the API can read it in milliseconds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pictures.formats import ImageFormat
from pictures.framing import Native

CARD_FILE = "card.json"
WEIGHTS_FILE = "model.safetensors"
DIRECTIONS_FILE = "directions.safetensors"
"""Directions of the latent along which the card's attributes change, if any were found."""
SHEET_FILE = "sheet.webp"
"""What the model makes, on one sheet, for people who choose a model."""
EXAMPLES = "examples"
"""Folder of pictures to try the model on, `A-0.png` for one of domain A, `image-0.png` where there are no domains."""
CLASS_PICTURES = "classes"
"""Folder of small pictures of what classes look like, `starry-night.webp`; a class that needs none has none."""

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
"""`<data>-<family>[-<variant>]`, for example `mnist-dcgan`."""
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*@[0-9a-f]{64}$", max_length=145)]
"""A version of a model: its name and its weights' sha256, `mnist-dcgan@5f0c…`."""
ModelReference = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(@[0-9a-f]{8,64})?$", max_length=145)
]
"""How a request names a model: by its name, by an alias, or by a reference, of whose sha256 eight digits are enough."""

Direction = Literal["AtoB", "BtoA"]
BACK: dict[Direction, Direction] = {"AtoB": "BtoA", "BtoA": "AtoB"}
Domain = Literal["a", "b"]
DomainLetter = Literal["A", "B"]
DOMAIN_LETTERS: dict[Domain, DomainLetter] = {"a": "A", "b": "B"}
SOURCE_AND_TARGET: dict[Direction, tuple[Domain, Domain]] = {"AtoB": ("a", "b"), "BtoA": ("b", "a")}
"""The domains that each direction leads from and to, as batches name them; cards and people write A and B."""


class Task(StrEnum):
    """What a request may ask of a model."""

    SAMPLE = "sample"
    CONDITIONAL = "conditional"
    TEXT = "text"
    TRANSLATE = "translate"
    RECONSTRUCT = "reconstruct"
    INTERPOLATE = "interpolate"
    VARY = "vary"
    TRAVERSE = "traverse"
    STYLIZE = "stylize"
    DREAM = "dream"
    UPSCALE = "upscale"
    INPAINT = "inpaint"
    ENCODE = "encode"
    SCORE = "score"
    CLASSIFY = "classify"

    @property
    def pictured(self) -> bool:
        """Whether the answer is pictures; of the other tasks it is numbers."""
        return self not in (Task.ENCODE, Task.SCORE, Task.CLASSIFY)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataRecord(_Record):
    """The data a model was trained on."""

    name: str
    split: str
    count: int = Field(gt=0, description="training images (pairs count once)")
    sha256: str = Field(description="of the archive that was read")
    licence: str
    source: str


class TrainingRecord(_Record):
    """How the weights came to be: enough to make them again."""

    recipe: str
    recipe_sha256: str
    start: str | None = Field(
        default=None, description="name and weights' sha256 of the model that it was begun with, if any"
    )
    seed: int
    steps: int
    images: int = Field(description="training images seen, with repetition")
    seconds: float = Field(description="wall-clock, all resumed runs added")
    device: str
    precision: str
    torch: str
    commit: str
    date: str


class ImportedFile(_Record):
    """A checkpoint of other code."""

    name: str
    sha256: str


class ImportRecord(_Record):
    """Where weights come from that were trained by other code (`easel import`)."""

    files: dict[str, ImportedFile] = Field(
        description="by direction, the generators of a translator; of another model by what they are"
    )
    inferred: tuple[str, ...] = Field(description="what the names and shapes in them told")
    assumed: tuple[str, ...] = Field(default=(), description="what they do not tell and nobody said")
    date: str


class WeightsRecord(_Record):
    """The file beside the card."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    parameters: int = Field(gt=0)


class Metric(_Record):
    """One measured figure, with what it takes to believe it."""

    name: str
    value: float
    count: int = Field(description="images or pairs it was measured on")
    reference: str = Field(description="the data or split it is measured against")
    extractor: str | None = Field(
        default=None, description="name and weights' sha256 of the network that judged, if one did"
    )
    date: str
    command: str


class Attribute(_Record):
    """A number that a request may set of the images that are made, within bounds."""

    low: float
    high: float
    whole: bool = Field(default=False, description="whole numbers only")
    told: str = Field(description="what it is, for people")


class Serving(_Record):
    """How the worker treats this model."""

    max_batch: int = Field(default=32, ge=1, le=1024, description="images in one forward pass")
    timeout_s: int = Field(default=60, ge=1, le=86_400, description="a prediction that takes longer fails")


class Card(_Record):
    """A model as a request sees it. `tasks` maps each task to the names of the inputs it takes (`tasks.inputs`)."""

    schema_version: Literal[1] = 1
    name: ModelName
    family: str
    summary: str
    config: dict[str, Any]
    tasks: dict[Task, tuple[str, ...]]
    image: ImageFormat = Field(description="of the pictures it makes, and of the pictures it takes")
    fit: Literal["cover", "stretch"] = Field(
        default="cover",
        description="how a picture of another shape is brought to the model's where the request does not say: by its "
        "centre, or stretched, as imported models saw them",
    )
    native: Native | None = Field(
        default=None, description="of the pictures that it takes at their own size, if it does"
    )
    scales: tuple[int, ...] = Field(default=(), description="how many times as large it can make a picture")
    hole: int = Field(
        default=0,
        ge=0,
        description="side of the square in its pictures' middle to which holes are confined; 0: anywhere",
    )
    latent: tuple[int, ...] = Field(
        default=(), description="shape of the latent that an image is made from; empty: none"
    )
    normalisation: Literal["uint8 / 127.5 - 1"] = "uint8 / 127.5 - 1"
    classes: tuple[str, ...] = ()
    attributes: dict[str, Attribute] = Field(
        default_factory=dict, description="inputs of its own: codes, and directions of the latent that were found"
    )
    layers: dict[str, int] = Field(
        default_factory=dict, description="layers of its network that a dream may be of, and their channels"
    )
    domains: dict[DomainLetter, str] = Field(default_factory=dict, description="what A and B stand for")
    directions: tuple[Direction, ...] = ()
    data: DataRecord | None = None
    training: TrainingRecord | None = None
    imported: ImportRecord | None = None
    weights: WeightsRecord
    metrics: tuple[Metric, ...] = ()
    serving: Serving = Serving()
    licence: str
    featured: bool = Field(
        default=False, description="whether it is shown before the others, as one that is good to look at"
    )
    baseline: bool = Field(
        default=False, description="whether it is there for others to be compared with, and is shown behind them"
    )
    limits: str = Field(default="", description="what this model does badly")

    def __hash__(self) -> int:
        return hash((self.name, self.weights.sha256))

    @property
    def reference(self) -> str:
        """Names this version: `name@sha256`."""
        return f"{self.name}@{self.weights.sha256}"

    def tells_latents(self, task: Task) -> bool:
        """Whether the images of a task are made from latents that can be told and sent back."""
        return task in (Task.RECONSTRUCT, Task.ENCODE) or not {"latent", "latents"}.isdisjoint(self.tasks[task])

    @classmethod
    def read(cls, folder: Path) -> Card:
        """Reads `folder/card.json`. Raises `OSError` or `pydantic.ValidationError`."""
        return cls.model_validate_json((folder / CARD_FILE).read_bytes())

    def write(self, folder: Path) -> None:
        """Writes `folder/card.json`, indented for people. Who reads it meanwhile reads the card of before."""
        beside = folder / f".{CARD_FILE}"
        beside.write_text(self.model_dump_json(indent=2, exclude_none=True) + "\n")
        beside.replace(folder / CARD_FILE)
