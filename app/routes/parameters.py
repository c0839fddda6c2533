"""The path parameters that several plain routes have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from app.http.parameters import PathParameter
from app.predictions.service import PREDICTION_ID

MODEL = PathParameter("model", TypeAdapter(str))
PREDICTION = PathParameter("prediction_id", TypeAdapter(str))
NEW_PREDICTION = PathParameter(
    "prediction_id",
    TypeAdapter(Annotated[str, Field(pattern=PREDICTION_ID.pattern)]),
    "1 to 64 letters, digits, _ and -",
)
