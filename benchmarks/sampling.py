"""How much faster samples come than by the book, as ratios: `python -m benchmarks.sampling [NAME …]`.

- `autoregressive`: cached activations against the whole network for each place; whether the samples are the same
- `diffusion`: Fréchet distance and network passes of each sampler against ancestral sampling in 250 steps
- `glow`: inverses of the 1x1 convolutions computed once against each time
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.frechet import frechet_distance
from models import checkpoint, noise
from models.families.autoregressive import Autoregressive
from models.model import Model, build, final_images, freeze
from models.nn.coupling import InvertibleConv
from models.registry import SHIPPED, Registry
from models.sampling_defaults import DEFAULT_SAMPLER, DEFAULT_STEPS
from training import data

SAMPLES = 1000
SETTINGS = [("ddpm", 250), (DEFAULT_SAMPLER, DEFAULT_STEPS), ("dpm-solver++", 20), ("ddim", 20), ("ddpm", 20)]


def timed(call: Callable[[], Tensor], times: int = 3) -> tuple[float, Tensor]:
    """The median of this thread's seconds in some runs, and what the last of them returned."""
    taken = []
    for _ in range(times):
        started = time.thread_time()
        result = call()
        taken.append(time.thread_time() - started)
    return statistics.median(taken), result


def place_by_place(model: Autoregressive, latent: Tensor) -> Tensor:
    """Samples as one would draw them without a cache: the whole network for every block."""
    rows, columns = model.latent_shape
    shares = torch.special.ndtr(latent.double())
    tokens = torch.full((len(latent), model.block**2, rows, columns), -1.0)
    for row in range(rows):
        for column in range(columns):
            below = model.network(tokens)[:, :, row, column].double().softmax(1).cumsum(1)
            tokens[:, :, row, column] = model.patterns[(below[:, :-1] < shares[:, row, column, None]).sum(1)]
    return F.pixel_shuffle(tokens, model.block)


def autoregressive() -> None:
    """The shipped models, and a PixelCNN of the same size without blocks (random weights), whose book takes minutes."""
    models = {name: shipped(name) for name in ("mnist-pixelcnn", "mnist-pixelrnn") if name in registry().current}
    torch.manual_seed(0)
    models["pixelcnn, block 1"] = freeze(build("pixelcnn", {"block": 1}))
    print("| model | images | whole network | cached | ratio | same samples |\n| --- | --- | --- | --- | --- | --- |")
    for name, model in models.items():
        for count in (1,) if model.block == 1 else (1, 16):
            latent = noise.normal(range(count), model.latent_shape)
            slow, by_the_book = timed(lambda model=model, latent=latent: place_by_place(model, latent), 1)
            fast, cached = timed(lambda model=model, latent=latent: final_images(model.sample(latent)))
            same = torch.equal(by_the_book, cached)
            print(f"| {name} | {count} | {slow:.2f} s | {fast:.3f} s | {slow / fast:.0f} | {same} |", flush=True)


def diffusion() -> None:
    """The shipped model, judged as `easel evaluate` does, with fewer samples."""
    model, judge = shipped("mnist-diffusion"), shipped("mnist-classifier")
    held_out = data.load(data.DataSpec(set="mnist", split="test", held_out="test", size=28))
    real = torch.cat([judge.network.features(part) for part in held_out.all()["images"].split(100)])
    print("| sampler | steps | Fréchet distance | of the first | seconds per image |\n| --- | --- | --- | --- | --- |")
    reference = None
    for sampler, steps in SETTINGS:
        latents, labels = noise.normal(range(SAMPLES), model.latent_shape), torch.arange(SAMPLES) % model.classes
        started, features = time.thread_time(), []
        for latent, label in zip(latents.split(100), labels.split(100), strict=True):
            features.append(judge.network.features(final_images(model.sample(latent, label, steps, sampler))))
        taken = (time.thread_time() - started) / SAMPLES
        distance = frechet_distance(torch.cat(features), real)
        reference = reference or distance
        print(f"| {sampler} | {steps} | {distance:.3f} | {distance / reference:.2f} | {taken:.4f} |", flush=True)


def glow() -> None:
    """The shipped model's decoder."""
    model = shipped("mnist-glow")
    latent = noise.normal(range(16), model.latent_shape)

    def inverting() -> Tensor:
        for layer in model.modules():
            if isinstance(layer, InvertibleConv):
                layer.eval()
        return model.decode(latent)

    (kept, _), (computed, _) = timed(lambda: model.decode(latent), 9), timed(inverting, 9)
    print(f"glow, 16 images: inverses kept {kept:.4f} s, computed each time {computed:.4f} s")


def registry() -> Registry:
    """The models that ship."""
    return Registry([SHIPPED])


def shipped(name: str) -> Model:
    """A model that ships, in eager torch on the CPU."""
    entry = registry()[name]
    return checkpoint.read(entry.folder, entry.card)


if __name__ == "__main__":
    torch.set_num_threads(1)
    known = {"autoregressive": autoregressive, "diffusion": diffusion, "glow": glow}
    with torch.inference_mode():
        for chosen in sys.argv[1:] or known:
            known[chosen]()
