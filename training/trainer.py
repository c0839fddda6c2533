"""One trainer for every family: players take turns, and everything needed to go on after a stop is on disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import cached_property, reduce
from itertools import count as counting
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models import checkpoint
from models.capabilities import Classifier, directions_of, hole_of, layers_of, scales_of
from models.card import SHEET_FILE, Card, Metric, TrainingRecord
from models.model import Batch, Model, Player, build
from models.registry import SHIPPED, Entry, Registry
from pictures import codec
from pictures.formats import ImageFormat
from tasks.operations import tasks_of
from training import data, recipe, state
from training.distributed import Group, WholeBatch
from training.ema import Average, standing_statistics
from training.listeners import Listener, Log, Sheet, Sheets
from training.loader import Batches
from training.preview import preview
from training.recipe import RECIPE_FILE, Recipe, names
from training.setting import Setting
from training.start import start_with

STATE_FILE = "trainer.safetensors"
LOG = "log.jsonl"
NOTED = 100
"""Steps between lines of the log."""

Watch = Callable[[Model, int, data.Source], dict[str, float]]
"""Figures by name, of the averaged model, the number of its players and held-out data (`evaluation.watching`)."""


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
        listeners: Sequence[Listener] = (),
        setting: Setting | None = None,
        group: Group | None = None,
        models: Registry | None = None,
        source: data.Source | None = None,
    ):
        """
        Args:
            run: folder for the state, the log and the sample sheets.
            steps: another budget than the recipe's: a smaller one for a trial, or a larger one to go on with.
            watch: figures of the model at each sheet; none if absent.
            listeners: are told of losses and sheets, besides the log and the sheets in `run`.
            setting: how it is computed; what the recipe says if absent.
            group: the processes that train together; this one alone if absent.
            models: where the recipe's `init_from` is; what ships if absent.
            source: the recipe's data, where it has been read already.

        Raises:
            ValueError: the folder holds a run of another recipe, or one that cannot be extended so far; or the recipe
                begins with a model that does not fit.
        """
        self.recipe, self.recipe_sha256, self.run, self.device = recipe, recipe_sha256, run, device
        self.steps = steps or recipe.budget.steps
        self.watch = watch
        self.figures: dict[str, float] = {}
        """Of the last sheet."""
        self.picture: np.ndarray | None = None
        """The last sheet."""
        self.group = group or Group()
        self.listeners = (Log(run / LOG), Sheets(run / "samples"), *listeners) if self.group.first else ()
        saved = state.read(run / STATE_FILE, device)
        if saved:
            state.require_same(saved, recipe, recipe_sha256, self.steps, run)
        self.setting = (saved.setting if saved else None) or setting or Setting.of(recipe.budget)
        if self.setting.threads:
            torch.set_num_threads(self.setting.threads)
        self.share = self.group.share(recipe.budget.batch)
        self.source = source or data.load(recipe.data)
        torch.manual_seed(recipe.seed)
        self.model = self._built()
        self.start: str | None = None
        self.left: tuple[str, ...] = ()
        """What did not fit of the model that it begins with."""
        if recipe.init_from and not saved:
            self.start = self._begin_with((models or Registry([SHIPPED]))[recipe.init_from])
        self.model.prepare_training()
        self.setting.place(self.model, device).train()
        self.players = self.model.players()
        if not self.players and self.group.size > 1:
            raise ValueError(f"{recipe.family} is fitted to all of its data at once, which one process does")
        self.average = Average(self._built().to(device), self.model, recipe.ema)
        self.optimisers = {player.name: self._optimiser(player) for player in self.players}
        self.step, self.seconds, self.waited = 0, 0.0, 0.0
        self.commit = _commit()
        """Of the code that trains, before anything is written."""
        if self.group.first:
            run.mkdir(parents=True, exist_ok=True)
        if saved:
            self._resume(saved)

    def train(self) -> Iterator[dict[str, float]]:
        """Trains to the end of the budget, yielding each step's losses; keeps state and sheets as the recipe says."""
        budget = self.recipe.budget
        batches = Batches(
            self.source,
            budget.batch,
            self._seeds(),
            self.share,
            self.setting.loaders if self.players else 0,
            self.device.type == "cuda",
        )
        before = self.waited
        while self.step < self.steps:
            started = time.monotonic()
            losses = self._take_step(batches)
            self.seconds += time.monotonic() - started
            self.waited = before + batches.waited
            yield losses
            if self.step % NOTED == 0:
                for listener in self.listeners:
                    listener.losses(self, losses)
            if self.step % budget.sheet_every == 0 or self.step == self.steps:
                self.save()
                self.sheet()

    def _seeds(self) -> Iterator[int]:
        """Of the batches of all turns from this step on."""
        for step in counting(self.step):
            for player in self.players:
                for turn in range(player.turns):
                    yield _mix(self.recipe.seed, step, turn)

    @cached_property
    def held_out(self) -> data.Source:
        """The data that is never trained on."""
        return data.load(self.recipe.data.evaluation())

    @cached_property
    def _everything(self) -> Batch:
        """All of the data at once, for a model that is fitted to it."""
        return data.to_device(self.source.all(), self.device)

    def _take_step(self, batches: Batches) -> dict[str, float]:
        losses: dict[str, float] = {}
        torch.manual_seed(_mix(self.recipe.seed, self.step))
        self._schedule()
        if not self.players:
            with torch.no_grad():
                terms = self.model.fit(self._everything, self.step)
            losses = {name: float(term) for name, term in terms.items()}
        for player in self.players:
            for _ in range(player.turns):
                losses |= self._take_turn(player, batches.next())
        if not all(np.isfinite(value) for value in losses.values()):
            raise FloatingPointError(f"step {self.step}: a loss is not finite: {losses}")
        self.average.update()
        self.step += 1
        return losses

    def _take_turn(self, player: Player, drawn: Batch) -> dict[str, float]:
        """One optimiser step of `player`: its losses, and the norm of their gradient."""
        batch = data.to_device(drawn, self.device)
        parameters, optimiser = player.parameters(), self.optimisers[player.name]
        optimiser.zero_grad(set_to_none=True)
        with self._whole_batch():
            with self.setting.precise(self.device):
                terms = self.model.loss(player.name, batch)
            reduce(torch.add, terms.values()).backward(inputs=parameters)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self.group.average(gradients)
        optimiser.step()
        self.model.after_step(player.name)
        told = torch.stack([term.detach().float() for term in terms.values()])
        self.group.average([told])
        found = {**dict(zip(terms, told, strict=True)), "gradient_norm": nn.utils.get_total_norm(gradients)}
        return {f"{player.name}/{name}": float(value) for name, value in found.items()}

    def _whole_batch(self) -> AbstractContextManager[object]:
        if self.group.size == 1:
            return nullcontext()
        return WholeBatch(self.group, self.share.stop - self.share.start)

    def _begin_with(self, entry: Entry) -> str:
        """Gives the new model what another one knows; returns that one's name and its weights' sha256."""
        self.left = start_with(self.model, checkpoint.read(entry.folder, entry.card))
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

    def sheet(self) -> None:
        """Tells the listeners what the averaged weights make, on a sheet of samples."""
        if self.listeners:
            model = self._served()
            with torch.inference_mode():
                self.figures = self.watch(model, len(self.players), self.held_out) if self.watch else {}
            self.picture = preview(model, self.held_out)
            for listener in self.listeners:
                listener.sheet(self, Sheet(self.picture, self.figures))
        self.group.wait()

    def _served(self) -> Model:
        """A copy of the averaged weights as they would ship."""
        model = self._built().to(self.device)
        model.load_state_dict(self.average.model.state_dict())
        standing_statistics(model, self.source)
        return model.eval().requires_grad_(False)

    def save(self) -> None:
        """Writes all state to `trainer.safetensors`, atomically."""
        if self.group.first:
            told = state.Told(
                self.step,
                self.seconds,
                self.steps,
                self.recipe_sha256,
                recipe.fingerprint(self.recipe),
                self.setting,
                self.start,
            )
            state.write(self.run / STATE_FILE, self.model, self.average.model, self.optimisers, told)

    def _resume(self, saved: state.Saved) -> None:
        self.step, self.seconds, self.start = saved.step, saved.seconds, saved.start
        self.model.load_state_dict(saved.under("model"))
        self.average.model.load_state_dict(saved.under("average"))
        self.average.updates = self.step
        for player, optimiser in self.optimisers.items():
            state.restore(optimiser, saved.under(f"optimiser/{player}"))

    def export(self, zoo: Path, name: str | None = None) -> Card:
        """Puts the averaged weights, the card and a sample sheet in `zoo/<name>/`, by default under the recipe's name.

        Everything is written elsewhere and put in place at once, so that who serves the folder never sees half a model.
        Metrics are measured afterwards.
        """
        model = self._served().cpu()
        recipe = self.recipe
        folder = zoo / (name or recipe.name)
        partial = zoo / ".partial" / folder.name
        shutil.rmtree(partial, ignore_errors=True)
        weights = checkpoint.write(model, partial)
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
            metrics=tuple(self._metrics()) if recipe.data.path else (),
        )
        if recipe.name not in names():
            (partial / RECIPE_FILE).write_text(recipe.toml())
        sheet = preview(model, self.held_out)
        if sheet is not None:
            (partial / SHEET_FILE).write_bytes(codec.encode(sheet, "webp"))
        card.write(partial)
        _replace(folder, partial)
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
            device=self._hardware(),
            precision=self.setting.precision,
            torch=torch.__version__,
            commit=self.commit,
            date=datetime.now(UTC).date().isoformat(),
        )

    def _metrics(self) -> Iterator[Metric]:
        """The figures of the last sheet, for a model that nothing else measures."""
        held_out = self.held_out.record
        for name, value in self.figures.items():
            yield Metric(
                name=name,
                value=value,
                count=held_out.count,
                reference=f"{held_out.name}/{held_out.split}",
                date=datetime.now(UTC).date().isoformat(),
                command=f"easel train {self.recipe.name}",
            )

    def _hardware(self) -> str:
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name()
        else:
            name = f"CPU, {torch.get_num_threads()} thread(s)"
        return name if self.group.size == 1 else f"{self.group.size} x {name}"


def _replace(folder: Path, by: Path) -> None:
    """Puts a folder in another's place; what was there goes only when the new one is."""
    old = by.with_name(f"{by.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    by.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _mix(*numbers: int) -> int:
    """Several small integers to one well-spread seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


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
