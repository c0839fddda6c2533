"""The path parameters that several plain routes have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from app.http.parameters import Parameter
from app.predictions.service import PREDICTION_ID

MODEL: Parameter[str] = Parameter("model", "path", TypeAdapter(str))
PREDICTION: Parameter[str] = Parameter("prediction_id", "path", TypeAdapter(str))
NEW_PREDICTION: Parameter[str] = Parameter(
    "prediction_id",
    "path",
    TypeAdapter(Annotated[str, Field(pattern=PREDICTION_ID.pattern)]),
    "1 to 64 letters, digits, _ and -",
)
