"""What PagerDuty and Opsgenie share: one incident for each alert of a message, whose key is the same from the opening
of the alert to its resolution, and the events of an incident."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.text import printable
from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, NotificationEvent
from health.alerts.channels.http_request import check_status, request

# Alerts of one message; a rule opens fewer than this in one evaluation, and a request for each must fit into its time.
_MAX_ALERTS = 200
_MAX_BODY_BYTES = 100_000


@dataclass(frozen=True)
class Incident:
    """`key`: of the incident, the same in all messages about the alert. `about`: repository, workflow and branch."""

    key: str
    title: str
    about: str
    severity: str
    details: Mapping[str, str]
    links: tuple[tuple[str, str], ...]


def incidents_of(message: Message, context: DeliveryContext) -> list[Incident]:
    """The incidents of a message: one for each of its alerts, or one for a test message."""
    alerts = [alert for alert in message.data.get("alerts") or () if isinstance(alert, Mapping)][:_MAX_ALERTS]
    severity = str(message.data.get("severity") or "warning")
    if not alerts or context.event is NotificationEvent.TEST:
        key = f"pipeline-health-{context.idempotency_key}"
        title = printable(message.subject)
        return [Incident(key, title, "Pipeline Health", "info", dict(message.fields), message.links)]
    single = len(alerts) == 1
    return [
        Incident(
            incident_key(alert),
            printable(message.subject if single else f"{_about(alert)}: {message.headline}"),
            _about(alert),
            severity,
            {**(dict(message.fields) if single else {}), **dict(_details(alert, message))},
            message.links if single else (("Alert", str(alert.get("url") or "")),),
        )
        for alert in alerts
    ]


def incident_key(alert: Mapping[str, Any]) -> str:
    """The key of an alert. Alerts of earlier versions have only an id."""
    return str(alert.get("key") or f"pipeline-health-{alert.get('id')}")


def _about(alert: Mapping[str, Any]) -> str:
    return printable(" / ".join(str(alert[name]) for name in ("repo", "workflow", "branch") if alert.get(name)))


def _details(alert: Mapping[str, Any], message: Message) -> Iterator[tuple[str, str]]:
    rule = message.data.get("rule") or {}
    values = (
        ("Rule", rule.get("name")),
        ("Measured", alert.get("measured")),
        ("Error", alert.get("error_line")),
        ("Since", alert.get("since")),
    )
    return ((label, printable(str(value))[:1_000]) for label, value in values if value)


def post_events(
    receiver: str, setting: str, headers: Mapping[str, str], secret: str, events: list[tuple[str, Mapping[str, Any]]]
) -> None:
    """Posts each event (URL, body), and raises the last failure after all of them were tried: another attempt repeats
    them all, which the key of the incident makes harmless. A failure that a retry can help takes precedence."""
    failure: DeliveryFailed | None = None
    for url, body in events:
        try:
            raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            if len(raw) > _MAX_BODY_BYTES:
                raise DeliveryFailed(
                    f"The event for {receiver} is larger than {_MAX_BODY_BYTES:,} bytes", permanent=True
                )
            with request(receiver, "POST", url, {**headers, "Content-Type": "application/json"}, raw) as response:
                check_status(response, receiver, setting, (secret,))
        except DeliveryFailed as error:
            if failure is None or failure.permanent:
                failure = error
            if error.retry_after:
                break
    if failure is not None:
        raise failure
