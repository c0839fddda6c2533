"""Checkpoints of other code as models that Easel serves: read, recognised, and written to a folder with a card."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from importing import files, layouts
from importing.errors import NotImportable
from importing.layouts import diffusers
from importing.layouts.layout import BESIDE, FILE, Finding, ImportSettings
from importing.states import Candidate, State, candidates
from models import checkpoint
from models.capabilities import directions_of, layers_of, scales_of
from models.card import Card, Direction, ImportedFile, ImportRecord, Serving
from models.families.imported import Dropping, ImportedTranslator
from models.families.published import Published
from models.model import Model, build, freeze
from pictures.formats import ImageFormat, channels_of
from tasks.operations import tasks_of

IMPORTED = "imported-pix2pix"
"""The family of translators, unless they can be trained on or drop out."""
_DROPPING = "imported-pix2pix-dropout"
_FIELDS: dict[Direction, str] = {"AtoB": "a_to_b", "BtoA": "b_to_a"}


def import_files(
    name: str,
    family: str | None,
    paths: Mapping[Direction, Path],
    settings: ImportSettings,
    zoo: Path,
    beside: Path | None = None,
) -> Card:
    """Writes the model `name` to `zoo/name`.

    The weights stay in single precision, so that the model answers what the original does.

    Args:
        family: `pix2pix` or `cyclegan`, which only matters to a translator: a CycleGAN can be trained on. What is usual
            for as many files if absent.
        paths: a file for each direction of a translator; one file, whatever its direction, of another model.
        beside: a second file that belongs to the first, of networks that are saved in two.

    Raises:
        NotImportable: the files hold something else, contradict each other, or the folder exists.
    """
    folder = zoo / name
    if folder.exists():
        raise NotImportable(f"{folder} exists already; choose another name, or remove it")
    findings = _read(family, paths, settings, beside)
    model, config, state = _assembled(family, findings)
    way = next(iter(paths))
    _load(model, state)
    made = list(findings.values())
    side, assumed = _side(made, settings)
    given: dict[str, Path] = {**paths} if isinstance(model, ImportedTranslator) else {"weights": paths[way]}
    if beside is not None:
        given["with"] = beside
    record = ImportRecord(
        files={what: ImportedFile(name=path.name, sha256=_digest(path)) for what, path in given.items()},
        inferred=_distinct(words for finding in made for words in finding.inferred),
        assumed=_distinct((*(words for finding in made for words in finding.assumed), *assumed)),
        date=datetime.now(UTC).date().isoformat(),
    )
    partial = zoo / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    card = Card(
        name=name,
        family=config[0],
        summary=_summary(model, made[0], settings.domains),
        config=config[1],
        tasks=tasks_of(model),
        image=ImageFormat(height=side, width=side, channels=channels_of(_served(model).channels)),
        fit="stretch" if isinstance(model, ImportedTranslator) else "cover",
        native=model.native,
        scales=scales_of(model),
        latent=model.latent_shape,
        classes=_classes(model, settings.classes),
        layers=layers_of(model),
        domains=dict(zip(("A", "B"), settings.domains, strict=True)) if directions_of(model) else {},
        directions=directions_of(model),
        imported=record,
        weights=checkpoint.write(model, partial, torch.float32),
        serving=Serving(max_batch=8),
        licence=settings.licence,
        limits="Imported, and measured on nothing here.",
    )
    card.write(partial)
    partial.rename(folder)
    return card


def assembled(family: str | None, paths: Mapping[Direction, Path], settings: ImportSettings) -> Model:
    """The model that `import_files` would write, in memory. Raises `NotImportable` as that does."""
    model, _, state = _assembled(family, _read(family, paths, settings))
    _load(model, state)
    return freeze(model.float())


def read(path: Path, settings: ImportSettings, beside: Path | None = None) -> Finding:
    """The network in a file, in two, or in a folder of diffusers.

    Raises:
        NotImportable: it cannot be read, holds no weights, or is laid out like nothing that is known.
    """
    try:
        if path.is_dir():
            return diffusers.read(path)
        found = candidates(files.read(path), settings.key, settings.strip)
        if beside is not None:
            found = [together(found[0], candidates(files.read(beside))[0])]
        return layouts.recognise(found, settings)
    except NotImportable as error:
        raise NotImportable(f"{path}: {error}") from None


def _read(
    family: str | None, paths: Mapping[Direction, Path], settings: ImportSettings, beside: Path | None = None
) -> dict[Direction, Finding]:
    if family is None:
        told = replace(settings, trained_as="cyclegan" if len(paths) > 1 else None)
    else:
        told = replace(settings, trained_as="cyclegan" if family == "cyclegan" else "pix2pix")
    findings: dict[Direction, Finding] = {direction: read(path, told, beside) for direction, path in paths.items()}
    if settings.dropout == "drawn" and not any(map(_drops, findings.values())):
        raise NotImportable("it has no dropout that can be drawn (--dropout)")
    return findings


def _drops(finding: Finding) -> bool:
    return isinstance(finding.network, Dropping) and finding.network.dropout > 0


def together(first: Candidate, second: Candidate) -> Candidate:
    """The weights of both files, whose names begin with `FILE` and `BESIDE`."""
    state = {
        f"{part}.{name}": value
        for part, candidate in ((FILE, first), (BESIDE, second))
        for name, value in candidate.state.items()
    }
    return Candidate(state, (*first.told, *second.told))


def _assembled(
    family: str | None, findings: Mapping[Direction, Finding]
) -> tuple[Model, tuple[str, dict[str, Any]], State]:
    """The model, its family and config, and its state. It is on torch's meta device: nothing is allocated for it."""
    (first, *others) = findings.values()
    if first.family == IMPORTED:
        if wrong := next((each for each in others if each.family != IMPORTED), None):
            raise NotImportable(f"the way back is no translator: {wrong.inferred[0]}")
        kind = f"imported-{family}" if family else "imported-cyclegan" if others else IMPORTED
        kind = _DROPPING if any(map(_drops, findings.values())) else kind
        config: dict[str, Any] = {
            _FIELDS[way]: finding.network.model_dump(mode="json") for way, finding in findings.items()
        }
        prefixes = {f"generators.{way}.": finding for way, finding in findings.items()}
    else:
        if others or family:
            raise NotImportable(f"it is no translator, which alone goes back or is of a family: {first.inferred[0]}")
        kind, prefixes = first.family, {"network.": first}
        config = {"network": first.network.model_dump(mode="json"), **first.settings}
        if first.directed:
            config["direction"] = next(iter(findings))
    state = {f"{prefix}{name}": each for prefix, found in prefixes.items() for name, each in found.state.items()}
    with torch.device("meta"):
        return build(kind, config).eval(), (kind, config), state


