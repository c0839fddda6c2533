"""Sample sheets: what a model can do, in one picture to look at."""

import numpy as np
import torch

from models import noise, operations, pictures
from models.card import Task
from models.model import Model, device_of
from models.training.data import Source


@torch.inference_mode()
def preview(model: Model, held_out: Source, rows: int = 8) -> np.ndarray | None:
    """A sheet for the model's first task, uint8 [H, W, C]; None for a model that makes no pictures.

    Samples are drawn with seeds 0, 1, …; classes stand in columns; translations stand to the right of their inputs,
    with the true answer beside them where the data has it.
    """
    tasks = operations.tasks_of(model)
    if Task.TRANSLATE in tasks:
        return _translations(model, held_out, rows)
    if Task.CONDITIONAL in tasks:
        labels = torch.arange(model.classes).repeat(rows)
        latent = noise.normal(range(len(labels)), model.latent_shape)
        images = operations.whole(model.sample(latent.to(device_of(model)), labels.to(device_of(model))))
        return pictures.grid(list(operations.to_pixels(images)), columns=model.classes)
    if Task.SAMPLE in tasks:
        latent = noise.normal(range(rows * 8), model.latent_shape)
        images = operations.whole(model.sample(latent.to(device_of(model))))
        return pictures.grid(list(operations.to_pixels(images)), columns=8)
    return None


def _translations(model: Model, held_out: Source, rows: int) -> np.ndarray:
    cells: list[np.ndarray] = []
    batch = {name: pixels[:rows] for name, pixels in held_out.all().items()}
    for a, b in zip(batch["a"], batch["b"], strict=True):
        for direction in model.directions:
            given, truth = (a, b) if direction == "AtoB" else (b, a)
            made = model.translate(given[None].to(device_of(model)), direction).cpu()[0]
            shown = [given, made] + ([truth] if held_out.paired else [])
            cells += list(operations.to_pixels(torch.stack(shown)))
    return pictures.grid(cells, columns=len(cells) // rows)
