"""Writing alerts. State and messages (db.store.outbox) are written in one transaction by the caller's session."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.alerting.place import Place
from db.models import Alert
from db.store.outbox import Claimed, claim_due, drop_for_removed_channels, enqueue, note_failed, note_sent
from db.vocabulary import AlertState, RuleKind, Severity

__all__ = [
    "AlertScope", "Claimed", "acknowledge", "claim_due", "drop_for_removed_channels", "enqueue", "note_failed",
    "note_sent", "note_told", "open_alert", "resolve_alert", "update_detail",
]  # fmt: skip


@dataclass(frozen=True)
class AlertScope:
    """What an alert is about; `workflow_id` is null for a rule over a whole repository. `target` names rule and place:
    at most one alert of it fires; null: the workflow or the repository."""

    repository_id: int
    workflow_id: int | None
    rule: RuleKind
    branch: str | None = None
    rule_id: int | None = None
    rule_name: str | None = None
    severity: Severity = Severity.CRITICAL
    target: str | None = None


def open_alert(
    session: Session, scope: AlertScope, threshold: str, detail: dict[str, Any], now: datetime, *,
    silenced_until: datetime | None = None,
) -> int:  # fmt: skip
    target = scope.target or Place(scope.repository_id, "", scope.workflow_id).target(scope.rule_id)
    alert = Alert(
        repository_id=scope.repository_id, workflow_id=scope.workflow_id, rule=scope.rule, threshold=threshold,
        state=AlertState.FIRING, opened_at=now, detail=detail, branch=scope.branch, rule_id=scope.rule_id,
        rule_name=scope.rule_name, severity=scope.severity, target=target, silenced_until=silenced_until,
    )  # fmt: skip
    session.add(alert)
    session.flush()
    return alert.id


def update_detail(session: Session, alert_id: int, detail: dict[str, Any]) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(detail=detail))


def resolve_alert(session: Session, alert_id: int, detail: dict[str, Any], now: datetime) -> bool:
    """False when somebody else resolved it before."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(state=AlertState.RESOLVED, resolved_at=now, detail=detail)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def note_told(session: Session, alert_ids: Collection[int], now: datetime, *, group_id: int | None = None) -> None:
    """People were told of these, in one message where a group is named."""
    values: dict[str, Any] = {"told_at": now} | ({"group_id": group_id} if group_id is not None else {})
    session.execute(update(Alert).where(Alert.id.in_(list(alert_ids))).values(values))


def acknowledge(session: Session, alert_id: int, by: str, comment: str, now: datetime) -> bool:
    """No repeats until it is over. Who says so last stands there. False where it does not fire (any more)."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(acknowledged_at=now, acknowledged_by=by, acknowledged_comment=comment)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]
