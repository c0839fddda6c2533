"""Figures of models that make pictures from texts."""

from __future__ import annotations

from collections.abc import Iterator

from evaluation.evaluated import EvaluatedModel, batched
from evaluation.retrieval import WAYS, retrieval
from models import noise
from models.card import Metric, Task
from models.model import final_images
from models.nn.text import bags


def prompts(about: EvaluatedModel) -> Iterator[Metric]:
    """How often a picture made from a text is told, among 100 real ones, to be of the subject that the text names.

    Of wordings that were not trained on, and of subjects of which neither the names nor the pictures were.
    """
    if Task.TEXT not in about.card.tasks:
        return
    captions = about.held_out.captions
    for kind, source, wordings in (
        ("held wordings", about.train, captions.held),
        ("unseen subjects", about.held_out, captions.unseen),
    ):
        asked = [(text, place) for place, name in enumerate(source.names) for text in wordings.get(name, ())]
        texts, places = zip(*asked, strict=True)
        latent = noise.normal(range(len(texts)), about.model.latent_shape)
        made = batched(lambda *rows: final_images(about.model.sample(*rows)), latent, bags(texts))
        truth = source.all()["images"][list(places)]
        told = f"{source.spec.set}/{source.spec.split}, {kind}; {WAYS} ways"
        for name, features, by in about.spaces:
            found = retrieval(features(made), features(truth))
            yield about.metric(f"retrieval[{name}].{kind.replace(' ', '_')}", found, len(made), by, told)
