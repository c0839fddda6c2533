"""OpenAI's images API in terms of predictions: what a prompt means to models that know texts, classes or domains."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from app.http.errors import FieldError, Unsupported
from app.http.parsing import fitting
from app.predictions import rendering
from app.predictions.service import Predictions
from app.schemas.images import ImageItem, ImagesRequest, ImagesResponse
from app.schemas.predictions import PredictionRequest
from jobs.prediction import Snapshot
from jobs.representation import OutputImage, Prediction
from models.card import SOURCE_AND_TARGET, Card, Direction, Task
from models.text import words
from tasks.inputs import MAX_TEXT

GENERATIONS = (Task.TEXT, Task.CONDITIONAL, Task.SAMPLE)
EDITS = (Task.TRANSLATE, Task.INPAINT)
"""The tasks that each route asks for: the first that a model offers."""


def request_of(predictions: Predictions, asked: ImagesRequest, *tasks: Task) -> PredictionRequest:
    """The prediction that a request for images asks for: of the first of the tasks that its model offers.

    Raises:
        NotFound: there is no such model.
        Invalid: it offers none of the tasks, or the fields do not fit.
        Unsupported: a size, a number or a prompt that it cannot serve.
    """
    card = predictions.card(asked.model)
    return prediction_of(card, predictions.task(card, *tasks), asked)


async def response_of(
    found: Snapshot, asked: ImagesRequest, predictions: Predictions, root: str = ""
) -> ImagesResponse:
    """What is answered of an ended prediction. Old clients read `url` and new ones `b64_json`: who names neither gets
    both.

    Raises:
        Problem: it failed, or its images have expired.
    """
    store = predictions.store
    blobs = await store.signing.images(found, await rendering.blobs_of(found, store))
    told = Prediction.of(found, store.ttl_s, link=predictions.caller.link, home=store.home)
    outputs = [image for image in told.output or () if isinstance(image, OutputImage)]
    items = [
        ImageItem(
            url=root + (image.link or image.url) if asked.response_format != "b64_json" else None,
            b64_json=base64.b64encode(blob).decode() if asked.response_format != "url" else None,
            seed=image.seed,
        )
        for image, blob in zip(outputs, blobs, strict=True)
    ]
    return ImagesResponse(
        created=int(found.created_at.timestamp()),
        data=items,
        output_format=asked.output_format or "png",
        size=f"{found.images[0].width}x{found.images[0].height}",
    )


def prediction_of(card: Card, task: Task, asked: ImagesRequest) -> PredictionRequest:
    """The prediction that a request for images asks for.

    Raises:
        Unsupported: a size, a number or a prompt that this model cannot serve.
        Invalid: the fields do not fit the schema.
    """
    size = f"{card.image.width}x{card.image.height}"
    if task is Task.INPAINT and asked.size not in (None, "auto"):
        raise _unsupported("size", f"{card.name} fills in pictures at their own size; send `auto`, or no size")
    if asked.size not in (None, "auto", size):
        raise _unsupported("size", f"{card.name} makes pictures of {size}; send that, `auto`, or no size")
    if asked.stream:
        raise _unsupported("stream", "pictures are not streamed here; send no `stream`")
    given = asked.inputs
    if "n" in card.tasks[task]:
        given["n"] = asked.n or 1
    elif asked.n not in (None, 1):
        raise _unsupported("n", f"{card.name} makes one picture of each picture; n can only be 1")
    if task is Task.TEXT and "text" not in given:
        given["text"] = text_in(asked.prompt, card)
    if task is Task.CONDITIONAL and "label" not in given:
        given["label"] = label_in(asked.prompt, card)
    if task is Task.INPAINT and "image" in given:
        given.setdefault("mask", given["image"])
    if task is Task.TRANSLATE:
        given = {**_aim_in(asked.prompt, card, given), **given}
    output: dict[str, Any] = {"format": (asked.output_format or "png").replace("jpeg", "jpg")}
    if asked.output_compression is not None:
        output["quality"] = max(asked.output_compression, 1)
    return fitting(PredictionRequest, {"model": card.name, "task": task, "input": given, "output": output})


def text_in(prompt: str, card: Card) -> str:
    """The prompt, where a text is taken.

    Raises:
        Unsupported: it has no word that can be read, or too many letters.
    """
    if not words(prompt):
        raise _unsupported("prompt", f"{card.name} makes what the prompt says: there is no English word in it")
    if len(prompt) > MAX_TEXT:
        raise _unsupported("prompt", f"{card.name} reads prompts of at most {MAX_TEXT} characters")
    return prompt


def _aim_in(prompt: str, card: Card, given: dict[str, Any]) -> dict[str, Any]:
    """What a translation is to make, as far as the prompt says it and the fields do not."""
    inputs = card.tasks[Task.TRANSLATE]
    if "target" in inputs:
        return {} if "target" in given else {"target": label_in(prompt, card)}
    if "targets" in inputs:
        if "targets" in given:
            return {}
        named = _named({name.casefold() for name in card.classes}, prompt)
        return {"targets": [name for name in card.classes if name.casefold() in named]}
    direction = direction_in(prompt, card)
    return {"direction": direction} if direction else {}


def label_in(prompt: str, card: Card) -> str:
    """The one class that the prompt names, as a word of its own, in whatever case.

    Raises:
        Unsupported: it names none, or several.
    """
    classes = {name.casefold(): name for name in card.classes}
    named = _named(classes, prompt)
    if len(named) == 1:
        return classes[named.pop()]
    reason = f"names several classes ({', '.join(sorted(named))})" if named else "names no class"
    raise _unsupported("prompt", f"the prompt {reason}; {card.name} takes one of: {', '.join(card.classes)}")


def direction_in(prompt: str, card: Card) -> Direction | None:
    """The direction that the prompt names: by `AtoB` or `BtoA`, or by the domain that it leads to.

    Of two domains, the one after "to" or "into" is meant. None if the prompt names nothing: the model's first is meant.

    Raises:
        Unsupported: a direction the model does not offer, or two domains of which neither is said to be the aim.
    """
    ways: dict[str, Direction] = {way.casefold(): way for way in SOURCE_AND_TARGET}
    if named := _named(ways, prompt):
        if len(named) == 1 and ways[way := named.pop()] in card.directions:
            return ways[way]
        raise _unsupported("prompt", f"{card.name} goes {' or '.join(card.directions)}; the prompt names another way")
    if len(card.directions) < 2:
        return None
    aims: dict[str, Direction] = {}
    for way, (_, target) in SOURCE_AND_TARGET.items():
        if (end := target.upper()) in card.domains:
            aims[card.domains[end].casefold()] = way
    named = _named(aims, prompt, after=r"\b(?:in)?to\s+(?:an?\s+|the\s+)?") or _named(aims, prompt)
    if len(named) > 1:
        raise _unsupported("prompt", f"the prompt names {' and '.join(sorted(named))}; say `to` before the one to make")
    return aims[named.pop()] if named else None


def _named(names: Iterable[str], prompt: str, after: str = "") -> set[str]:
    """Which of some casefolded names stand in the prompt as words; of names within each other, the longest."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    if not longest_first:
        return set()
    return set(re.findall(rf"{after}(?<!\w)({longest_first})(?!\w)", prompt.casefold()))


def _unsupported(field: str, detail: str) -> Unsupported:
    return Unsupported(detail, errors=[FieldError(pointer=f"/{field}", detail=detail)])
