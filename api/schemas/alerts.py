"""Alerts and the test of their channels."""

import re
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field, field_serializer

from api.schemas.base import MultiLineText, ProblemDocument, Schema, SingleLineText, Time, example
from db.enums import AlertState
from health.alerts.notifications.text import headline, measurement_text
from health.alerts.storage.alert_queries import AlertRow

_ALERT: dict[str, Any] = {
    "id": 12, "repo": "acme/web-app", "workflow": "CI", "branch": "main",
    "headline": "CI on main of acme/web-app is broken",
    "measured": "3 failed runs in a row", "rule": "consecutive_failures", "rule_id": 1, "rule_name": "ALERT_THRESHOLD",
    "severity": "critical", "threshold": "3", "state": "acknowledged", "opened_at": "2026-11-23T11:52:10Z",
    "resolved_at": None, "told_at": "2026-11-23T11:52:10Z",
    "acknowledged": {"at": "2026-11-23T11:58:00Z", "by": "ann", "comment": "reverting #1234"},
    "silenced_until": None, "group_id": None,
    "detail": {"branch": "main", "failures": 3, "since": "2026-11-23T11:20:41Z"},
    "deliveries": [
        {"id": 31, "channel": "slack", "reason": "first", "state": "sent", "tries": 1,
         "created_at": "2026-11-23T11:52:10Z", "sent_at": "2026-11-23T11:52:11Z", "error": None, "note": None,
         "folded_into": None},
        {"id": 32, "channel": "webhook", "reason": "first", "state": "pending", "tries": 3,
         "created_at": "2026-11-23T11:52:10Z", "sent_at": None,
         "error": "The webhook at hooks.example.com answered 503: maintenance", "note": None, "folded_into": None},
    ],
    "deliveries_total": 2,
}  # fmt: skip
_TAKEN: dict[str, Any] = {"channel": "slack", "ok": True, "error": None}
_REFUSED: dict[str, Any] = {
    "channel": "email", "ok": False,
    "error": "The mail server smtp.example.com:587 refused user or password; check SMTP_URL",
}  # fmt: skip


_UTC = re.compile(r"(?<=T\d\d:\d\d:\d\d)(\.\d+)?\+00:00$")


class Delivery(Schema):
    id: int
    channel: str = Field(description="slack, email or webhook")
    reason: str = Field(description="first, repeat or resolved")
    state: str = Field(description="pending, sent, dead (given up), or folded: another message brings its news")
    tries: int
    created_at: Time
    sent_at: Time | None
    error: str | None = Field(description="Why it was not taken the last time")
    note: str | None = Field(description="What went wrong although it was taken, such as a refused recipient")
    folded_into: int | None = Field(
        validation_alias=AliasChoices("folded_into", "merged_into"),
        description="The id of the delivery that brings its news",
    )


class Acknowledged(Schema):
    at: Time
    by: str
    comment: str


class Alert(Schema):
    model_config = example(_ALERT)
    id: int
    repo: str
    workflow: str | None = Field(description="Null for a rule over a whole repository")
    branch: str | None = Field(description="Null where it is about several branches together")
    headline: str
    measured: str = Field(description="The figures behind it; may be empty")
    rule: str = Field(description="The kind of the rule")
    rule_id: int | None = Field(description="Null when the rule was deleted")
    rule_name: str | None
    severity: str
    threshold: str
    state: str = Field(description="firing, acknowledged, silenced or resolved")
    opened_at: Time
    resolved_at: Time | None
    told_at: Time | None = Field(description="The last message; null while there was none")
    acknowledged: Acknowledged | None
    silenced_until: Time | None
    group_id: int | None = Field(description="The first of the alerts that were told in one message")
    detail: dict[str, Any]
    deliveries: list[Delivery] = Field(description="The newest 100, oldest first")
    deliveries_total: int = Field(description="How many there are")

    @field_serializer("detail")
    def _times_end_in_z(self, detail: dict[str, Any]) -> dict[str, Any]:
        return {name: _UTC.sub("Z", value) if isinstance(value, str) else value for name, value in detail.items()}


class Alerts(Schema):
    model_config = example({"items": [_ALERT], "next": None})
    items: list[Alert]
    next: str | None = Field(description="The cursor of the next page; null at the end")


def alert_fields(row: AlertRow) -> dict[str, Any]:
    """What Alert validates."""
    over = row.state == AlertState.RESOLVED
    known = None
    if row.acknowledged_at:
        known = {
            "at": row.acknowledged_at,
            "by": row.acknowledged_by or "",
            "comment": row.acknowledged_comment or "",
        }
    return {
        **vars(row),
        "told_at": row.notified_at,
        "headline": headline(row.rule, row.alert_target, resolved=over),
        "measured": measurement_text(row.rule, row.detail),
        "detail": row.detail.to_dict(),
        "acknowledged": known,
    }


class Acknowledgement(Schema):
    """Who knows of it, and what is being done."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"by": "ann", "comment": "reverting #1234"}}
    )
    by: SingleLineText = "API"
    comment: MultiLineText = ""


class TestResult(Schema):
    __test__ = False
    channel: str
    ok: bool
    error: str | None = Field(description="Why not; or what went wrong although it was taken")


class TestResults(Schema):
    __test__ = False
    model_config = example({"results": [_TAKEN, _REFUSED]})
    results: list[TestResult]


class TestFailed(ProblemDocument):
    __test__ = False
    model_config = example(
        {
            "type": "about:blank",
            "title": "Bad Gateway",
            "status": 502,
            "detail": "No channel took the message.",
            "results": [_REFUSED],
        }
    )
    results: list[TestResult]
