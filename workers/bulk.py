"""Pictures in bulk, by this process's own engine and straight to a folder or a store: no API, no queue, no Redis.

What is there already is not made again, so that a run that was stopped goes on where it was; shards of one run, by
several processes or machines, share nothing but what they write to.
"""

from __future__ import annotations

import mimetypes
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from core.object_store import ObjectStore, StoredObject
from jobs.prediction import PICTURE_PREFIX, Order, Output
from models.card import Card, Task
from pictures import codec
from pictures.codec import BadPicture
from pictures.formats import Animated
from pictures.framing import TooLargePicture
from tasks.inputs import framing, input_model
from workers import results
from workers.engine import Engine
from workers.work import ComputedWork, PredictionError, Work

THREADS = 2
"""That decode beside the engine, and as many that encode."""
AHEAD = 3
"""Batches that are read before the engine takes them, and that wait to be written behind it."""

Read = tuple["Item", list[Work]]

_REFUSALS = (BadPicture, TooLargePicture, ValidationError, PredictionError, OSError)
"""Why one thing may not be made while all others are."""


@dataclass(frozen=True)
class Wanted:
    """What is made of each: the model's card, the task, the inputs beside the picture, and the form of the files."""

    card: Card
    task: Task
    values: dict[str, Any] = field(default_factory=dict)
    output: Output = field(default_factory=Output)
    max_pixels: int = 16_000_000

    @cached_property
    def images(self) -> int:
        """How many images the model makes of one picture."""
        return Order(model=self.card.name, task=self.task, input=self.values).shown

    def work(self, **values: Any) -> Work:
        """Raises `ValidationError` if the model does not take these inputs."""
        return Work(self._order(self._validated(values)))

    def work_of(self, picture: bytes) -> Work:
        """One picture's, decoded as the task takes it.

        Raises:
            ValidationError: as `work`.
            BadPicture: it is none, is broken, or has too many pixels.
            TooLargePicture: it would take more work than one may.
        """
        values = self._validated({"image": PICTURE_PREFIX + "0"})
        if framed := framing(self.card, self.task, values):
            pixels, frame = codec.decode_framed(picture, self.card.image, self.max_pixels, framed)
            return Work(self._order(values, frame=frame), (pixels,))
        return Work(self._order(values), (codec.decode(picture, self.card.image, self.max_pixels),))

    def _validated(self, values: dict[str, Any]) -> dict[str, Any]:
        return input_model(self.card, self.task).model_validate(self.values | values).model_dump()

    def _order(self, values: dict[str, Any], **more: Any) -> Order:
        return Order(model=self.card.name, task=self.task, input=values, output=self.output, **more)


def tasks(card: Card, on_pictures: bool) -> list[Task]:
    """Those of a model's tasks that can be done in bulk: on one picture each, or by drawing from a seed."""

    def fits(inputs: Container[str]) -> bool:
        if on_pictures:
            return "image" in inputs and not any(name in inputs for name in ("mask", "frames"))
        return "n" in inputs and "seed" in inputs and "image" not in inputs

    return [task for task, inputs in card.tasks.items() if task.pictured and fits(inputs)]


class Destination(ABC):
    """Where files are written, each whole or not at all."""

    @abstractmethod
    def has(self, file: str) -> bool:
        """Whether there is a file of this name."""

    @abstractmethod
    def write(self, file: str, content: bytes) -> None:
        """Writes a file. Raises `OSError` or `StoreError`."""


class DestinationFolder(Destination):
    """A folder, which is made when it is needed."""

    def __init__(self, path: Path):
        self.path = path
        self._made: set[Path] = set()

    def has(self, file: str) -> bool:
        return (self.path / file).is_file()

    def write(self, file: str, content: bytes) -> None:
        path = self.path / file
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)


class DestinationStore(Destination):
    """A store, of which it is asked once what is there."""

    def __init__(self, store: ObjectStore):
        self.store = store
        self._there: set[str] | None = None

    def has(self, file: str) -> bool:
        if self._there is None:
            self._there = set(self.store.names())
        return file in self._there

    def write(self, file: str, content: bytes) -> None:
        kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
        self.store.put_now(file, StoredObject(content, kind))


