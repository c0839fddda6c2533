"""Models of ours, with the records that only their cards have: imported ones were trained elsewhere, on other data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.card import Card, DataRecord, TrainingRecord
from models.registry import Entry
from training import recipe
from training.datasets.spec import DataSpec


@dataclass(frozen=True)
class Trained:
    """The card of a model that was trained here."""

    card: Card
    data: DataRecord
    training: TrainingRecord
    folder: Path

    @classmethod
    def of(cls, entry: Entry) -> Trained | None:
        """None of a card that does not say what its model was trained on, and how."""
        card = entry.card
        if card.data is None or card.training is None:
            return None
        return cls(card, card.data, card.training, entry.folder)

    @property
    def spec(self) -> DataSpec:
        """The data as its recipe has it. Raises as `training.recipe.load`."""
        return recipe.of(self.training, self.folder).data
