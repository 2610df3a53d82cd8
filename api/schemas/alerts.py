"""Alerts and the test of their channels."""

import re
from typing import Any

from pydantic import Field, field_serializer

from api.schemas.base import ProblemDocument, Schema, Time, example

_ALERT: dict[str, Any] = {
    "id": 12, "repo": "acme/web-app", "workflow": "CI", "rule": "consecutive_failures", "threshold": "3",
    "state": "firing", "opened_at": "2026-11-23T11:52:10Z", "resolved_at": None,
    "detail": {"branch": "main", "failures": 3, "since": "2026-11-23T11:20:41Z"},
    "deliveries": [
        {"channel": "slack", "reason": "first", "state": "sent", "tries": 1, "created_at": "2026-11-23T11:52:10Z",
         "sent_at": "2026-11-23T11:52:11Z", "error": None},
    ],
}  # fmt: skip
_TAKEN: dict[str, Any] = {"channel": "slack", "ok": True, "error": None}
_REFUSED: dict[str, Any] = {
    "channel": "email", "ok": False,
    "error": "The mail server smtp.example.com:587 refused user or password; check SMTP_URL",
}  # fmt: skip


_UTC = re.compile(r"(?<=T\d\d:\d\d:\d\d)(\.\d+)?\+00:00$")


class Delivery(Schema):
    channel: str
    reason: str
    state: str
    tries: int
    created_at: Time
    sent_at: Time | None
    error: str | None


class Alert(Schema):
    model_config = example(_ALERT)
    id: int
    repo: str
    workflow: str | None = Field(description="Null for a rule over a whole repository")
    rule: str
    threshold: str
    state: str = Field(description="firing or resolved")
    opened_at: Time
    resolved_at: Time | None
    detail: dict[str, Any]
    deliveries: list[Delivery]

    @field_serializer("detail")
    def _times_end_in_z(self, detail: dict[str, Any]) -> dict[str, Any]:
        return {name: _UTC.sub("Z", value) if isinstance(value, str) else value for name, value in detail.items()}


class Alerts(Schema):
    model_config = example({"items": [_ALERT]})
    items: list[Alert]


class TestResult(Schema):
    __test__ = False
    channel: str
    ok: bool
    error: str | None


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
