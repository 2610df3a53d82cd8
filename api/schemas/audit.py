"""Events of the audit trail."""

from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Time, example

_EVENT: dict[str, Any] = {
    "id": 91, "at": "2026-11-23T11:58:00Z", "actor": "ann@example.com", "actor_kind": "user", "origin": "dashboard",
    "action": "changed", "subject_kind": "alert_rule", "subject_id": "3", "subject_name": "three in a row",
    "before": {"severity": "warning"}, "after": {"severity": "critical"}, "repository_id": None,
}  # fmt: skip


class AuditEvent(Schema):
    model_config = example(_EVENT)
    id: int
    at: Time
    actor: str = Field(description="Name of the user or of the API key; `anonymous` without a login or keys")
    actor_kind: str = Field(description="user, api_key, anonymous or system")
    origin: str = Field(description="dashboard, api, command, or file (TEAMS_FILE and environment variables)")
    action: str = Field(
        description="created, changed, deleted, acknowledged, unacknowledged, assigned, unassigned, ended, revoked or "
        "sent"
    )
    subject_kind: str = Field(
        description="alert, alert_rule, silence, channel, team, api_key, cause_rule, cause_triage, saved_view, setting "
        "or digest"
    )
    subject_id: str
    subject_name: str
    before: dict[str, Any] | None = Field(description="The fields that differ; null where the subject did not exist")
    after: dict[str, Any] | None = Field(description="The same fields; null where the subject does not exist any more")
    repository_id: int | None = Field(description="The only repository that the subject is about")


class AuditEvents(Schema):
    model_config = example({"items": [_EVENT], "next": None})
    items: list[AuditEvent]
    next: str | None = Field(description="Cursor of the next page; null on the last page")
