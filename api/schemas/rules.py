"""Alerting rules, their backtest, and silences."""

from datetime import datetime
from typing import Any, Self

from pydantic import ConfigDict, Field

from api.schemas.base import MultiLineText, Schema, SingleLineText, Time, example
from db.enums import RuleKind, RuleScope, Severity
from health.alerts.measurement.backtest import Backtest, BacktestAlert
from health.alerts.rules import rules
from health.alerts.rules.targets import Patterns
from health.alerts.rules.targets import Silence as StoredSilence
from health.alerts.rules.types import RULE_TYPES, format_value
from health.teams.definition import team_key

_BODY: dict[str, Any] = {
    "name": "Main fails too often", "kind": "failure_rate", "open_at": 0.25, "close_at": 0.15, "window_seconds": 43200,
    "minimum": 8, "objective": None, "per": "workflow", "repos": ["acme/*"], "workflows": [], "branches": ["main"],
    "teams": [], "severity": "warning", "channels": ["slack"], "repeat_seconds": 14400, "enabled": True,
}  # fmt: skip
_RULE: dict[str, Any] = {
    "id": 3, **_BODY, "built_in": False, "label": "Failure rate", "threshold": "25%", "closes_at": 0.15,
    "updated_at": "2026-11-23T11:52:10Z",
}  # fmt: skip


class RuleBody(Schema):
    """A field that is null or left out has the default of the rule's kind (docs/alerts.md)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _BODY})
    name: SingleLineText
    kind: RuleKind
    open_at: float | None = Field(None, description="An alert opens when the value is at least this")
    close_at: float | None = Field(None, description="The alert stays firing while the value is at least this")
    window_seconds: float | None = None
    minimum: int | None = Field(None, description="Minimum number of samples that can open an alert")
    objective: float | None = Field(None, description="error_budget: target success rate, from 0.5 to 0.9999")
    per: RuleScope | None = Field(None, description="Scope of one alert")
    repos: list[str] = Field([], description="Shell-style patterns; empty: all repositories")
    workflows: list[str] = Field([], description="Shell-style patterns; empty: all workflows")
    branches: list[str] = Field(
        [], description="Shell-style patterns; empty: the default of the rule's kind (docs/alerts.md)"
    )
    teams: list[str] = Field(
        [],
        max_length=50,
        description="Names of teams, in any case: the rule covers only what one of them owns; `none`: what no team "
        "owns; empty: all",
    )
    severity: Severity = Severity.WARNING
    channels: list[str] = Field([], description="slack, email, webhook; empty: all configured channels")
    repeat_seconds: float | None = Field(
        None, description="Interval between repeated notifications of a firing alert; null: one notification"
    )
    enabled: bool = True

    def to_rule(self) -> rules.Rule:
        """Raises InvalidRule for the first field that is invalid."""
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
                teams=tuple(team_key(name) for name in self.teams),
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
    teams: list[str] = Field(description="Keys of teams: their names in lower case")
    severity: str
    channels: list[str]
    repeat_seconds: float | None
    enabled: bool
    built_in: bool = Field(description="True for the rule of ALERT_THRESHOLD, which cannot be deleted")
    label: str = Field(description="Name of the rule's kind")
    threshold: str = Field(description="`open_at` as text, with its unit")
    closes_at: float = Field(description="`close_at`, or the default of the rule's kind")
    updated_at: Time

    @classmethod
    def from_rule(cls, rule: rules.Rule) -> Self:
        return cls.from_row(
            rule,
            repos=rule.scope.repos,
            workflows=rule.scope.workflows,
            branches=rule.scope.branches,
            label=rule.rule_type.label,
            closes_at=rule.resolve_threshold,
        )


class Rules(Schema):
    model_config = example({"items": [_RULE]})
    items: list[Rule]


class ReplayedAlert(Schema):
    repo: str
    workflow: str | None
    branch: str | None
    opened_at: Time
    resolved_at: Time | None = Field(description="Null: the alert would still fire")
    value: float
    measured: str
    run_id: int | None = Field(description="Run whose completion opened the alert")

    @classmethod
    def from_alert(cls, kind: RuleKind, alert: BacktestAlert) -> Self:
        target = alert.target
        return cls.from_row(
            alert,
            repo=target.repo,
            workflow=target.workflow,
            branch=target.branch,
            measured=format_value(kind, alert.value),
        )


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
                    "repo": "acme/web-app",
                    "workflow": "CI",
                    "branch": "main",
                    "opened_at": "2026-11-10T09:12:40Z",
                    "resolved_at": "2026-11-10T11:02:00Z",
                    "value": 0.3,
                    "measured": "30%",
                    "run_id": 7398123456,
                }
            ],
        }
    )
    fired: int = Field(description="Number of alerts that the rule would have opened")
    since: Time
    until: Time
    runs: int = Field(description="Number of stored runs that were evaluated")
    note: str | None = Field(description="Why there is no result, or only one for a part of the period")
    items: list[ReplayedAlert] = Field(description="The newest 200")

    @classmethod
    def from_backtest(cls, kind: RuleKind, backtest: Backtest) -> Self:
        return cls.from_row(backtest, items=[ReplayedAlert.from_alert(kind, alert) for alert in backtest.items])


_SILENCE_BODY: dict[str, Any] = {
    "repos": ["acme/web-app"], "workflows": ["Deploy*"], "branches": [], "rule_id": None, "starts_at": None,
    "ends_at": None, "duration_seconds": 14400, "comment": "moving to new runners", "author": "ann",
}  # fmt: skip
_SILENCE: dict[str, Any] = {
    "id": 4, "state": "active", "repos": ["acme/web-app"], "workflows": ["Deploy*"], "branches": [], "rule_id": None,
    "starts_at": "2026-11-23T11:52:10Z", "ends_at": "2026-11-23T15:52:10Z", "comment": "moving to new runners",
    "author": "ann", "created_at": "2026-11-23T11:52:10Z",
}  # fmt: skip


class SilenceBody(Schema):
    """At least one of `repos`, `workflows`, `branches` (shell-style patterns) and `rule_id`, and either `ends_at` or
    `duration_seconds`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _SILENCE_BODY})
    repos: list[str] = Field(default_factory=list)
    workflows: list[str] = Field(default_factory=list)
    branches: list[str] = Field(default_factory=list)
    rule_id: int | None = None
    starts_at: datetime | None = Field(None, description="Default: now. A time without an offset is UTC")
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
    rule_id: int | None = Field(description="Null: all rules")
    starts_at: Time
    ends_at: Time
    comment: str
    author: str
    created_at: Time

    @classmethod
    def from_silence(cls, silence: StoredSilence, now: datetime) -> Self:
        """`state` is the one at `now`."""
        return cls.from_row(
            silence,
            state=silence.state(now),
            repos=silence.scope.repos,
            workflows=silence.scope.workflows,
            branches=silence.scope.branches,
        )


class Silences(Schema):
    model_config = example({"items": [_SILENCE]})
    items: list[Silence]
