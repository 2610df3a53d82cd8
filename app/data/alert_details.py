"""What the page of one alert, and the dialogs of the Alerts page, read and write."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.data.alerts import invalidate
from app.data.caching import cache_data
from app.data.connection import read_session, utc_now, write_session
from app.data.outages import serve_stale
from app.session import current_actor
from core.roles import Role
from db.enums import AlertState
from db.logs.log_queries import failure_cause
from db.runs.run_queries import RunRow
from health.alerts.storage import alert_writes
from health.alerts.storage.alert_facets import alert_facets
from health.alerts.storage.alert_queries import AlertRow, alerts_by_id
from health.alerts.timeline import TimelineEntry, alert_timeline
from health.insights.finding_queries import list_runs_by_id
from health.teams.service import owners_of

# Repositories and workflows whose teams offer assignees.
_MAX_TARGETS = 20


@dataclass(frozen=True)
class AlertEvidence:
    """`runs` by ID: the first bad run, and the failed, slow, stuck or resolving one, as far as they are stored.
    `error_line`, `cause`: the error line of the latest failed run and its fingerprint; null if it is not known.
    `teams`: names of the owners."""

    runs: dict[int, RunRow]
    error_line: str | None
    cause: str | None
    teams: tuple[str, ...]


def timeline(alert: AlertRow) -> list[TimelineEntry]:
    """Oldest first."""
    # What a change by this user changes, so that the timeline has it at once.
    changes = (alert.state, alert.acknowledged_at, alert.assigned_at, alert.silenced_until, alert.deliveries_total)
    return _timeline(alert.id, changes)


@serve_stale
@cache_data(ttl=3, max_entries=64)
def _timeline(alert_id: int, changes: tuple[object, ...]) -> list[TimelineEntry]:
    now = utc_now()
    with read_session() as session:
        alert = alerts_by_id(session, [alert_id]).get(alert_id)
        return alert_timeline(session, alert, now) if alert else []


@serve_stale
@cache_data(ttl=10, max_entries=64)
def evidence(alert_id: int) -> AlertEvidence:
    with read_session() as session:
        alert = alerts_by_id(session, [alert_id]).get(alert_id)
        if alert is None:
            return AlertEvidence({}, None, None, ())
        detail = alert.detail
        ids = [
            run_id for run_id in (detail.first_bad_run, detail.last_run, detail.run_id, detail.resolved_by) if run_id
        ]
        runs = {run.id: run for run in list_runs_by_id(session, ids)} if ids else {}
        last = runs.get(detail.last_run or 0)
        line, cause = failure_cause(session, last.id, last.attempt) if last else (None, None)
        teams = owners_of(session, alert.repository_id, alert.workflow_id)
        return AlertEvidence(runs, line, cause, tuple(team.name for team in teams))


def open_alerts_by_id(alert_ids: Sequence[int]) -> list[AlertRow]:
    """Those of the alerts that exist and are open, in their order, without notifications."""
    with read_session() as session:
        alerts = alerts_by_id(session, alert_ids)
    rows = (alerts.get(alert_id) for alert_id in alert_ids)
    return [row for row in rows if row is not None and row.state != AlertState.RESOLVED]


@serve_stale
@cache_data(ttl=10, max_entries=64)
def assignee_names(targets: tuple[tuple[int, int | None], ...]) -> list[str]:
    """Names to assign alerts of these repositories and workflows to: the members of the teams that own them, then the
    assignees of other alerts."""
    with read_session() as session:
        members = [
            name
            for repository_id, workflow_id in targets[:_MAX_TARGETS]
            for team in owners_of(session, repository_id, workflow_id)
            for name in (*team.members, team.name)
        ]
        return list(dict.fromkeys([*members, *alert_facets(session, utc_now()).assignees]))


def assign_all(alert_ids: Sequence[int], assignee: str | None) -> None:
    """Null: to nobody. One transaction. Raises ActionRefused, Unavailable."""
    actor = current_actor()
    with write_session(Role.EDITOR) as database:
        # In the order of ids, so that two requests lock the rows in the same order.
        for alert_id in sorted(set(alert_ids)):
            alert_writes.assign(database, alert_id, assignee, utc_now(), actor=actor)
    invalidate()
    assignee_names.clear()
