"""Submitting a prediction: waited for as `Prefer` says, given up as `Cancel-After` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter
from starlette.requests import Request

from app.http.parameters import Header
from app.http.preferences import DURATION, Preference, preferred, seconds
from app.predictions.input_validation import Files
from app.predictions.service import AnswerForm, Predictions, RequestName, WaitPolicy
from app.routes.admission import admit
from app.schemas.predictions import PredictionRequest
from jobs.prediction import Snapshot

PREFER = Header(
    "prefer",
    TypeAdapter(list[str]),
    "`wait=10`: wait up to ten seconds for the end; `respond-async`: do not wait",
    repeated=True,
)
CANCEL_AFTER = Header(
    "cancel-after",
    TypeAdapter(Annotated[str, Field(pattern=DURATION)]),
    "cancels the prediction if it has not ended by then: `30s`, `1m30s`",
)
HEADERS = (PREFER, CANCEL_AFTER)
"""What `Submission.of` reads."""

_AS_IT_IS = AnswerForm()


@dataclass(frozen=True)
class Submission:
    """How one request submits a prediction."""

    request: Request
    predictions: Predictions
    preference: Preference
    cancel_after_s: float | None

    @classmethod
    async def of(cls, request: Request) -> Submission:
        """Admits the caller, counts the request, whatever will be found in it, and reads the headers.

        Raises:
            Problem: the caller is not let in or over its rate, or a header does not fit.
        """
        predictions = await admit(request)
        await predictions.caller.count_request()
        preference = preferred(PREFER.of(request) or [], predictions.settings.max_wait_s)
        cancel_after = CANCEL_AFTER.of(request)
        return cls(request, predictions, preference, None if cancel_after is None else seconds(cancel_after))

    async def prediction(self, order: PredictionRequest, files: Files, name: RequestName | None = None) -> Snapshot:
        """Waits only if asked to. Who waits may leave, and come back for the prediction."""
        return await self._create(order, files, name, WaitPolicy(self.preference.wait_s or 0, self.cancel_after_s))

    async def pictures(
        self,
        order: PredictionRequest,
        files: Files,
        name: RequestName | None = None,
        form: AnswerForm = _AS_IT_IS,
    ) -> Snapshot:
        """Waits unless asked not to. If the client leaves, nobody can get what was not named: it is canceled."""
        wait_s = self.preference.wait_s
        if wait_s is None:
            wait_s = self.predictions.settings.max_wait_s
        leaving = None if name else self._leaving
        return await self._create(order, files, name, WaitPolicy(wait_s, self.cancel_after_s, leaving), form)

    async def _create(
        self,
        order: PredictionRequest,
        files: Files,
        name: RequestName | None,
        wait: WaitPolicy,
        form: AnswerForm | None = None,
    ) -> Snapshot:
        found = await self.predictions.create(order, files, wait, name, form)
        if self.preference.applied:
            self.request.state.headers["Preference-Applied"] = self.preference.applied
        return found

    async def _leaving(self) -> None:
        """Returns when the client has closed the connection. The body must have been read."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass
