"""Rules of alerts, and what they would have done.

Silences.
"""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import MultiLineText, Schema, SingleLineText, Time, example
from db.enums import RuleKind, RuleScope, Severity
from health.alerts.measurement.backtest import Backtest as Replayed
from health.alerts.rules import rules
from health.alerts.rules.targets import Patterns
from health.alerts.rules.targets import Silence as StoredSilence
from health.alerts.rules.types import RULE_TYPES, format_value

_BODY: dict[str, Any] = {
    "name": "Main fails too often", "kind": "failure_rate", "open_at": 0.25, "close_at": 0.15, "window_seconds": 43200,
    "minimum": 8, "objective": None, "per": "workflow", "repos": ["acme/*"], "workflows": [], "branches": ["main"],
    "severity": "warning", "channels": ["slack"], "repeat_seconds": 14400, "enabled": True,
}  # fmt: skip
_RULE: dict[str, Any] = {
    "id": 3, **_BODY, "built_in": False, "label": "Failure rate", "threshold": "25%", "closes_at": 0.15,
    "updated_at": "2026-11-23T11:52:10Z",
}  # fmt: skip


class RuleBody(Schema):
    """What is null or left out is the usual value of the kind (docs/alerts.md)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _BODY})
    name: SingleLineText
    kind: RuleKind
    open_at: float | None = Field(None, description="An alert opens from this value on")
    close_at: float | None = Field(None, description="It goes on firing while the value is at least this")
    window_seconds: float | None = None
    minimum: int | None = Field(None, description="The smallest sample that may open an alert")
    objective: float | None = Field(None, description="error_budget: the success rate that is wanted")
    per: RuleScope | None = Field(None, description="What one alert is about")
    repos: list[str] = Field([], description="Shell-style patterns; none: all")
    workflows: list[str] = Field([], description="Shell-style patterns; none: all")
    branches: list[str] = Field([], description="Shell-style patterns; none: as docs/alerts.md says of the kind")
    severity: Severity = Severity.WARNING
    channels: list[str] = Field([], description="slack, email, webhook; none: all that are configured")
    repeat_seconds: float | None = Field(None, description="Null: told once")
    enabled: bool = True

    def to_rule(self) -> rules.Rule:
        """Raises BadRule for what cannot be used."""
        spec = RULE_TYPES[self.kind]
        return rules.validate_rule(
            rules.Rule(
                name=self.name,
                kind=self.kind,
                open_at=spec.default_threshold if self.open_at is None else self.open_at,
                close_at=self.close_at,
                window_seconds=self.window_seconds,
                minimum=self.minimum,
                objective=self.objective,
                per=self.per or spec.scopes[0],
                scope=Patterns(tuple(self.repos), tuple(self.workflows), tuple(self.branches)),
                severity=self.severity,
                channels=tuple(self.channels),
                repeat_seconds=self.repeat_seconds,
                enabled=self.enabled,
            )
        )


class Rule(Schema):
    model_config = example(_RULE)
    id: int
    name: str
    kind: str
    open_at: float
    close_at: float | None
    window_seconds: float | None
    minimum: int | None
    objective: float | None
    per: str
    repos: list[str]
    workflows: list[str]
    branches: list[str]
    severity: str
    channels: list[str]
    repeat_seconds: float | None
    enabled: bool
    built_in: bool = Field(description="True for ALERT_THRESHOLD, which cannot be deleted")
    label: str
    threshold: str
    closes_at: float = Field(description="close_at, or what is usual")
    updated_at: Time


class Rules(Schema):
    model_config = example({"items": [_RULE]})
    items: list[Rule]


class ReplayedAlert(Schema):
    repo: str
    workflow: str | None
    branch: str | None
    opened_at: Time
    resolved_at: Time | None = Field(description="Null: it would still fire")
    value: float
    measured: str
    run_id: int | None = Field(description="The run whose end opened it")


class Replay(Schema):
    model_config = example(
        {
            "fired": 1,
            "since": "2026-10-24T11:52:10Z",
            "until": "2026-11-23T11:52:10Z",
            "runs": 1204,
            "note": None,
            "items": [
                {
                    "repo": "acme/web-app", "workflow": "CI", "branch": "main", "opened_at": "2026-11-10T09:12:40Z",
                    "resolved_at": "2026-11-10T11:02:00Z", "value": 0.3, "measured": "30%", "run_id": 7398123456,
                }
            ],
        }
    )  # fmt: skip
    fired: int
    since: Time
    until: Time
    runs: int = Field(description="Stored runs that were read for it")
    note: str | None = Field(description="Why it says nothing, or not of the whole time")
    items: list[ReplayedAlert] = Field(description="The newest 200")


def rule_fields(row: rules.Rule) -> dict[str, Any]:
    """What Rule validates."""
    scope = {
        "repos": list(row.scope.repos),
        "workflows": list(row.scope.workflows),
        "branches": list(row.scope.branches),
    }
    derived = {"label": row.rule_type.label, "threshold": row.threshold, "closes_at": row.resolve_threshold}
    return {**vars(row), **scope, **derived, "channels": list(row.channels)}


def replay_fields(kind: RuleKind, result: Replayed) -> dict[str, Any]:
    """What Replay validates."""
    items = [
        {**vars(each.target), **vars(each), "measured": format_value(kind, each.value)}
        for each in result.items
    ]  # fmt: skip
    return {**vars(result), "items": items}


_BODY_SILENCES: dict[str, Any] = {
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

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _BODY_SILENCES})
    repos: list[str] = Field(default_factory=list)
    workflows: list[str] = Field(default_factory=list)
    branches: list[str] = Field(default_factory=list)
    rule_id: int | None = None
    starts_at: datetime | None = Field(None, description="Now without it; a time without a zone is UTC")
    ends_at: datetime | None = None
    duration_seconds: float | None = None
    comment: MultiLineText = ""
    author: SingleLineText = "API"


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


def silence_fields(row: StoredSilence, now: datetime) -> dict[str, Any]:
    """What Silence validates."""
    return {
        **vars(row),
        "state": row.state(now),
        "repos": list(row.scope.repos),
        "workflows": list(row.scope.workflows),
        "branches": list(row.scope.branches),
    }
