"""One trainer for every family: players take turns, and everything needed to go on after a stop is on disk."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models import checkpoint, devices, noise
from models.capabilities import Classifier, Sampler, directions_of, hole_of, layers_of, scales_of
from models.card import SHEET_FILE, Card, TrainingRecord
from models.model import Batch, Model, Player, build, final_images
from models.registry import SHIPPED, Entry, Registry
from pictures import codec
from pictures.formats import ImageFormat
from tasks.operations import tasks_of
from training import data
from training.ema import Average, standing_statistics
from training.preview import preview
from training.recipe import Recipe
from training.start import start_with

STATE_FILE = "trainer.safetensors"
WATCHED = 256
"""Samples that are looked at with each sheet."""

Watch = Callable[[Tensor], dict[str, float]]
"""Figures of sample images [N, C, H, W] that tell how a training goes, by name (`evaluation.coverage.watch`)."""


class Trainer:
    """Trains one recipe in one folder; made again over the same folder, it goes on where it stopped.

    Each step is seeded by the recipe's seed and its own number, so a resumed run sees the batches of an unbroken one.
    """

    def __init__(
        self,
        recipe: Recipe,
        recipe_sha256: str,
        run: Path,
        device: torch.device,
        steps: int | None = None,
        watch: Watch | None = None,
    ):
        """
        Args:
            run: folder for the state, the log and the sample sheets.
            steps: a smaller budget than the recipe's, for a trial.
            watch: figures of a game's samples at each sheet, since a game can collapse; none if absent.

        Raises:
            ValueError: the folder holds a run of another recipe, or the recipe starts with a model that does not fit.
        """
        self.recipe, self.recipe_sha256, self.run, self.device = recipe, recipe_sha256, run, device
        self.watch = watch
        self.steps = steps or recipe.budget.steps
        self.source = data.load(recipe.data)
        torch.manual_seed(recipe.seed)
        self.model = self._built()
        resumed = (run / STATE_FILE).exists()
        self.start = self._begin_with(Registry([SHIPPED])[recipe.start]) if recipe.start and not resumed else None
        self.model.prepare_training()
        devices.place(self.model, device).train()
        self.players = self.model.players()
        self.average = Average(self._built().to(device), self.model, recipe.ema)
        self.optimisers = {player.name: self._optimiser(player) for player in self.players}
        self.step, self.seconds = 0, 0.0
        self.commit = _commit()
        """Of the code that trains, before anything is written."""
        run.mkdir(parents=True, exist_ok=True)
        if resumed:
            self._resume()

    def train(self) -> Iterator[dict[str, float]]:
        """Trains to the end of the budget, yielding each step's losses; keeps state and sheets as the recipe says."""
        budget = self.recipe.budget
        with (self.run / "log.jsonl").open("a") as log:
            while self.step < self.steps:
                started = time.monotonic()
                losses = self._take_step()
                self.seconds += time.monotonic() - started
                yield losses
                if self.step % 100 == 0:
                    self._note(log, losses)
                if self.step % budget.sheet_every == 0 or self.step == self.steps:
                    self.save()
                    self._note(log, self.sheet())

    def _note(self, log: TextIO, found: dict[str, float]) -> None:
        """A line of the log, if there is anything to tell."""
        if found:
            log.write(json.dumps({"step": self.step, "seconds": round(self.seconds, 1), **found}) + "\n")
            log.flush()

    @cached_property
    def held_out(self) -> data.Source:
        """The data that is never trained on."""
        return data.load(self.recipe.data.evaluation())

    @cached_property
    def _everything(self) -> Batch:
        """All of the data at once, for a model that is fitted to it."""
        return data.to_device(self.source.all(), self.device)

    def _take_step(self) -> dict[str, float]:
        losses: dict[str, float] = {}
        torch.manual_seed(_mix(self.recipe.seed, self.step))
        self._schedule()
        if not self.players:
            with torch.no_grad():
                terms = self.model.fit(self._everything, self.step)
            losses = {name: float(term) for name, term in terms.items()}
        for player in self.players:
            for turn in range(player.turns):
                losses |= self._take_turn(player, turn)
        if not all(np.isfinite(value) for value in losses.values()):
            raise FloatingPointError(f"step {self.step}: a loss is not finite: {losses}")
        self.average.update()
        self.step += 1
        return losses

    def _take_turn(self, player: Player, turn: int) -> dict[str, float]:
        """One optimiser step of `player`: its losses, and the norm of their gradient."""
        seed = _mix(self.recipe.seed, self.step, turn)
        batch = data.to_device(self.source.batch(self.recipe.budget.batch, seed), self.device)
        with self._precision():
            terms = self.model.loss(player.name, batch)
        parameters, optimiser = player.parameters(), self.optimisers[player.name]
        optimiser.zero_grad(set_to_none=True)
        reduce(torch.add, terms.values()).backward(inputs=parameters)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        optimiser.step()
        self.model.after_step(player.name)
        found = {**terms, "gradient_norm": nn.utils.get_total_norm(gradients)}
        return {f"{player.name}/{name}": float(value.detach()) for name, value in found.items()}

    def _begin_with(self, entry: Entry) -> str:
        """Gives the new model what a shipped one knows; returns that one's name and its weights' sha256."""
        start_with(self.model, checkpoint.read(entry.folder, entry.card))
        return f"{entry.card.name}@{entry.card.weights.sha256[:12]}"

    def _built(self) -> Model:
        return build(self.recipe.family, self.recipe.config)

    def _optimiser(self, player: Player) -> torch.optim.Optimizer:
        settings = self.recipe.optimiser
        return torch.optim.Adam(
            player.parameters(),
            lr=settings.lr * settings.players.get(player.name, 1.0),
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def _schedule(self) -> None:
        settings = self.recipe.optimiser
        share = self.step / self.steps
        left = 1.0
        if settings.decay != "none" and share > settings.decay_from:
            passed = (share - settings.decay_from) / (1 - settings.decay_from)
            left = 1 - passed if settings.decay == "linear" else 0.5 * (1 + float(np.cos(np.pi * passed)))
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = settings.lr * settings.players.get(name, 1.0) * left

    def _precision(self):
        if self.recipe.budget.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def sheet(self) -> dict[str, float]:
        """Writes a sample sheet of the averaged weights to `samples/`; returns what `watch` tells of samples."""
        folder = self.run / "samples"
        folder.mkdir(exist_ok=True)
        model = self._served()
        picture = preview(model, self.held_out)
        if picture is not None:
            (folder / f"{self.step:07d}.png").write_bytes(codec.encode(picture))
        return self._watched(model)

    @torch.inference_mode()
    def _watched(self, model: Model) -> dict[str, float]:
        """What `watch` tells of `WATCHED` samples with the seeds 0, 1, 2 …; nothing of a model with one player."""
        if self.watch is None or len(self.players) < 2 or not isinstance(model, Sampler):
            return {}
        latent = noise.normal(range(WATCHED), model.latent_shape).to(self.device)
        labels = (torch.arange(WATCHED) % max(model.classes, 1)).to(self.device)
        return self.watch(final_images(model.sample(latent, labels)).cpu())

    def _served(self) -> Model:
        """A copy of the averaged weights as they would ship."""
        model = self._built().to(self.device)
        model.load_state_dict(self.average.model.state_dict())
        standing_statistics(model, self.source)
        return model.eval().requires_grad_(False)

    def save(self) -> None:
        """Writes all state to `trainer.safetensors`, atomically."""
        state = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        state |= {f"average/{name}": tensor for name, tensor in self.average.model.state_dict().items()}
        for player, optimiser in self.optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                state |= {f"optimiser/{player}/{index}/{slot}": value for slot, value in slots.items()}
        meta = {"step": str(self.step), "seconds": str(self.seconds), "recipe_sha256": self.recipe_sha256}
        meta |= {"start": self.start} if self.start else {}
        partial = self.run / f"{STATE_FILE}.partial"
        save_file({name: tensor.detach().contiguous().clone() for name, tensor in state.items()}, partial, meta)
        partial.replace(self.run / STATE_FILE)

    def _resume(self) -> None:
        with safe_open(self.run / STATE_FILE, "pt", device=str(self.device)) as opened:
            meta = opened.metadata()
            if meta["recipe_sha256"] != self.recipe_sha256:
                raise ValueError(
                    f"{self.run} holds a run of another version of this recipe; move it away or train with --fresh"
                )
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
        self.step, self.seconds, self.start = int(meta["step"]), float(meta["seconds"]), meta.get("start")
        self.model.load_state_dict(_under(state, "model"))
        self.average.model.load_state_dict(_under(state, "average"))
        self.average.updates = self.step
        for player, optimiser in self.optimisers.items():
            slots: dict[int, dict[str, Tensor]] = {}
            for name, value in _under(state, f"optimiser/{player}").items():
                index, slot = name.split("/")
                moved = optimiser.param_groups[0]["params"][int(index)]
                if value.shape == moved.shape:  # laid out as it is: Adam's fused step reads memory in order
                    value = torch.empty_like(moved).copy_(value)
                slots.setdefault(int(index), {})[slot] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})

    def export(self, zoo: Path, name: str | None = None) -> Card:
        """Writes the averaged weights, card and sample sheet to `zoo/<name>/`, by default under the recipe's name.

        Metrics are measured afterwards.
        """
        model = self._served().cpu()
        recipe = self.recipe
        folder = zoo / (name or recipe.name)
        weights = checkpoint.write(model, folder)
        size = model.side or recipe.data.size
        card = Card(
            name=folder.name,
            family=recipe.family,
            summary=recipe.summary,
            config=recipe.config,
            tasks=tasks_of(model),
            image=ImageFormat(height=size, width=size, channels=self.source.channels),
            native=model.native,
            scales=scales_of(model),
            hole=hole_of(model),
            latent=model.latent_shape,
            attributes={name: attribute.record for name, attribute in model.attributes.items()},
            classes=(recipe.classes or self.source.classes) if model.classes or isinstance(model, Classifier) else (),
            layers=layers_of(model),
            domains=recipe.domains,
            directions=directions_of(model),
            data=self.source.record,
            training=self._record(),
            weights=weights,
            serving=recipe.serving,
            licence=recipe.licence,
        )
        card.write(folder)
        sheet = preview(model, self.held_out)
        if sheet is not None:
            (folder / SHEET_FILE).write_bytes(codec.encode(sheet, "webp"))
        return card

    def _record(self) -> TrainingRecord:
        return TrainingRecord(
            recipe=f"{self.recipe.name}.toml",
            recipe_sha256=self.recipe_sha256,
            start=self.start,
            seed=self.recipe.seed,
            steps=self.step,
            images=self.step * self.recipe.budget.batch,
            seconds=round(self.seconds, 1),
            device=torch.cuda.get_device_name()
            if self.device.type == "cuda"
            else f"CPU, {torch.get_num_threads()} thread(s)",
            precision=self.recipe.budget.precision,
            torch=torch.__version__,
            commit=self.commit,
            date=datetime.now(UTC).date().isoformat(),
        )


def _mix(*numbers: int) -> int:
    """Several small integers to one well-spread seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _under(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(f"{prefix}/"): value for name, value in state.items() if name.startswith(f"{prefix}/")}


def _commit() -> str:
    """The commit of the code that trains, or `unknown` outside a checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
