"""PagerDuty by its Events API v2: an alert triggers an incident, and its resolution resolves it
(developer.pagerduty.com, "Events API v2 Overview")."""

from typing import Any
from urllib.parse import urlsplit

from core.text import register_secrets
from health.alerts.channels.base import DeliveryContext, Message, NotificationEvent, Receipt
from health.alerts.channels.incidents import Incident, incidents_of, post_events

EVENTS_URLS = {"us": "https://events.pagerduty.com/v2/enqueue", "eu": "https://events.eu.pagerduty.com/v2/enqueue"}
_SEVERITIES = {"critical": "critical", "warning": "warning", "info": "info"}
# PagerDuty's limits of a summary, a source and a key.
_MAX_SUMMARY, _MAX_SOURCE, _MAX_KEY = 1_024, 255, 255
_ACTIONS = {NotificationEvent.RESOLVED: "resolve"}


class PagerDutyChannel:
    def __init__(self, name: str, integration_key: str, events_url: str) -> None:
        self.name, self._key, self._url = name, integration_key, events_url
        self._receiver = f"PagerDuty at {urlsplit(events_url).hostname}"
        register_secrets(integration_key)

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when PagerDuty accepted an event for each alert. A test triggers an incident and resolves it."""
        context = context or DeliveryContext()
        action = _ACTIONS.get(context.event, "trigger")
        events = [self._event(incident, action) for incident in incidents_of(message, context)]
        if context.event is NotificationEvent.TEST:
            events += [self._event(incident, "resolve") for incident in incidents_of(message, context)]
        post_events(
            self._receiver,
            f"integration_key of the channel {self.name}",
            {"User-Agent": "pipeline-health"},
            self._key,
            [(self._url, event) for event in events],
        )
        return Receipt({"incidents": [event["dedup_key"] for event in events][:20]})

    def _event(self, incident: Incident, action: str) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": action,
            "dedup_key": incident.key[:_MAX_KEY],
        }
        if action != "trigger":
            return event
        links = [
            {"href": url, "text": label} for label, url in incident.links if url.startswith(("http://", "https://"))
        ]
        return {
            **event,
            "client": "Pipeline Health",
            **({"client_url": links[0]["href"]} if links else {}),
            "links": links,
            "payload": {
                "summary": incident.title[:_MAX_SUMMARY],
                "source": incident.about[:_MAX_SOURCE],
                "severity": _SEVERITIES.get(incident.severity, "warning"),
                "component": incident.about[:_MAX_SOURCE],
                "custom_details": dict(incident.details),
            },
        }
