"""Images and latents on their way to the store, where one is used instead of Redis (`EASEL_STORE`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from core import logs
from core.object_store import ObjectStore, StoredObject, StoreError
from jobs import objects
from jobs.prediction import STORE_UNREACHABLE, Answer
from pictures.formats import MEDIA_TYPES
from workers.batch import EndedJob, SucceededJob
from workers.results import ResultBytes
from workers.work import PredictionError

log = logs.get(__name__)


class ResultObjects:
    """Puts what belongs to answers. A record tells of files only once they are there, whole."""

    def __init__(self, store: ObjectStore):
        self.store = store

    def keep(self, ended: Sequence[EndedJob]) -> list[EndedJob]:
        """The same ends with their files in the store; those whose files it does not take have failed."""
        putting = [
            self._begin(each.job.id, each.answer, each.result, each.job.result_ttl_s)
            if isinstance(each, SucceededJob) and not each.job.canceled.is_set()
            else None
            for each in ended
        ]
        return [_kept(each, put) if put else each for each, put in zip(ended, putting, strict=True)]

    def put(self, prediction: str, answer: Answer, result: ResultBytes, ttl_s: int) -> Answer:
        """Puts the files of an answer, and answers where they are.

        Raises:
            PredictionError: the store does not take them. What it took already is swept once it has expired.
        """
        return self._begin(prediction, answer, result, ttl_s)()

    def _begin(self, prediction: str, answer: Answer, result: ResultBytes, ttl_s: int) -> Callable[[], Answer]:
        """The same, of which what is returned waits for the end."""
        folder = objects.folder(prediction, ttl_s)
        files = {
            objects.image_object(folder, index, image): StoredObject(blob, MEDIA_TYPES[image.format])
            for index, (image, blob) in enumerate(zip(answer.images, result.images, strict=True))
        }
        if result.latents:
            files[objects.latents_object(folder)] = StoredObject(result.latents)
        end_put = self.store.begin_put(files)

        def end() -> Answer:
            try:
                end_put()
            except StoreError as error:
                log.warning("store_unreachable", error=str(error))
                raise PredictionError(
                    STORE_UNREACHABLE, "the pictures were made, but the store for pictures did not take them; ask again"
                ) from error
            return answer.model_copy(update={"stored": folder}) if files else answer

        return end


def _kept(ended: EndedJob, put: Callable[[], Answer]) -> EndedJob:
    try:
        return replace(ended, answer=put())
    except PredictionError as error:
        return ended.job.failed(error)
