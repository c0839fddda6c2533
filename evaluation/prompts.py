"""Figures of models that make pictures from texts."""

from __future__ import annotations

from collections.abc import Iterator

from evaluation.evaluated import EvaluatedModel, batched
from evaluation.retrieval import WAYS, retrieval
from models import noise
from models.capabilities import TextSampler
from models.card import Metric
from models.model import final_images
from models.nn.text import bags


def prompts(about: EvaluatedModel) -> Iterator[Metric]:
    """How often a picture made from a text is recognised, among 100 real ones, as of the subject that the text names.

    Of the first wording that was trained on of each subject, of wordings that were not trained on, and of subjects of
    which neither the names nor the pictures were.
    """
    sampler = about.model
    if not isinstance(sampler, TextSampler):
        return
    captions = about.held_out.worded()
    first = {subject: wordings[:1] for subject, wordings in captions.trained.items()}
    for kind, source, wordings in (
        ("trained wordings", about.train, first),
        ("held wordings", about.train, captions.held),
        ("unseen subjects", about.held_out, captions.unseen),
    ):
        asked = [(text, place) for place, name in enumerate(source.names) for text in wordings.get(name, ())]
        texts, places = zip(*asked, strict=True)
        latent = noise.normal(range(len(texts)), about.model.latent_shape)
        made = batched(lambda *rows: final_images(sampler.sample(*rows)), latent, bags(texts))
        truth = source.all()["images"][list(places)]
        reference = f"{source.spec.name}/{source.spec.split}, {kind}; {WAYS} ways"
        for space in about.spaces:
            found, name = retrieval(space.features(made), space.features(truth)), kind.replace(" ", "_")
            yield about.metric(f"retrieval[{space.name}].{name}", found, len(made), space.extractor, reference)
