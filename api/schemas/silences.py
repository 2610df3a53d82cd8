"""Silences."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import Line, Prose, Schema, Time, example
from db.alerting.place import Quiet

_BODY: dict[str, Any] = {
    "repos": ["acme/web-app"], "workflows": ["Deploy*"], "branches": [], "rule_id": None, "starts_at": None,
    "ends_at": None, "duration_seconds": 14400, "comment": "moving to new runners", "author": "ann",
}  # fmt: skip
_SILENCE: dict[str, Any] = {
    "id": 4, "state": "active", "repos": ["acme/web-app"], "workflows": ["Deploy*"], "branches": [], "rule_id": None,
    "starts_at": "2026-11-23T11:52:10Z", "ends_at": "2026-11-23T15:52:10Z", "comment": "moving to new runners",
    "author": "ann", "created_at": "2026-11-23T11:52:10Z",
}  # fmt: skip


class SilenceBody(Schema):
    """Shell-style patterns; at least one of `repos`, `workflows`, `branches` and `rule_id`. Either `ends_at` or
    `duration_seconds`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _BODY})
    repos: list[str] = Field(default_factory=list)
    workflows: list[str] = Field(default_factory=list)
    branches: list[str] = Field(default_factory=list)
    rule_id: int | None = None
    starts_at: datetime | None = Field(None, description="Now without it; a time without a zone is UTC")
    ends_at: datetime | None = None
    duration_seconds: float | None = None
    comment: Prose = ""
    author: Line = "API"


class Silence(Schema):
    model_config = example(_SILENCE)
    id: int
    state: str = Field(description="active, pending or ended")
    repos: list[str]
    workflows: list[str]
    branches: list[str]
    rule_id: int | None = Field(description="Null: of any rule")
    starts_at: Time
    ends_at: Time
    comment: str
    author: str
    created_at: Time


class Silences(Schema):
    model_config = example({"items": [_SILENCE]})
    items: list[Silence]


def silence(row: Quiet, now: datetime) -> dict[str, Any]:
    """What Silence validates."""
    return {
        **vars(row),
        "state": row.state(now),
        "repos": list(row.scope.repos),
        "workflows": list(row.scope.workflows),
        "branches": list(row.scope.branches),
    }
