"""Reading alerts and their deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Alert, Delivery, Repository, Workflow


@dataclass(frozen=True)
class DeliveryRow:
    channel: str
    reason: str
    state: str
    tries: int
    created_at: datetime
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class AlertRow:
    id: int
    repository_id: int
    workflow_id: int | None
    repo: str
    workflow: str | None
    rule: str
    threshold: str
    state: str
    opened_at: datetime
    resolved_at: datetime | None
    detail: dict[str, Any]
    deliveries: list[DeliveryRow]


def list_alerts(
    session: Session, *, states: Sequence[str] = (), repos: Sequence[str] = (), limit: int = 100
) -> list[AlertRow]:
    """Newest first."""
    query = (
        select(Alert, Repository.full_name, Workflow.name)
        .join(Repository, Repository.id == Alert.repository_id)
        .join(
            Workflow,
            (Workflow.repository_id == Alert.repository_id) & (Workflow.id == Alert.workflow_id),
            isouter=True,
        )
        .order_by(Alert.opened_at.desc(), Alert.id.desc())
        .limit(limit)
    )
    if states:
        query = query.where(Alert.state.in_(list(states)))
    query = query.where(Repository.full_name.in_(list(repos))) if repos else query.where(Repository.monitored)
    found = session.execute(query).all()
    deliveries = _deliveries(session, [alert.id for alert, _, _ in found])
    return [_row(alert, repo, workflow, deliveries.get(alert.id, [])) for alert, repo, workflow in found]


def _deliveries(session: Session, alert_ids: list[int]) -> dict[int, list[DeliveryRow]]:
    found: dict[int, list[DeliveryRow]] = {}
    for row in session.scalars(select(Delivery).where(Delivery.alert_id.in_(alert_ids)).order_by(Delivery.id)):
        found.setdefault(row.alert_id, []).append(
            DeliveryRow(row.channel, row.reason, row.state, row.tries, row.created_at, row.sent_at, row.error)
        )
    return found


def _row(alert: Alert, repo: str, workflow: str | None, deliveries: list[DeliveryRow]) -> AlertRow:
    return AlertRow(
        alert.id, alert.repository_id, alert.workflow_id, repo, workflow, alert.rule, alert.threshold, alert.state,
        alert.opened_at, alert.resolved_at, dict(alert.detail), deliveries,
    )  # fmt: skip
