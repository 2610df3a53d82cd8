"""Alerts, their acknowledgement, and results of test messages."""

import re
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_serializer

from api.schemas.base import MultiLineText, ProblemDocument, Schema, SingleLineText, Time, example
from db.enums import AlertState
from health.alerts.notifications.text import headline, measurement_text, past_headline
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.bulk_actions import MAX_ALERTS
from health.alerts.storage.notification_queries import NotificationRow
from health.alerts.storage.silences import MAX_SPAN
from health.alerts.timeline import TimelineEntry as StoredEntry

_ALERT: dict[str, Any] = {
    "id": 12, "repo": "acme/web-app", "workflow": "CI", "branch": "main",
    "headline": "acme/web-app · CI is failing on main",
    "measured": "3 failed runs in a row", "rule": "consecutive_failures", "rule_id": 1, "rule_name": "ALERT_THRESHOLD",
    "severity": "critical", "threshold": "3", "state": "acknowledged", "opened_at": "2026-11-23T11:52:10Z",
    "resolved_at": None, "told_at": "2026-11-23T11:52:10Z",
    "acknowledged": {"at": "2026-11-23T11:58:00Z", "by": "ann", "comment": "reverting #1234"},
    "silenced_until": None, "group_id": None,
    "assignee": "payments", "assigned_at": "2026-11-23T11:58:30Z", "assigned_by": "ann",
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
_DELIVERED: dict[str, Any] = {"channel": "slack", "ok": True, "error": None}
_REJECTED: dict[str, Any] = {
    "channel": "email", "ok": False,
    "error": "The mail server smtp.example.com:587 rejected the user name or password; check SMTP_URL",
}  # fmt: skip


_ENTRY: dict[str, Any] = {
    "at": None, "kind": None, "by": None, "text": "", "delivery": None, "silence_id": None, "until": None,
}  # fmt: skip
_UTC_OFFSET = re.compile(r"(?<=T\d\d:\d\d:\d\d)(\.\d+)?\+00:00$")


class Delivery(Schema):
    id: int
    channel: str = Field(description="slack, email or webhook")
    reason: str = Field(description="first, repeat or resolved")
    state: str = Field(
        description="pending; sent; dead: all attempts failed; folded: its content is part of another message"
    )
    tries: int = Field(description="Number of attempts to send it")
    created_at: Time
    sent_at: Time | None
    error: str | None = Field(description="Error of the latest failed attempt")
    note: str | None = Field(
        description="Problem with a message that was sent, such as a recipient that the mail server refused"
    )
    folded_into: int | None = Field(description="Id of the delivery that has its content; null unless it is folded")

    @classmethod
    def from_notification(cls, row: NotificationRow) -> Self:
        return cls.from_row(row, folded_into=row.merged_into)


class Acknowledged(Schema):
    at: Time
    by: str
    comment: str

    @classmethod
    def from_alert(cls, row: AlertRow) -> Self | None:
        """Null for an alert that is not acknowledged."""
        if row.acknowledged_at is None:
            return None
        return cls(at=row.acknowledged_at, by=row.acknowledged_by or "", comment=row.acknowledged_comment or "")


class Alert(Schema):
    model_config = example(_ALERT)
    id: int
    repo: str
    workflow: str | None = Field(description="Null for a rule that covers a whole repository")
    branch: str | None = Field(description="Null where the alert covers several branches")
    headline: str
    measured: str = Field(description="Measured value, as text; may be empty")
    rule: str = Field(description="Kind of the rule")
    rule_id: int | None = Field(description="Null if the rule was deleted")
    rule_name: str | None
    severity: str
    threshold: str
    state: str = Field(description="firing, acknowledged, silenced or resolved")
    opened_at: Time
    resolved_at: Time | None
    told_at: Time | None = Field(description="Time of the latest notification; null before the first")
    acknowledged: Acknowledged | None
    silenced_until: Time | None = Field(description="Latest end of the silences that match it now")
    group_id: int | None = Field(description="Id of the first alert of those that share one notification")
    assignee: str | None = Field(description="The person or team that takes care of it; null for none")
    assigned_at: Time | None
    assigned_by: str | None
    detail: dict[str, Any] = Field(description="Values that the rule evaluated; the keys depend on the kind of rule")
    deliveries: list[Delivery] = Field(description="The newest 100, oldest first")
    deliveries_total: int = Field(description="Number of all deliveries")

    @classmethod
    def from_alert(cls, row: AlertRow, **more: Any) -> Self:
        title = past_headline if row.state == AlertState.RESOLVED else headline
        return cls.from_row(
            row,
            headline=title(row.rule, row.alert_target),
            measured=measurement_text(row.rule, row.detail, row.threshold),
            told_at=row.notified_at,
            detail=row.detail.to_dict(),
            acknowledged=Acknowledged.from_alert(row),
            deliveries=[Delivery.from_notification(delivery) for delivery in row.deliveries],
            **more,
        )

    @field_serializer("detail")
    def _times_end_in_z(self, detail: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _UTC_OFFSET.sub("Z", value) if isinstance(value, str) else value for name, value in detail.items()
        }


class TimelineEntry(Schema):
    at: Time = Field(description="Of `notified`: when the message was sent; if it was not, when it was written")
    kind: str = Field(
        description="opened, notified, acknowledged, unacknowledged, assigned, unassigned, silenced, silence_ended or "
        "resolved"
    )
    by: str | None = Field(description="The person; null where the collector acted")
    text: str = Field(description="Comment, assignee, name of the rule, or why it was resolved; may be empty")
    delivery: Delivery | None = Field(description="Of `notified`, with its attempts")
    silence_id: int | None = Field(description="Of `silenced` and `silence_ended`")
    until: Time | None = Field(description="Of `silenced`: the end of the silence")

    @classmethod
    def from_entry(cls, row: StoredEntry) -> Self:
        return cls.from_row(row, delivery=Delivery.from_notification(row.delivery) if row.delivery else None)


class AlertDocument(Alert):
    """An alert with its history."""

    model_config = example(
        _ALERT
        | {
            "timeline": [
                _ENTRY | {"at": "2026-11-23T11:52:10Z", "kind": "opened", "text": "ALERT_THRESHOLD"},
                _ENTRY | {"at": "2026-11-23T11:52:11Z", "kind": "notified", "delivery": _ALERT["deliveries"][0]},
                _ENTRY | {"at": "2026-11-23T11:58:00Z", "kind": "acknowledged", "by": "ann", "text": "reverting #1234"},
            ]
        }
    )
    timeline: list[TimelineEntry] = Field(
        description="What happened to the alert, oldest first; at most the newest 500 notifications, including those "
        "that it shares with other alerts"
    )

    @classmethod
    def from_alert_with(cls, row: AlertRow, timeline: Sequence[StoredEntry]) -> Self:
        return cls.from_alert(row, timeline=[TimelineEntry.from_entry(entry) for entry in timeline])


class Alerts(Schema):
    model_config = example({"items": [_ALERT], "next": None})
    items: list[Alert]
    next: str | None = Field(description="Cursor of the next page; null on the last page")


class Acknowledgement(Schema):
    """Who acknowledges the alert, with an optional comment."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"by": "ann", "comment": "reverting #1234"}}
    )
    by: SingleLineText | None = Field(None, description="Default: the name of the key")
    comment: MultiLineText = ""


class Assignment(Schema):
    """The assignee of an alert."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"assignee": "payments"}})
    assignee: SingleLineText = Field(description="A person or a team")


class BulkAction(Schema):
    """`duration_seconds` and `all_rules` are for `silence` only."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"action": "silence", "ids": [12, 13], "duration_seconds": 3600, "by": "ann"}},
    )
    action: Literal["acknowledge", "silence"]
    ids: list[int] = Field(min_length=1, max_length=MAX_ALERTS)
    by: SingleLineText | None = Field(None, description="Default: the name of the key")
    comment: MultiLineText = ""
    duration_seconds: float | None = Field(None, gt=0, le=MAX_SPAN.total_seconds(), allow_inf_nan=False)
    all_rules: bool = Field(
        False, description="Whether the silences are for all rules, not only for those of the alerts"
    )


class BulkResult(Schema):
    id: int
    error: str | None = Field(description="Why the alert was not changed; null if it was")
    silence_id: int | None = Field(description="The silence of its target; null for `acknowledge`")


class BulkResults(Schema):
    model_config = example(
        {
            "items": [
                {"id": 12, "error": None, "silence_id": 4},
                {"id": 13, "error": "Alert 13 is resolved.", "silence_id": None},
            ]
        }
    )
    items: list[BulkResult] = Field(description="One for each different id, in the order of the request")


class TestResult(Schema):
    __test__ = False
    channel: str
    ok: bool
    error: str | None = Field(description="Why sending failed; for a sent message, what its channel reported")


class TestResults(Schema):
    __test__ = False
    model_config = example({"results": [_DELIVERED, _REJECTED]})
    results: list[TestResult]


class TestFailed(ProblemDocument):
    __test__ = False
    model_config = example(
        {
            "type": "about:blank",
            "title": "Bad Gateway",
            "status": 502,
            "detail": "No channel accepted the message.",
            "results": [_REJECTED],
        }
    )
    results: list[TestResult]
