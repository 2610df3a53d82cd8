"""Opsgenie by its Alert API: an alert creates an Opsgenie alert, and its resolution closes it (docs.opsgenie.com,
"Alert API"). The alias identifies the alert."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from core.text import register_secrets
from health.alerts.channels.base import DeliveryContext, Message, NotificationEvent, Receipt
from health.alerts.channels.incidents import Incident, incidents_of, post_events

API_URLS = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
_PRIORITIES = {"critical": "P1", "warning": "P3", "info": "P5"}
# Opsgenie's limits.
_MAX_MESSAGE, _MAX_ALIAS, _MAX_DESCRIPTION, _MAX_DETAILS = 130, 512, 15_000, 8_000
_ACTIONS = {NotificationEvent.RESOLVED: "close"}


class OpsgenieChannel:
    def __init__(self, name: str, api_key: str, api_url: str, team: str | None = None) -> None:
        self.name, self._key, self._url, self._team = name, api_key, api_url.rstrip("/"), team
        self._receiver = f"Opsgenie at {urlsplit(api_url).hostname}"
        register_secrets(api_key)

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when Opsgenie accepted a request for each alert. A test creates an alert and closes it."""
        context = context or DeliveryContext()
        action, incidents = _ACTIONS.get(context.event, "create"), incidents_of(message, context)
        requests = [self._request(incident, action) for incident in incidents]
        if context.event is NotificationEvent.TEST:
            requests += [self._request(incident, "close") for incident in incidents]
        headers = {"User-Agent": "pipeline-health", "Authorization": f"GenieKey {self._key}"}
        post_events(self._receiver, f"api_key of the channel {self.name}", headers, self._key, requests)
        return Receipt({"incidents": [incident.key for incident in incidents][:20]})

    def _request(self, incident: Incident, action: str) -> tuple[str, Mapping[str, Any]]:
        alias = incident.key[:_MAX_ALIAS]
        if action != "create":
            url = f"{self._url}/v2/alerts/{quote(alias, safe='')}/{action}?identifierType=alias"
            return url, {"source": "Pipeline Health"}
        lines = [incident.title, *(f"{label}: {url}" for label, url in incident.links)]
        body: dict[str, Any] = {
            "message": incident.title[:_MAX_MESSAGE],
            "alias": alias,
            "description": "\n".join(lines)[:_MAX_DESCRIPTION],
            "details": {label: value[: _MAX_DETAILS // 10] for label, value in list(incident.details.items())[:10]},
            "entity": incident.about[:_MAX_ALIAS],
            "source": "Pipeline Health",
            "priority": _PRIORITIES.get(incident.severity, "P3"),
        }
        return f"{self._url}/v2/alerts", body | (
            {"responders": [{"type": "team", "name": self._team}]} if self._team else {}
        )
