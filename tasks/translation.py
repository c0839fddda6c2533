"""Images of one domain to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capabilities import StyledTranslator, TargetTranslator, Translator
from models.card import BACK, Card, Direction, Task
from models.model import Steps, device_of, final_images
from pictures.composition import heat_map
from tasks.inputs import CYCLE, DIRECTION, HEAT_MAP, STYLE_IMAGE, TARGET, TARGETS, Inputs
from tasks.latents import drawn, typical
from tasks.operation import Finished, PictureOperation, Rows, to_tensor

AnyTranslator = Translator | StyledTranslator | TargetTranslator


class Translate(PictureOperation[AnyTranslator]):
    """An image of one domain to the other, in a style if the model has styles, or to the target that is named.

    With `cycle` it goes back again: then each row has the channels of both.
    """

    task = Task.TRANSLATE
    capabilities = (Translator, StyledTranslator, TargetTranslator)

    def inputs(self, model: AnyTranslator) -> tuple[str, ...]:
        if isinstance(model, TargetTranslator):
            return ("image", {"one": "target", "many": "targets"}[model.targets], "fit", "side")
        drawn, read = isinstance(model, StyledTranslator), not isinstance(model, StyledTranslator) or model.reads_styles
        style = ("n", "seed", "latent", *(("style_image",) if read else ())) if drawn else ()
        back = ("cycle", "heat_map") if len(model.directions) == 2 and read else ()
        return ("image", "direction", *style, "fit", "side", *back)

    def prepare(self, model: AnyTranslator, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures[:1])
        if isinstance(model, TargetTranslator):
            chosen = [inputs[TARGET]] if model.targets == "one" else inputs[TARGETS]
            return replace(rows, tensors={**rows.tensors, "targets": _indicators(chosen, model.classes)})
        if isinstance(model, StyledTranslator):
            styles = _styles(model, inputs, pictures[1:])
            images = to_tensor(list(pictures[:1]) * len(styles))
            rows = Rows({"images": images, **styles.tensors}, seeds=styles.seeds)
        options = {"direction": inputs[DIRECTION]}
        if not inputs.get(CYCLE, False):
            return replace(rows, options=options)
        shown = 3 if inputs[HEAT_MAP] else 2
        seeds = tuple(seed for seed in rows.seeds for _ in range(shown))
        return Rows(rows.tensors, {**options, "cycle": True}, seeds)

    def probe(self, model: AnyTranslator, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if isinstance(model, TargetTranslator):
            targets = torch.cat([_indicators([index % model.classes], model.classes) for index in range(count)])
            return replace(rows, tensors={**rows.tensors, "targets": targets})
        style = {"latent": typical(model, count)} if isinstance(model, StyledTranslator) else {}
        return replace(rows, tensors={**rows.tensors, **style}, options={"direction": model.directions[0]})

    def apply(
        self,
        model: AnyTranslator,
        tensors: dict[str, Tensor],
        direction: Direction = "AtoB",
        cycle: bool = False,
        **options: Any,
    ) -> Tensor | Steps:
        if isinstance(model, TargetTranslator):
            return model.translate(**tensors, **options)
        there = model.translate(**tensors, direction=direction, **options)
        if not cycle:
            return there
        there, back = final_images(there), BACK[direction]
        if isinstance(model, StyledTranslator):  # on the way back a picture's style is its own
            returned = model.translate(there, back, model.style(tensors["images"], back))
        else:
            returned = model.translate(there, back)
        return torch.cat([there, final_images(returned)], dim=1)

    def finish(self, inputs: Mapping[str, Any], given: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> Finished:
        if not inputs.get("cycle"):
            return super().finish(inputs, given, made)
        shown, errors = [], []
        for both in made:
            there, back = np.split(both, 2, axis=2)
            off = np.abs(given[0].astype(np.int16) - back).mean(axis=2) / 255
            shown += [there, back, *([heat_map(off, channels=back.shape[2])] if inputs.get("heat_map") else [])]
            errors.append(off.mean())
        return Finished(shown, cycle_error=round(float(np.mean(errors)), 5))


def _styles(model: StyledTranslator, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
    """The style of a picture, or those that a request sends or draws as latents."""
    if inputs.get(STYLE_IMAGE) is None:
        return drawn(model, inputs)
    with torch.inference_mode():
        styles = model.style(to_tensor(pictures).to(device_of(model)), inputs[DIRECTION]).cpu()
    return Rows({"latent": styles}, seeds=(None,))


def _indicators(chosen: Sequence[int], classes: int) -> Tensor:
    """[1, classes]: 1 for the classes that were chosen, else 0."""
    indicators = torch.zeros(1, classes)
    indicators[0, list(chosen)] = 1
    return indicators
