"""Writes of alert state. The caller's session also enqueues the notifications (storage.outbox), in one transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.audit import Actor, record
from db.enums import AlertState, AuditAction, AuditSubject, RuleKind, Severity
from db.models import Alert, Repository, Workflow
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.targets import AlertTarget


@dataclass(frozen=True)
class AlertScope:
    """What a new alert is about. `workflow_id` is null for a rule over a whole repository. `target` is the key of rule
    and target (AlertTarget.key), of which at most one alert fires; null: the key of the workflow or the repository."""

    repository_id: int
    workflow_id: int | None
    rule: RuleKind
    branch: str | None = None
    rule_id: int | None = None
    rule_name: str | None = None
    severity: Severity = Severity.CRITICAL
    target: str | None = None


def open_alert(
    session: Session,
    scope: AlertScope,
    threshold: str,
    detail: AlertDetail,
    now: datetime,
    *,
    silenced_until: datetime | None = None,
) -> int:
    """Stores a firing alert and returns its id."""
    target = scope.target or AlertTarget(scope.repository_id, "", scope.workflow_id).key(scope.rule_id)
    alert = Alert(
        repository_id=scope.repository_id,
        workflow_id=scope.workflow_id,
        rule=scope.rule,
        threshold=threshold,
        state=AlertState.FIRING,
        opened_at=now,
        detail=detail.to_dict(),
        branch=scope.branch,
        rule_id=scope.rule_id,
        rule_name=scope.rule_name,
        severity=scope.severity,
        target=target,
        silenced_until=silenced_until,
    )
    session.add(alert)
    session.flush()
    return alert.id


def update_detail(session: Session, alert_id: int, detail: AlertDetail) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(detail=detail.to_dict()))


def resolve_alert(session: Session, alert_id: int, detail: AlertDetail, now: datetime) -> bool:
    """False if the alert was already resolved."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(state=AlertState.RESOLVED, resolved_at=now, detail=detail.to_dict())
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def mark_notified(session: Session, alert_ids: Collection[int], now: datetime, *, group_id: int | None = None) -> None:
    """Stores the time of the last notification; with `group_id` for alerts that were sent in one message."""
    values: dict[str, Any] = {"notified_at": now} | ({"group_id": group_id} if group_id is not None else {})
    session.execute(update(Alert).where(Alert.id.in_(list(alert_ids))).values(values))


def acknowledge(session: Session, alert_id: int, by: str, comment: str, now: datetime, *, actor: Actor) -> bool:
    """Stores the latest acknowledgement, which stops repeats until the alert resolves or the acknowledgement is taken
    back. `by`: the name that lists show. False if the alert does not fire."""
    alert = _locked(session, alert_id)
    if alert is None or alert.state != AlertState.FIRING:
        return False
    before = _acknowledgement(alert)
    alert.acknowledged_at, alert.acknowledged_by, alert.acknowledged_comment = now, by, comment
    after = _acknowledgement(alert)
    # A second acknowledgement with the same name and comment is an action, too.
    same = before == after
    _record(session, actor, AuditAction.ACKNOWLEDGED, alert, now, before=None if same else before, after=after)
    return True


def unacknowledge(session: Session, alert_id: int, now: datetime, *, actor: Actor) -> bool:
    """Takes back the acknowledgement of a firing alert: the repeats of its rule start again. False if the alert does
    not fire or is not acknowledged."""
    alert = _locked(session, alert_id)
    if alert is None or alert.state != AlertState.FIRING or alert.acknowledged_at is None:
        return False
    before = _acknowledgement(alert)
    alert.acknowledged_at = alert.acknowledged_by = alert.acknowledged_comment = None
    _record(session, actor, AuditAction.UNACKNOWLEDGED, alert, now, before=before)
    return True


def assign(session: Session, alert_id: int, assignee: str | None, now: datetime, *, actor: Actor) -> bool:
    """Assigns an alert, firing or resolved, to a person or a team, any text; null: to nobody. False if there is no such
    alert."""
    alert = _locked(session, alert_id)
    if alert is None:
        return False
    before, after = {"assignee": alert.assignee}, {"assignee": assignee}
    if before != after:
        alert.assignee = assignee
        alert.assigned_by, alert.assigned_at = (actor.name, now) if assignee else (None, None)
        action = AuditAction.ASSIGNED if assignee else AuditAction.UNASSIGNED
        _record(session, actor, action, alert, now, before=before, after=after)
    return True


def _locked(session: Session, alert_id: int) -> Alert | None:
    return session.get(Alert, alert_id, with_for_update=True, populate_existing=True)


def _acknowledgement(alert: Alert) -> dict[str, Any]:
    return {"by": alert.acknowledged_by, "comment": alert.acknowledged_comment}


def _record(
    session: Session,
    actor: Actor,
    action: AuditAction,
    alert: Alert,
    now: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    key = (alert.repository_id, alert.workflow_id or 0)
    repo = session.scalar(select(Repository.full_name).where(Repository.id == alert.repository_id)) or ""
    workflow = session.scalar(select(Workflow.name).where(Workflow.repository_id == key[0], Workflow.id == key[1]))
    target = AlertTarget(alert.repository_id, repo, alert.workflow_id, workflow, alert.branch)
    record(
        session,
        actor,
        action,
        AuditSubject.ALERT,
        alert.id,
        f"{target.label}: {alert.rule_name}" if alert.rule_name else target.label,
        now,
        before=before,
        after=after,
        repository_id=alert.repository_id,
    )


def set_silenced_until(session: Session, alert_id: int, until: datetime | None) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(silenced_until=until))
