"""Changes of several alerts in one transaction, with a result for each alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.audit import Actor
from db.enums import AlertState
from health.alerts.rules.targets import Patterns, Silence, escape_pattern
from health.alerts.storage.alert_queries import AlertRow, alerts_by_id
from health.alerts.storage.alert_writes import acknowledge
from health.alerts.storage.silences import add_silences

# Alerts of one request.
MAX_ALERTS = 500


@dataclass(frozen=True)
class ActionResult:
    """`error`: why the alert was not changed, as a sentence; null if it was. `silence_id`: the silence that covers the
    alert."""

    alert_id: int
    error: str | None = None
    silence_id: int | None = None


def acknowledge_all(
    session: Session, alert_ids: Sequence[int], by: str, comment: str, now: datetime, *, actor: Actor
) -> list[ActionResult]:
    """Acknowledges firing alerts, each as `acknowledge` does; one result for each different id, in their order."""
    alerts = alerts_by_id(session, alert_ids)
    # In the order of ids, so that two requests lock the rows in the same order.
    errors = {alert_id: _error(alerts.get(alert_id), alert_id) for alert_id in sorted(set(alert_ids))}
    for alert_id, error in errors.items():
        if error is None and not acknowledge(session, alert_id, by, comment, now, actor=actor):
            errors[alert_id] = _resolved(alert_id)
    return [ActionResult(alert_id, errors[alert_id]) for alert_id in dict.fromkeys(alert_ids)]


def silence_all(
    session: Session,
    alert_ids: Sequence[int],
    ends_at: datetime,
    now: datetime,
    *,
    comment: str,
    author: str,
    actor: Actor,
    all_rules: bool = False,
) -> list[ActionResult]:
    """Silences the targets of firing alerts until `ends_at`, each for its rule or for all rules. Alerts of one target
    share a silence. One result for each different id, in their order."""
    alerts = alerts_by_id(session, alert_ids)
    errors = {alert_id: _error(alerts.get(alert_id), alert_id) for alert_id in dict.fromkeys(alert_ids)}
    keys = {
        alert_id: (exact_patterns(alerts[alert_id]), None if all_rules else alerts[alert_id].rule_id)
        for alert_id, error in errors.items()
        if error is None
    }
    new = {key: Silence(0, *key, now, ends_at, comment, author, now) for key in keys.values()}
    ids = dict(zip(new, add_silences(session, list(new.values()), now, actor=actor), strict=True))
    return [
        ActionResult(alert_id, error, ids[keys[alert_id]] if error is None else None)
        for alert_id, error in errors.items()
    ]


def exact_patterns(alert: AlertRow) -> Patterns:
    """The patterns that match only the target of the alert."""
    return Patterns(
        (escape_pattern(alert.repo),),
        (escape_pattern(alert.workflow),) if alert.workflow else (),
        (escape_pattern(alert.branch),) if alert.branch else (),
    )


def _error(alert: AlertRow | None, alert_id: int) -> str | None:
    if alert is None:
        return f"There is no alert {alert_id}."
    return _resolved(alert_id) if alert.state == AlertState.RESOLVED else None


def _resolved(alert_id: int) -> str:
    return f"Alert {alert_id} is resolved."