class Item(ABC):
    """One thing to be made: a chunk of samples, or what becomes of a picture or an animation."""

    name: str
    """For people."""
    images: int = 1
    """What it counts for among those that share forward passes."""
    files: Sequence[str]
    """What it becomes, relative to where it is written."""

    @abstractmethod
    def works(self) -> list[Work]:
        """Reads and decodes what it is made from. Raises one of `_REFUSALS`."""

    @abstractmethod
    def contents(self, images: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        """The files' bytes, from the encoded images of each work."""


class Samples(Item):
    """Images that are drawn with a range of seeds, and named by them."""

    def __init__(self, wanted: Wanted, seeds: range):
        self.wanted, self.seeds = wanted, seeds
        self.name, self.images = f"seeds {seeds.start} to {seeds.stop - 1}", len(seeds)
        self.files = [f"{seed:012d}.{wanted.output.format}" for seed in seeds]

    def works(self) -> list[Work]:
        return [self.wanted.work(n=len(self.seeds), seed=self.seeds.start)]

    def contents(self, images: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        return images[0]


class Picture(Item):
    """A picture file. Of an animation (GIF, WebP) each frame goes through, and comes back as long as it was shown."""

    def __init__(self, wanted: Wanted, root: Path, path: Path):
        self.wanted, self.path = wanted, path
        self.name = str(path.relative_to(root))
        if wanted.card.native and (wanted.card.native.default or wanted.values.get("fit") == "native"):
            self.images = wanted.card.serving.max_batch  # of any size, so alone
        self.animated: Animated | None = _animated(path)
        stem = Path(self.name).with_suffix("")
        suffix = self.animated or wanted.output.format
        self.files = (
            [f"{stem}.{suffix}"] if wanted.images == 1 else [f"{stem}-{n}.{suffix}" for n in range(wanted.images)]
        )
        self._shown_ms: list[int] = []

    def works(self) -> list[Work]:
        frames = codec.frames_of(self.path.read_bytes(), self.wanted.max_pixels)
        self._shown_ms = [shown_ms for _, shown_ms in frames]
        return [self.wanted.work_of(frame) for frame, _ in frames]

    def contents(self, images: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        if self.animated is None:
            return images[0]
        return [
            codec.animate(
                [codec.pixels_of(image) for image in film],
                self.animated,
                quality=self.wanted.output.quality,
                durations_ms=self._shown_ms,
            )
            for film in zip(*images, strict=True)
        ]


@dataclass
class Tally:
    """What became of a run: files that were made, that were there, and why others could not be made, by item."""

    made: int = 0
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def samples(wanted: Wanted, count: int, seed: int, shard: tuple[int, int] = (0, 1)) -> Iterator[Item]:
    """`count` images; image *i* is drawn with `seed` + *i*, however they are divided.

    Args:
        shard: which of how many parts; chunks of images are dealt out in turn.
    """
    chunk, (part, parts) = wanted.card.serving.max_batch, shard
    for first in range(part * chunk, count, parts * chunk):
        yield Samples(wanted, range(seed + first, seed + min(first + chunk, count)))


def pictures(wanted: Wanted, folder: Path, shard: tuple[int, int] = (0, 1)) -> Iterator[Item]:
    """Every file below a folder, in the order of their names, dealt out in turn."""
    part, parts = shard
    for path in sorted(path for path in folder.rglob("*") if path.is_file())[part::parts]:
        yield Picture(wanted, folder, path)


def make(
    engine: Engine,
    items: Iterable[Item],
    size: int,
    target: Destination,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Makes what is not there yet. What cannot be made stops nothing else.

    Raises:
        OSError, StoreError: something cannot be written. What was written stays.

    Args:
        size: images that go through the engine at once.
        told: is called after each batch.
    """
    tally = Tally()
    with ThreadPoolExecutor(THREADS, "reader") as readers, ThreadPoolExecutor(THREADS, "writer") as writers:
        writing: deque[Future[int]] = deque()
        batches = _batches(_missing(items, target, tally), size)
        for batch in _read_ahead(readers, batches, tally):
            for item, computed in _computed(engine, batch, tally):
                writing.append(writers.submit(_write, target, item, computed))
            while len(writing) > AHEAD * THREADS:
                tally.made += writing.popleft().result()
            told(tally)
        while writing:
            tally.made += writing.popleft().result()
    told(tally)
    return tally


def _missing(items: Iterable[Item], target: Destination, tally: Tally) -> Iterator[Item]:
    for item in items:
        if all(target.has(file) for file in item.files):
            tally.there += len(item.files)
        else:
            yield item


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Items in groups that share forward passes."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if sum(each.images for each in batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_ahead(readers: ThreadPoolExecutor, batches: Iterator[list[Item]], tally: Tally) -> Iterator[list[Read]]:
    """The works of each batch, of which the next ones are read meanwhile; without what cannot be read."""
    reading: deque[list[tuple[Item, Future[list[Work]]]]] = deque()
    for batch in batches:
        reading.append([(item, readers.submit(item.works)) for item in batch])
        if len(reading) > AHEAD:
            yield _read(reading.popleft(), tally)
    while reading:
        yield _read(reading.popleft(), tally)


def _read(batch: list[tuple[Item, Future[list[Work]]]], tally: Tally) -> list[Read]:
    read = []
    for item, works in batch:
        try:
            read.append((item, works.result()))
        except _REFUSALS as error:
            tally.failed[item.name] = _reason(error)
    return read


def _computed(engine: Engine, batch: list[Read], tally: Tally) -> list[tuple[Item, list[ComputedWork]]]:
    """What came of a batch; if it cannot be made together, each item alone."""
    try:
        prepared = [[engine.prepare(work) for work in works] for _, works in batch]
        computed = iter(engine.run([work for works in prepared for work in works])) if prepared else iter(())
        return [(item, [work for work in islice(computed, len(works)) if work]) for item, works in batch]
    except PredictionError as error:
        if len(batch) > 1:
            return [each for one in batch for each in _computed(engine, [one], tally)]
        tally.failed[batch[0][0].name] = _reason(error)
        return []


def _write(target: Destination, item: Item, computed: Sequence[ComputedWork]) -> int:
    """Encodes and writes an item's files; how many there are."""
    now = datetime.now(UTC)
    images = [results.encode(work, now, now)[1].images for work in computed]
    for file, content in zip(item.files, item.contents(images), strict=True):
        target.write(file, content)
    return len(item.files)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return str(error)


def _animated(path: Path) -> Animated | None:
    """The format of a file that has several frames."""
    suffix = path.suffix.lower()[1:]
    if suffix not in ("gif", "webp"):
        return None
    try:
        with Image.open(path) as opened:
            return suffix if getattr(opened, "n_frames", 1) > 1 else None
    except OSError:
        return None
