"""ONNX graphs of other code, as `importing.onnx_graph` describes them: one family for each thing that they can do.

The graph itself lies among the weights, so that a version is its sha256 as of every model. ONNX Runtime runs it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from onnxruntime import InferenceSession
from torch import Tensor

from models import model, onnx_graphs, onnx_runtime
from models.capabilities import Reconstructor, Sampler, Stylizer, TargetTranslator, Translator, Upscaler
from models.card import Direction
from models.model import register
from models.nn.colour import pillow_grey
from models.onnx_graphs import BadGraph
from pictures.formats import Channels
from pictures.framing import Native

Layout = Literal["nchw", "nhwc", "flat"]
"""How a picture's numbers lie in a tensor; `flat` is one row of channels of lines, of whatever shape."""
Values = Literal["-1,1", "0,1", "0,255"]
"""What black and white are."""
Law = Literal["normal", "uniform"]
"""How latents are drawn."""


class Pictures(model.Config):
    """How the pictures lie in a tensor of a graph."""

    name: str
    layout: Layout
    values: Values
    channels: Channels
    height: int
    width: int
    """Where the graph takes or makes pictures of one size; else of a usual one."""
    order: Literal["rgb", "bgr"] = "rgb"

    def given(self, images: Tensor) -> np.ndarray:
        """[N, C, H, W] in [-1, 1] as the graph takes them, but for the type of their numbers.

        Colour becomes its luminance where the graph takes grey.
        """
        if self.channels < images.shape[1]:
            images = pillow_grey(images)
        images = images.flip(1) if self.order == "bgr" else images
        images = {"-1,1": images, "0,1": (images + 1) / 2, "0,255": (images + 1) * 127.5}[self.values]
        return (images.permute(0, 2, 3, 1) if self.layout == "nhwc" else images).cpu().contiguous().numpy()

    def made(self, array: np.ndarray) -> Tensor:
        """What the graph made, as [N, C, H, W] in [-1, 1]."""
        numbers = torch.from_numpy(np.ascontiguousarray(array)).float()
        if self.layout == "flat":
            numbers = numbers.reshape(len(numbers), self.channels, self.height, self.width)
        images = numbers.permute(0, 3, 1, 2) if self.layout == "nhwc" else numbers
        images = images.flip(1) if self.order == "bgr" else images
        return {"-1,1": images, "0,1": images * 2 - 1, "0,255": images / 127.5 - 1}[self.values]


class Latent(model.Config):
    """The numbers that a graph makes a picture from."""

    name: str
    shape: tuple[int, ...]
    law: Law = "normal"
    """`uniform` in [-1, 1]: requests tell normal numbers all the same, whose quantiles the graph is given."""

    def given(self, latent: Tensor) -> np.ndarray:
        """[N, *shape], normal, as the graph takes them."""
        drawn = latent if self.law == "normal" else 2 * torch.special.ndtr(latent.double()) - 1
        return drawn.float().cpu().numpy()


class Label(model.Config):
    """The class that a graph makes a picture of."""

    name: str
    form: Literal["one-hot", "index"]
    classes: int
    shape: tuple[int, ...] = ()
    """Of one row, where that is an index."""

    def given(self, labels: Tensor) -> np.ndarray:
        """Indices [N] as the graph takes them."""
        if self.form == "one-hot":
            return torch.nn.functional.one_hot(labels, self.classes).float().cpu().numpy()
        return labels.reshape(-1, *self.shape).cpu().numpy()


