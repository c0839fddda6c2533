"""Path parameters and headers of plain routes: read from a request, and described in the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from app.http.errors import Invalid, field_errors

Value = TypeVar("Value")


@dataclass(frozen=True)
class Parameter(Generic[Value]):
    """A part of the path, or a header. A header that is absent has the value None, which its type must allow."""

    name: str
    location: Literal["path", "header"]
    type: TypeAdapter[Value]
    description: str = ""
    repeated: bool = False
    """Whether a header may be sent several times; its value is a list then."""

    def of(self, request: Request) -> Value:
        """The value in a request. Raises `Invalid` if it does not fit the type."""
        try:
            return self.type.validate_python(self._sent(request))
        except ValidationError as error:
            details = [{**item, "loc": (self.name, *item["loc"])} for item in error.errors()]
            raise Invalid("the request does not fit the schema", errors=field_errors(details)) from None

    def document(self) -> dict[str, Any]:
        """OpenAPI's parameter object."""
        about = {"description": self.description} if self.description else {}
        title = self.name.replace("_", " ").title()
        return {
            "name": self.name,
            "in": self.location,
            "required": self.location == "path",
            "schema": {**self.type.json_schema(), "title": title, **about},
            **about,
        }

    def _sent(self, request: Request) -> object:
        if self.location == "path":
            return request.path_params[self.name]
        if self.repeated:
            return request.headers.getlist(self.name) or None
        return request.headers.get(self.name)
