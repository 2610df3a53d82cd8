"""Retention: deletes runs older than RETENTION_DAYS, the text of logs older than LOG_RETENTION_DAYS, and events of the
audit trail older than AUDIT_RETENTION_DAYS. Works in small
transactions with a pause after each, so that other writers are not blocked; an interrupted deletion can be repeated."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Update, delete, inspect, select, update
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.enums import AlertState, LogState
from db.models import (
    Alert,
    AlertSilence,
    Attempt,
    AuditEvent,
    CauseAlias,
    CauseTriage,
    FailureEpisode,
    Job,
    JobCause,
    JobLog,
    LogSketch,
    Notification,
    Run,
    RunGap,
)
from db.runs.rollup_invalidation import record_pruning, start_of_day
from db.sql import execute, is_one_of, key_table
from health.metrics.rollups.failure_episodes import is_recovered_before
from health.metrics.rollups.refresh import refresh_rollups

RUN_BATCH = 200
# Logs: their content is read and written again.
_LOG_BATCH = 200
# Lets other writers take SQLite's write lock.
_PAUSE_SECONDS = 0.02


def prune(engine: Engine, older_than: datetime, now: datetime) -> Iterator[int]:
    """Deletes the runs created before the day (UTC) of `older_than` with their jobs, attempts, logs and causes, and
    old alerts; yields the number of deleted runs, batch by batch. Their roll-ups are computed first and are kept, and
    so are failure episodes that had not ended before that day."""
    older_than = start_of_day(older_than)
    for _ in refresh_rollups(engine, now):
        pass
    with write_scope(engine) as session:
        record_pruning(session, older_than, now)
    # Before the runs are deleted, which show the branches that are still failing after that day.
    _delete(engine, FailureEpisode, FailureEpisode.created_at < older_than, is_recovered_before(older_than))
    while True:
        with write_scope(engine) as session:
            query = select(Run.repository_id, Run.id).where(Run.created_at < older_than).limit(RUN_BATCH)
            keys = [(row.repository_id, row.id) for row in session.execute(query)]
            _delete_logs(session, keys)
            for model in (Job, Attempt):
                session.execute(delete(model).where(is_one_of((model.repository_id, model.run_id), keys)))
            session.execute(delete(Run).where(is_one_of((Run.repository_id, Run.id), keys)))
        if not keys:
            break
        yield len(keys)
        time.sleep(_PAUSE_SECONDS)
    resolved = select(Alert.id).where(Alert.state == AlertState.RESOLVED, Alert.opened_at < older_than)
    _delete(engine, LogSketch, LogSketch.created_at < older_than)
    _delete_unused_aliases(engine)
    _delete(engine, RunGap, RunGap.created_before < older_than)
    _delete(engine, Notification, Notification.alert_id.in_(resolved))
    _delete(engine, Notification, Notification.alert_id.is_(None), Notification.created_at < older_than)
    _delete(engine, Alert, Alert.state == AlertState.RESOLVED, Alert.opened_at < older_than)
    _delete(engine, AlertSilence, AlertSilence.ends_at < older_than)


def prune_logs(engine: Engine, older_than: datetime) -> Iterator[int]:
    """Deletes the text of logs that were fetched before `older_than`; yields their number, batch by batch. Excerpts,
    error lines and fingerprints are kept as long as their runs, so that the history of a cause is complete."""
    while True:
        with write_scope(engine) as session:
            query = select(JobLog.repository_id, JobLog.job_id)
            old = query.where(JobLog.state == LogState.STORED, JobLog.fetched_at < older_than).limit(_LOG_BATCH)
            keys = [(row.repository_id, row.job_id) for row in session.execute(old)]
            if keys:
                execute(session, _prune_texts(keys))
        if not keys:
            return
        yield len(keys)
        time.sleep(_PAUSE_SECONDS)


def prune_audit(engine: Engine, older_than: datetime) -> Iterator[int]:
    """Deletes the events of the audit trail before `older_than`; yields their number, batch by batch."""
    while True:
        with write_scope(engine) as session:
            old = select(AuditEvent.id).where(AuditEvent.at < older_than).order_by(AuditEvent.at).limit(RUN_BATCH)
            ids = list(session.scalars(old))
            if ids:
                session.execute(delete(AuditEvent).where(AuditEvent.id.in_(ids)))
        if not ids:
            return
        yield len(ids)
        time.sleep(_PAUSE_SECONDS)


def _prune_texts(keys: Sequence[tuple[int, int]]) -> Update:
    """Joined with the keys: as a condition, SQLite would read all stored logs by the index of their state."""
    wanted = key_table(keys)
    return (
        update(JobLog)
        .where(JobLog.repository_id == wanted.c.repository_id, JobLog.job_id == wanted.c.id)
        .where(JobLog.state == LogState.STORED)
        .values(state=str(LogState.PRUNED), content=None)
    )


def _delete_logs(session: Session, runs: Sequence[tuple[int, int]]) -> None:
    """Deletes by the keys of the jobs, because there is no index of logs by run."""
    query = select(Job.repository_id, Job.id).where(is_one_of((Job.repository_id, Job.run_id), runs))
    keys = [tuple(row) for row in session.execute(query)]
    for first in range(0, len(keys), RUN_BATCH):
        batch = keys[first : first + RUN_BATCH]
        for model in (JobCause, JobLog):
            session.execute(delete(model).where(is_one_of((model.repository_id, model.job_id), batch)))


def _delete_unused_aliases(engine: Engine) -> None:
    """Deletes aliases of causes that no stored job has, and that are not triaged."""
    position = ""
    while True:
        with write_scope(engine) as session:
            query = select(CauseAlias.fingerprint, CauseAlias.current).where(CauseAlias.fingerprint > position)
            rows = session.execute(query.order_by(CauseAlias.fingerprint).limit(RUN_BATCH)).all()
            current = {row.current for row in rows}
            used = set(
                session.scalars(select(JobCause.fingerprint).where(JobCause.fingerprint.in_(current)).distinct())
            )
            used.update(session.scalars(select(CauseTriage.fingerprint).where(CauseTriage.fingerprint.in_(current))))
            unused = [row.fingerprint for row in rows if row.current not in used]
            if unused:
                session.execute(delete(CauseAlias).where(CauseAlias.fingerprint.in_(unused)))
        if len(rows) < RUN_BATCH:
            return
        position = rows[-1].fingerprint
        time.sleep(_PAUSE_SECONDS)


def _delete(engine: Engine, model: Any, *where: Any) -> None:
    key = list(inspect(model).primary_key)
    while True:
        with write_scope(engine) as session:
            rows = [tuple(row) for row in session.execute(select(*key).where(*where).limit(RUN_BATCH))]
            if rows:
                session.execute(delete(model).where(is_one_of(key, rows)))
        if len(rows) < RUN_BATCH:
            return
        time.sleep(_PAUSE_SECONDS)
