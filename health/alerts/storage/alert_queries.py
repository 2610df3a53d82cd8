"""Queries of alerts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select, tuple_
from sqlalchemy.orm import Session

from db.enums import AlertState, Severity
from db.models import Alert, Repository, Workflow
from db.runs.cursors import decode_cursor, encode_cursor
from db.runs.run_filters import workflow_ids
from db.sql import contains_text
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.targets import AlertTarget
from health.alerts.storage.notification_queries import NotificationRow, list_deliveries
from health.teams.owners import owned_by


@dataclass(frozen=True)
class AlertRow:
    """`rule` is the rule type, `target` the key of rule and target (AlertTarget.key). `notified_at`: time of the last
    notification, null if there is none. `deliveries`: the newest of `deliveries_total`."""

    id: int
    repository_id: int
    workflow_id: int | None
    repo: str
    workflow: str | None
    branch: str | None
    rule: str
    rule_id: int | None
    rule_name: str | None
    severity: str
    threshold: str
    state: str
    opened_at: datetime
    resolved_at: datetime | None
    notified_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_comment: str | None
    silenced_until: datetime | None
    group_id: int | None
    target: str
    detail: AlertDetail
    deliveries: list[NotificationRow]
    deliveries_total: int = 0
    assignee: str | None = None
    assigned_by: str | None = None
    assigned_at: datetime | None = None

    @property
    def alert_target(self) -> AlertTarget:
        target = AlertTarget(
            self.repository_id, self.repo, self.workflow_id, self.workflow, self.branch, per_branch=True
        )
        per_branch = self.branch is not None and self.target == target.key(self.rule_id)
        return target if per_branch else replace(target, per_branch=False)


@dataclass(frozen=True)
class AlertFilter:
    """Values of one field are alternatives; an alert must match every field. An empty field does not filter.
    `workflows`: names or ids. `branches`: alerts without a branch match all of them. `assignees`: compared without
    regard to case; an empty one matches alerts without an assignee. `teams`: keys of teams of which one owns the
    repository or the workflow of the alert. `text` is searched in the names of repository,
    workflow, branch, rule and assignee."""

    states: tuple[str, ...] = ()
    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    rule_ids: tuple[int, ...] = ()
    text: str = ""
    assignees: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


@dataclass(frozen=True)
class AlertPage:
    """`next`: cursor of the next page; null at the end."""

    items: list[AlertRow]
    next: str | None


@dataclass(frozen=True)
class AlertOrder:
    """The order of a list of alerts: firing ones first, then the newest; with `by_severity` the most severe before
    those. `ascending` reverses it."""

    by_severity: bool = False
    ascending: bool = False

    @property
    def key(self) -> list[ColumnElement[Any]]:
        """The expressions that determine the position of an alert in the list, all in the same direction."""
        is_firing = case((Alert.state == AlertState.FIRING, 1), else_=0)
        rank = [case(_SEVERITY_RANKS, value=Alert.severity, else_=0)] if self.by_severity else []
        return [is_firing, *rank, Alert.opened_at.expression, Alert.id.expression]

    def sorted(self, query: Select[Any], *, backwards: bool = False) -> Select[Any]:
        is_ascending = self.ascending is not backwards
        return query.order_by(*(column.asc() if is_ascending else column.desc() for column in self.key))

    def is_after(self, position: tuple[Any, ...], *, backwards: bool = False) -> ColumnElement[bool]:
        """Whether an alert is after the position in the list, or before it."""
        is_ascending = self.ascending is not backwards
        key, other = tuple_(*self.key), tuple_(*position)
        return key > other if is_ascending else key < other

    def parse(self, cursor: str) -> tuple[Any, ...]:
        """The position of a cursor. Raises InvalidCursor."""
        rank = [int] if self.by_severity else []
        return decode_cursor(cursor, bool, *rank, datetime, int)

    def position(self, row: AlertRow) -> tuple[Any, ...]:
        rank = [_SEVERITY_RANKS.get(row.severity, 0)] if self.by_severity else []
        return (int(row.state != AlertState.RESOLVED), *rank, row.opened_at, row.id)


NEWEST_FIRST, MOST_SEVERE_FIRST = AlertOrder(), AlertOrder(by_severity=True)
_SEVERITY_RANKS: dict[str, int] = {Severity.CRITICAL: 3, Severity.WARNING: 2, Severity.INFO: 1}


def list_alerts(
    session: Session, *, states: Sequence[str] = (), repos: Sequence[str] = (), limit: int = 100
) -> list[AlertRow]:
    """Alerts, newest first. `states` are the stored ones, firing and resolved. Without `repos`: of monitored ones."""
    query = _select().order_by(Alert.opened_at.desc(), Alert.id.desc()).limit(limit)
    if states:
        query = query.where(Alert.state.in_(list(states)))
    return _rows(session, query.where(_in_repositories(repos)), None)


def firing_alerts(session: Session) -> list[AlertRow]:
    """All firing alerts of monitored repositories, without notifications: repeats may be thousands."""
    query = (
        _select()
        .where(Alert.state == AlertState.FIRING, _in_repositories(()))
        .order_by(Alert.opened_at.desc(), Alert.id.desc())
    )
    rows = session.execute(query.execution_options(populate_existing=True))
    return [_row(alert, repo, workflow, [], 0, None) for alert, repo, workflow in rows]


def alert_page(
    session: Session,
    filters: AlertFilter,
    now: datetime,
    *,
    limit: int = 100,
    cursor: str | None = None,
    order: AlertOrder = NEWEST_FIRST,
) -> AlertPage:
    """One page of alerts. Raises InvalidCursor."""
    query = order.sorted(_select().where(*filter_conditions(filters, now))).limit(limit + 1)
    if cursor:
        query = query.where(order.is_after(order.parse(cursor)))
    rows = _rows(session, query, now)
    items = rows[:limit]
    return AlertPage(items, encode_cursor(*order.position(items[-1])) if len(rows) > limit else None)


def previous_cursor(
    session: Session,
    filters: AlertFilter,
    first: AlertRow,
    now: datetime,
    *,
    limit: int = 100,
    order: AlertOrder = NEWEST_FIRST,
) -> str | None:
    """The cursor of the page of `limit` alerts before the alert `first`; null where that is the first page."""
    before = order.is_after(order.position(first), backwards=True)
    query = alert_columns(*order.key).where(*filter_conditions(filters, now), before)
    position = session.execute(order.sorted(query, backwards=True).offset(limit).limit(1)).first()
    return encode_cursor(*position) if position else None


def get_alert(session: Session, alert_id: int, now: datetime) -> AlertRow | None:
    return next(iter(_rows(session, _select().where(Alert.id == alert_id), now)), None)


def alerts_by_id(session: Session, alert_ids: Collection[int]) -> dict[int, AlertRow]:
    """The existing ones of these alerts by id, without notifications."""
    query = _select().where(Alert.id.in_(set(alert_ids))).execution_options(populate_existing=True)
    return {alert.id: _row(alert, repo, workflow, [], 0, None) for alert, repo, workflow in session.execute(query)}


def alerts_of_group(session: Session, group_id: int, now: datetime) -> list[AlertRow]:
    return _rows(session, _select().where(Alert.group_id == group_id).order_by(Alert.id), now)


def count_episodes(session: Session, alert_id: int, since: datetime) -> int:
    """How often alerts of the same rule and target opened since then."""
    one = select(Alert.repository_id, Alert.rule, Alert.target).where(Alert.id == alert_id).subquery()
    query = (
        select(func.count())
        .select_from(Alert)
        .join(
            one,
            (Alert.repository_id == one.c.repository_id) & (Alert.rule == one.c.rule) & (Alert.target == one.c.target),
        )
    )
    return int(session.scalar(query.where(Alert.opened_at >= since)) or 0)


def count_alerts(session: Session, now: datetime) -> dict[AlertState, int]:
    """Counts of the alerts of monitored repositories by the state that is shown."""
    counts = [func.sum(case((state_condition(state, now), 1), else_=0)) for state in AlertState]
    query = select(*counts).select_from(Alert).join(Repository, Repository.id == Alert.repository_id)
    row = session.execute(query.where(Repository.monitored)).one()
    return {state: int(number or 0) for state, number in zip(AlertState, row, strict=True)}


def count_matching(session: Session, filters: AlertFilter, now: datetime) -> int:
    return int(session.scalars(alert_columns(func.count()).where(*filter_conditions(filters, now))).one())


def alert_columns(*columns: ColumnElement[Any]) -> Select[Any]:
    """A query of columns of alerts, repositories and workflows, to be used with `filter_conditions`."""
    return _select().with_only_columns(*columns, maintain_column_froms=True)


def _select() -> Select[Any]:
    workflow = (Workflow.repository_id == Alert.repository_id) & (Workflow.id == Alert.workflow_id)
    columns: list[Any] = [Alert, Repository.full_name, Workflow.name]
    query = select(*columns).join(Repository, Repository.id == Alert.repository_id)
    return query.join(Workflow, workflow, isouter=True)


def _in_repositories(repos: Collection[str]) -> ColumnElement[bool]:
    return Repository.full_name.in_(list(repos)) if repos else Repository.monitored.is_(True)


def filter_conditions(filters: AlertFilter, now: datetime) -> list[ColumnElement[bool]]:
    """The conditions of a query with the columns of `alert_columns`. Without repositories: monitored ones."""
    conditions = [_in_repositories(filters.repos)]
    if filters.states:
        conditions.append(or_(*(state_condition(AlertState(state), now) for state in filters.states)))
    if filters.workflows:
        conditions.append(Alert.workflow_id.in_(workflow_ids(filters.workflows)))
    if filters.teams:
        conditions.append(owned_by(filters.teams, Alert.repository_id, Alert.workflow_id))
    if filters.branches:
        conditions.append(or_(Alert.branch.is_(None), Alert.branch.in_(filters.branches)))
    for column, values in ((Alert.severity, filters.severities), (Alert.rule_id, filters.rule_ids)):
        if values:
            conditions.append(column.in_(values))
    if filters.assignees:
        names = [name.lower() for name in filters.assignees if name]
        conditions.append(
            or_(func.lower(Alert.assignee).in_(names), Alert.assignee.is_(None) if "" in filters.assignees else false())
        )
    if text := filters.text.strip():
        searched = (Repository.full_name, Workflow.name, Alert.branch, Alert.rule_name, Alert.assignee)
        conditions.append(or_(*(contains_text(column, text) for column in searched)))
    return conditions


def state_condition(state: AlertState, now: datetime) -> ColumnElement[bool]:
    """Whether an alert is shown in this state."""
    silenced = and_(Alert.silenced_until.is_not(None), Alert.silenced_until > now)
    firing = Alert.state == AlertState.FIRING
    match state:
        case AlertState.RESOLVED:
            return Alert.state == AlertState.RESOLVED
        case AlertState.SILENCED:
            return and_(firing, silenced)
        case AlertState.ACKNOWLEDGED:
            return and_(firing, ~silenced, Alert.acknowledged_at.is_not(None))
        case AlertState.FIRING:
            return and_(firing, ~silenced, Alert.acknowledged_at.is_(None))


def _rows(session: Session, query: Select[Any], now: datetime | None) -> list[AlertRow]:
    rows = session.execute(query.execution_options(populate_existing=True)).all()
    deliveries = list_deliveries(session, [alert.id for alert, _, _ in rows])
    return [_row(alert, repo, workflow, *deliveries.get(alert.id, ([], 0)), now) for alert, repo, workflow in rows]


def _row(
    alert: Alert, repo: str, workflow: str | None, deliveries: list[NotificationRow], number: int, now: datetime | None
) -> AlertRow:
    detail = AlertDetail.from_dict(alert.detail)
    return AlertRow(
        id=alert.id,
        repository_id=alert.repository_id,
        workflow_id=alert.workflow_id,
        repo=repo,
        workflow=workflow,
        # Versions before the column `branch` stored it only in the detail.
        branch=alert.branch or detail.branch,
        rule=alert.rule,
        rule_id=alert.rule_id,
        rule_name=alert.rule_name,
        severity=alert.severity,
        threshold=alert.threshold,
        state=_state(alert, now),
        opened_at=alert.opened_at,
        resolved_at=alert.resolved_at,
        notified_at=alert.notified_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_comment=alert.acknowledged_comment,
        silenced_until=alert.silenced_until,
        group_id=alert.group_id,
        target=alert.target,
        detail=detail,
        deliveries=deliveries,
        deliveries_total=number,
        assignee=alert.assignee,
        assigned_by=alert.assigned_by,
        assigned_at=alert.assigned_at,
    )


def _state(alert: Alert, now: datetime | None) -> AlertState:
    if alert.state != AlertState.FIRING:
        return AlertState.RESOLVED
    if alert.silenced_until and (now is None or alert.silenced_until > now):
        return AlertState.SILENCED
    return AlertState.ACKNOWLEDGED if alert.acknowledged_at else AlertState.FIRING
