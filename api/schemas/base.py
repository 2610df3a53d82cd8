"""Base class of all schemas, field types they share, and the problem document."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from core.formatting import iso_timestamp
from core.text import CONTROL_CHARACTERS, collapse_whitespace

Time = Annotated[
    datetime, PlainSerializer(iso_timestamp, return_type=str), Field(json_schema_extra={"format": "date-time"})
]


def _check_storable(text: str) -> str:
    """Line breaks are allowed."""
    if CONTROL_CHARACTERS.search(text.replace("\n", "")):
        raise ValueError("the text contains characters that cannot be stored")
    return text


def _check_single_line(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise ValueError("expected one non-empty line")
    return collapse_whitespace(text)


SingleLineText = Annotated[
    str, Field(max_length=200), AfterValidator(_check_storable), AfterValidator(_check_single_line)
]
MultiLineText = Annotated[str, Field(max_length=1000), AfterValidator(_check_storable)]


class Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def from_row(cls, row: object, **computed: Any) -> Self:
        """Builds the model from the attributes of `row` that have the names of its fields, except for those that
        `computed` gives. Raises AttributeError where `row` lacks a field."""
        attributes = {name: getattr(row, name) for name in cls.model_fields if name not in computed}
        return cls.model_validate(attributes | computed)


def example(value: dict[str, Any]) -> ConfigDict:
    """Model configuration with a complete response as the example in /docs; a test validates it against the schema."""
    return ConfigDict(from_attributes=True, json_schema_extra={"example": value})


class ParameterError(Schema):
    parameter: str
    message: str


class ProblemDocument(Schema):
    """RFC 9457 problem document."""

    model_config = example(
        {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "since: '30 x' is not a time; write 2026-01-31T08:00:00Z, or 24h, 30d before now",
            "errors": [
                {
                    "parameter": "since",
                    "message": "'30 x' is not a time; write 2026-01-31T08:00:00Z, or 24h, 30d before now",
                }
            ],
        }
    )
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ParameterError] | None = Field(None, description="The invalid parameters")


class Window(Schema):
    since: Time
    until: Time
