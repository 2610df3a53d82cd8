"""What all answers share."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


def iso(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(iso, return_type=str), Field(json_schema_extra={"format": "date-time"})]


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