class Graph(model.Model):
    """What all of them have: the graph, and how its pictures are to be read."""

    beyond_onnx = "it is an ONNX graph, which ONNX Runtime runs as it came"

    class Config(model.Config):
        made: Pictures
        batch: int | None = None
        """Rows that the graph takes at once, where it takes no other number."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.graph = b""
        self._session: tuple[torch.device, InferenceSession] | None = None
        self.register_buffer("place", torch.empty(0), persistent=False)

    def get_extra_state(self) -> Tensor:
        return torch.frombuffer(bytearray(self.graph), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Takes the graph, [bytes] uint8, once it was held against the bounds and ONNX Runtime takes it.

        Raises:
            BadGraph: it is not to be served.
        """
        graph = state.numpy().tobytes()
        found = onnx_graphs.parse(graph)
        onnx_graphs.check(found)
        self.graph, self.foreign_parameters = graph, onnx_graphs.parameters(found)
        self.session()

    def session(self) -> InferenceSession:
        """ONNX Runtime with the graph, on the device that the model is on.

        Raises:
            BadGraph: it does not take the graph.
        """
        device = self.get_buffer("place").device
        if self._session is None or self._session[0] != device:
            try:
                made = onnx_runtime.guarded_session(self.graph, device, self.native is not None)
            except Exception as error:  # whatever it meets in a graph
                raise BadGraph(f"ONNX Runtime does not take it: {str(error).splitlines()[0]}") from error
            self._session = device, made
        return self._session[1]

    def passed(self, **given: np.ndarray) -> Tensor:
        """The pictures that the graph makes of its inputs [N, ...] by name, [N, C, H, W] in [-1, 1]."""
        session = self.session()
        kinds = {each.name: onnx_runtime.numpy_type(each.type) for each in session.get_inputs()}
        shapes = {each.name: list(each.shape[1:]) for each in session.get_inputs()}
        feeds: dict[str, np.ndarray] = {}
        for name, array in given.items():
            if kinds[name].kind in "iu" and array.dtype.kind == "f":
                array = array.round()
            fixed = shapes[name]
            if all(isinstance(length, int) for length in fixed) and list(array.shape[1:]) != fixed:
                array = array.reshape(len(array), *fixed)
            feeds[name] = array.astype(kinds[name], copy=False)
        made = onnx_runtime.run(session, self.config.made.name, feeds, self.config.batch)
        return self.config.made.made(made)


@register("onnx-sampler")
class GraphSampler(Graph, Sampler):  # pyright: ignore[reportIncompatibleVariableOverride]  (Config)
    """Pictures of noise, and of a class if the graph takes one."""

    class Config(Graph.Config):
        latent: Latent
        label: Label | None = None

    def __init__(self, config: Config):
        super().__init__(config)
        self.latent, self.label = config.latent, config.label
        self.latent_shape = config.latent.shape
        self.classes = config.label.classes if config.label else 0

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        given = {self.latent.name: self.latent.given(latent)}
        if self.label is not None and labels is not None:
            given[self.label.name] = self.label.given(labels)
        return self.passed(**given)


class FromPictures(Graph):
    """Pictures of pictures, of one size or of any (`native`)."""

    class Config(Graph.Config):
        images: Pictures
        native: Native | None = None

    def __init__(self, config: Config):
        super().__init__(config)
        self.images, self.native = config.images, config.native
        self.channels = max(config.images.channels, config.made.channels)

    def remade(self, images: Tensor, **more: np.ndarray) -> Tensor:
        """What becomes of images [N, C, H, W] in [-1, 1]; grey comes out in as many channels as go in."""
        made = self.passed(**{self.images.name: self.images.given(images)}, **more)
        return made.expand(-1, self.channels, -1, -1)


@register("onnx-translator")
class GraphTranslator(FromPictures, Translator):  # pyright: ignore[reportIncompatibleVariableOverride]  (Config)
    """From one domain to the other, one way."""

    class Config(FromPictures.Config):
        direction: Direction = "AtoB"

    def __init__(self, config: Config):
        super().__init__(config)
        self.directions = (config.direction,)

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.remade(images)


@register("onnx-target-translator")
class GraphTargetTranslator(FromPictures, TargetTranslator):  # pyright: ignore[reportIncompatibleVariableOverride]
    """To a domain that is named, or with attributes."""

    class Config(FromPictures.Config):
        label: Label
        many: bool = False
        """Whether it takes as many attributes as are named, not one of its domains."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.label, self.classes = config.label, config.label.classes
        self.targets = "many" if config.many else "one"

    def translate(self, images: Tensor, targets: Tensor) -> Tensor:
        given = self.label.given(targets.argmax(1)) if self.label.form == "index" else targets.float().cpu().numpy()
        return self.remade(images, **{self.label.name: given})


@register("onnx-stylizer")
class GraphStylizer(FromPictures, Stylizer):  # pyright: ignore[reportIncompatibleVariableOverride]  (Config)
    """In one manner."""

    def stylize(self, images: Tensor) -> Tensor:
        return self.remade(images)


@register("onnx-reconstructor")
class GraphReconstructor(FromPictures, Reconstructor):  # pyright: ignore[reportIncompatibleVariableOverride]  (Config)
    """An auto-encoder whole, whose codes nobody sees."""

    def reconstruct(self, images: Tensor) -> Tensor:
        return self.remade(images)


@register("onnx-upscaler")
class GraphUpscaler(FromPictures, Upscaler):  # pyright: ignore[reportIncompatibleVariableOverride]  (Config)
    """So many times as large."""

    class Config(FromPictures.Config):
        scale: int

    def __init__(self, config: Config):
        super().__init__(config)
        self.scales = (config.scale,)

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        return self.remade(images)
