"""What all answers share."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer


def iso(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(iso, return_type=str), Field(json_schema_extra={"format": "date-time"})]


def _printable(text: str) -> str:
    """PostgreSQL takes no NUL, and no database takes half a surrogate pair."""
    if _INVALID_CHARACTERS.search(text):
        raise ValueError("the text holds characters that cannot be stored")
    return text


def _one_line(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise ValueError("allowed is one line that is not empty")
    return " ".join(text.split())


_INVALID_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
SingleLineText = Annotated[str, Field(max_length=200), AfterValidator(_printable), AfterValidator(_one_line)]
MultiLineText = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]


class Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True)


def example(value: dict[str, Any]) -> ConfigDict:
    """An answer in its true form, for /docs; a test holds it against its schema."""
    return ConfigDict(from_attributes=True, json_schema_extra={"example": value})


class ParameterError(Schema):
    parameter: str
    message: str


class ProblemDocument(Schema):
    """RFC 9457."""

    model_config = example(
        {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "since: '30 x' is no time; write 2026-01-31T08:00:00Z, or 24h, 30d before now",
            "errors": [
                {
                    "parameter": "since",
                    "message": "'30 x' is no time; write 2026-01-31T08:00:00Z, or 24h, 30d before now",
                }
            ],
        }
    )
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ParameterError] | None = Field(None, description="The parameters that cannot be used")


class Window(Schema):
    since: Time
    until: Time
