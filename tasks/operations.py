"""The table of the tasks, and what of it a model offers."""

from __future__ import annotations

from typing import Any

from models.card import Task
from models.model import Model
from tasks.analysis import Classify, Encode, Score
from tasks.decoding import Interpolate, Reconstruct, Traverse, Vary
from tasks.dreaming import Dream
from tasks.inpainting import Inpaint
from tasks.operation import Operation
from tasks.sampling import Conditional, Sample, Text
from tasks.stylization import Stylize
from tasks.translation import Translate
from tasks.upscaling import Upscale

OPERATIONS: dict[Task, Operation[Any]] = {  # each for another capability, which `tasks_of` looks for
    operation.task: operation
    for operation in (
        Sample(),
        Conditional(),
        Text(),
        Translate(),
        Stylize(),
        Dream(),
        Upscale(),
        Reconstruct(),
        Interpolate(),
        Vary(),
        Traverse(),
        Inpaint(),
        Encode(),
        Score(),
        Classify(),
    )
}


def tasks_of(model: Model) -> dict[Task, tuple[str, ...]]:
    """The tasks that the model's capabilities allow, with the inputs that each takes."""
    able = {task: each for task, each in OPERATIONS.items() if isinstance(model, each.capabilities)}
    inputs = {task: operation.inputs(model) for task, operation in able.items()}
    return {task: names for task, names in inputs.items() if names}
