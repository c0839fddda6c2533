"""ONNX graphs as models that Easel serves.

What a graph's names, shapes, types and last operators tell is inferred, and what passes of it show; the rest is as of
nearly all graphs, and said, or asked for.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import torch

from importing import onnx_files
from importing.errors import NotImportable
from importing.onnx_reader import GraphSettings, Reading, read
from models import checkpoint
from models.capabilities import directions_of, scales_of
from models.card import Card, ImportedFile, ImportRecord, Serving, Task, WeightsRecord
from models.families.onnx_graph import Graph
from models.model import Model, build, final_images, freeze
from models.onnx_graphs import BadGraph
from tasks.operations import OPERATIONS, tasks_of

_NOT_YET = WeightsRecord(sha256="0" * 64, bytes=1, parameters=1)


def import_graph(name: str, path: Path, settings: GraphSettings, zoo: Path) -> Card:
    """Writes the model `name` to `zoo/name`, from an ONNX file.

    Raises:
        NotImportable: it is none that is served, or what it takes and makes has to be said; or the folder exists.
    """
    folder = zoo / name
    if folder.exists():
        raise NotImportable(f"{folder} exists already; choose another name, or remove it")
    try:
        graph = onnx_files.read(path)
        reading = read(graph, settings)
        model = freeze(build(reading.description.family, reading.description.config))
        if not isinstance(model, Graph):
            raise NotImportable(f"{reading.description.family} is no family that graphs are taken into")
        model.set_extra_state(torch.frombuffer(bytearray(graph.SerializeToString()), dtype=torch.uint8))
        card = _card(name, path, model, reading)
        _try(model, card)
    except (NotImportable, BadGraph) as error:
        raise NotImportable(f"{path}: {error}") from None
    partial = zoo / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    card = card.model_copy(update={"weights": checkpoint.write(model, partial, torch.float32)})
    card.write(partial)
    partial.rename(folder)
    return card


def _card(name: str, path: Path, model: Model, reading: Reading) -> Card:
    told = reading.description
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    record = ImportRecord(
        files={"graph": ImportedFile(name=path.name, sha256=digest)},
        inferred=reading.inferred,
        assumed=reading.assumed,
        date=datetime.now(UTC).date().isoformat(),
    )
    directions = directions_of(model)
    return Card(
        name=name,
        family=told.family,
        summary=told.summary,
        config=told.config,
        tasks=tasks_of(model),
        image=told.image,
        native=model.native,
        scales=scales_of(model),
        latent=model.latent_shape,
        classes=told.classes,
        domains=dict(zip(("A", "B"), told.domains, strict=True)) if directions else {},
        directions=directions,
        imported=record,
        weights=_NOT_YET,
        serving=Serving(max_batch=8 if "image" in next(iter(tasks_of(model).values())) else 32),
        licence=told.licence,
        limits="Imported, and measured on nothing here.",
    )


@torch.inference_mode()
def _try(model: Model, card: Card) -> None:
    """
    Raises:
        NotImportable: its pictures are not finite, or others each time.
    """
    task = next(iter(card.tasks))
    rows = OPERATIONS[Task(task)].probe(model, card, 2)
    made, again = (final_images(OPERATIONS[Task(task)].apply(model, rows.tensors, **rows.options)) for _ in range(2))
    if not made.isfinite().all():
        raise NotImportable("there are pixels without a finite number in a picture that it makes")
    if not torch.allclose(made, again, atol=1e-3):
        raise NotImportable("it makes another picture each time that it is given the same: it draws numbers of its own")