def _served(model: Model) -> ImportedTranslator | Published:
    if not isinstance(model, ImportedTranslator | Published):
        raise NotImportable(f"{type(model).__name__} is no family that files are taken into")
    return model


def _load(model: Model, state: State) -> None:
    """
    Raises:
        NotImportable: the state is not the model's.
    """
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise NotImportable(str(error)) from None


def _side(findings: Sequence[Finding], settings: ImportSettings) -> tuple[int, tuple[str, ...]]:
    """The side of the pictures, and what was assumed of it, in words.

    Raises:
        NotImportable: a network takes or makes no pictures of that side.
    """
    side = settings.size or max(finding.side for finding in findings)
    for finding in findings:
        if finding.fixed and side != finding.side:
            raise NotImportable(f"its pictures have {finding.side} pixels, and not {side}")
        if side % finding.multiple:
            raise NotImportable(
                f"pictures of {side} pixels do not fit this network; it takes multiples of {finding.multiple}"
            )
    if settings.size or all(finding.fixed for finding in findings):
        return side, ()
    return side, (f"pictures of {side} x {side} pixels, as is usual for such a network",)


def _summary(model: Model, finding: Finding, domains: tuple[str, ...]) -> str:
    directions = directions_of(model)
    if not directions:
        return f"{finding.summary}, imported"
    source, target = domains if "AtoB" in directions else reversed(domains)
    return f"{source} to {target}{' and back' if len(directions) == 2 else ''}, imported"


def _classes(model: Model, named: tuple[str, ...]) -> tuple[str, ...]:
    if not named:
        return tuple(map(str, range(model.classes)))
    if len(named) != model.classes:
        raise NotImportable(f"it has {model.classes} classes, and {len(named)} names are given")
    return named


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _digest(path: Path) -> str:
    """Of a file, or of the weights in a folder."""
    if path.is_dir():
        path = diffusers.weights_of(path)
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
