"""Path parameters and headers of plain routes: read from a request, and described in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from app.http.errors import Invalid, field_errors

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Parameter(Generic[Value]):
    name: str
    type: TypeAdapter[Value]
    description: str = ""

    def _validated(self, sent: object) -> Value:
        try:
            return self.type.validate_python(sent)
        except ValidationError as error:
            details = [{**item, "loc": (self.name, *item["loc"])} for item in error.errors()]
            raise Invalid("the request does not fit the schema", errors=field_errors(details)) from None

    def _document(self, location: str, required: bool, schema: Mapping[str, Any]) -> dict[str, Any]:
        about = {"description": self.description} if self.description else {}
        title = self.name.replace("_", " ").title()
        return {
            "name": self.name,
            "in": location,
            "required": required,
            "schema": {**schema, "title": title, **about},
            **about,
        }


@dataclass(frozen=True)
class PathParameter(_Parameter[Value]):
    """A part of the path."""

    def of(self, request: Request) -> Value:
        """The value in a request. Raises `Invalid` if it does not fit the type."""
        return self._validated(request.path_params[self.name])

    def document(self) -> dict[str, Any]:
        """OpenAPI's parameter object."""
        return self._document("path", True, self.type.json_schema())


@dataclass(frozen=True)
class Header(_Parameter[Value]):
    """A header that may be absent. One that may be `repeated` has a list for its value."""

    repeated: bool = False

    def of(self, request: Request) -> Value | None:
        """The value in a request, or None. Raises `Invalid` if it does not fit the type."""
        sent = request.headers.getlist(self.name) or None if self.repeated else request.headers.get(self.name)
        return None if sent is None else self._validated(sent)

    def document(self) -> dict[str, Any]:
        """OpenAPI's parameter object. Lines of a repeated header are one line with commas (RFC 9110, 5.3): a string."""
        return self._document("header", False, {"type": "string"} if self.repeated else self.type.json_schema())
