"""A request's input against the card's schema, and where its pictures come from."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import ValidationError

from app.http.errors import FieldError, Invalid, field_errors
from app.predictions.picture_sources import Source
from app.predictions.uploads import pointers
from jobs.prediction import PICTURE_INPUTS, PICTURE_PREFIX
from models.card import Card, Task
from tasks.inputs import STARTS, input_model

MAX_PICTURES = 8
"""Pictures that any input takes; counted before each is looked at."""

Files = dict[str, list[bytes]]


def validated_input(
    card: Card, task: Task, given: dict[str, Any], files: Files
) -> tuple[dict, dict[str, tuple[str, Source]]]:
    """The input as the card's schema has it, and where each picture comes from, by the picture's id.

    A missing seed is drawn. In the input the pictures become `picture:<id>`.
    """
    given = dict(given)
    pictures: dict[str, tuple[str, Source]] = {}
    for name in PICTURE_INPUTS:
        sources: list[Any] = list(files.get(name, []))
        if sources and name in given:
            raise Invalid(f"{name!r} was sent both as a file and as a field")
        if not sources and given.get(name) is not None:
            value = given[name]
            sources = value if isinstance(value, list) and name == "images" else [value]
        if not sources:
            continue
        if len(sources) > MAX_PICTURES:
            many = FieldError(pointer=f"/input/{name}", detail=f"more than {MAX_PICTURES} pictures")
            raise Invalid(f"up to {MAX_PICTURES} pictures are taken at once", errors=[many])
        if name != "images" and len(sources) > 1:
            one = FieldError(pointer=f"/input/{name}", detail="sent more than once")
            raise Invalid(f"one picture is taken as `{name}`", errors=[one])
        references = []
        for at, source in zip(pointers(name, sources), sources, strict=True):
            if not isinstance(source, bytes | str):
                raise Invalid("a picture is a file or a string", errors=[FieldError(pointer=at, detail="neither")])
            picture = secrets.token_hex(16)
            pictures[picture] = at, source
            references.append(PICTURE_PREFIX + picture)
        given[name] = references if name == "images" else references[0]
    if unknown := set(files) - set(PICTURE_INPUTS):
        raise Invalid(f"files are taken as {' or '.join(PICTURE_INPUTS)}, not as {', '.join(sorted(unknown))}")
    try:
        values = input_model(card, task).model_validate(given).model_dump()
    except ValidationError as error:
        raise Invalid(
            f"{card.name} does not take this input", errors=field_errors(error.errors(), ("input",))
        ) from None
    if "seed" in values and values["seed"] is None and _draws(task, values):
        values["seed"] = secrets.randbelow(2**32)
    return values, pictures


def _draws(task: Task, values: dict[str, Any]) -> bool:
    """Whether a seed is needed: not where it is one of several starts, and another one is given."""
    others = [name for name in STARTS.get(task, ()) if name != "seed"]
    return "seed" not in STARTS.get(task, ()) or all(values.get(name) is None for name in others)
