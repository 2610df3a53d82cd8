"""Queries for missing data: backfills, missing run numbers, runs without jobs and logs, by repository."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT
from db.definitions.scope import Window
from db.enums import BackfillPhase, GapState, LogState, Status
from db.models import Backfill, Heartbeat, JobLog, Repository, Run, RunGap, Workflow
from db.sql import execute
from health.completeness.gaps import BackfillStatus, MissingData, RunNumberGaps, RunsWithoutJobs
from health.completeness.repository_completeness import LogCounts

# Jobs are fetched within seconds after a run finishes; until then they do not count as missing.
_FETCH_DELAY = timedelta(minutes=2)

_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_BACKFILLS = (
    select(
        Backfill.repository_id, Backfill.since, Backfill.until, Backfill.cursor, Backfill.phase, Backfill.runs_done,
        Backfill.runs_expected, Backfill.started_at,
    )
    .where(Backfill.phase != BackfillPhase.DONE)
    .order_by(Backfill.until.desc(), Backfill.since.desc())
)  # fmt: skip
_ALL_NUMBER_GAPS = (
    select(
        RunGap.repository_id, RunGap.workflow_id, Workflow.name, RunGap.state, func.count(),
        func.sum(RunGap.last_number - RunGap.first_number + 1), func.min(RunGap.first_number),
        func.max(RunGap.last_number), func.min(RunGap.created_after), func.max(RunGap.created_before),
    )
    .join(
        Workflow,
        and_(Workflow.repository_id == RunGap.repository_id, Workflow.id == RunGap.workflow_id),
        isouter=True,
    )
    .where(RunGap.repository_id.in_(select(Repository.id)))
    .group_by(RunGap.repository_id, RunGap.workflow_id, Workflow.name, RunGap.state)
    .order_by(RunGap.repository_id, RunGap.workflow_id, RunGap.state)
)  # fmt: skip
_OPEN_NUMBER_GAPS = _ALL_NUMBER_GAPS.where(RunGap.state == GapState.OPEN)
# The offset prevents SQLite from merging the two queries: merged, it chooses an index that reads all runs.
_PENDING = (
    select(Run.repository_id, Run.status, Run.created_at, Run.updated_at)
    .where(Run.details_pending, Run.repository_id.in_(_IDS))
    .offset(0)
    .subquery()
    .c
)
_RUNS_WITHOUT_JOBS = (
    select(_PENDING.repository_id, func.count(), func.min(_PENDING.created_at), func.max(_PENDING.created_at))
    .where(_PENDING.status == Status.COMPLETED)
    .group_by(_PENDING.repository_id)
)
_COLLECTOR_SEEN_AT = select(Heartbeat.seen_at).where(Heartbeat.name == COLLECTOR_HEARTBEAT)


def find_missing(
    session: Session, repository_ids: Collection[int], *, absent: bool = False
) -> Mapping[int, MissingData]:
    """Missing data by repository; `absent` adds the run numbers that GitHub does not have."""
    missing = dict(find_backfills_and_number_gaps(session, absent=absent))
    (without_jobs,) = find_runs_without_jobs(session, repository_ids, collector_seen_at(session))
    for repository_id, runs in without_jobs.items():
        missing[repository_id] = replace(missing.get(repository_id, MissingData()), runs_without_jobs=runs)
    return defaultdict(MissingData, missing)


def find_backfills_and_number_gaps(session: Session, *, absent: bool = False) -> Mapping[int, MissingData]:
    """Missing data of all repositories, by repository, without runs that lack their jobs."""
    backfills, number_gaps = _backfills(session), _number_gaps(session, absent)
    return {
        repository_id: MissingData(tuple(backfills.get(repository_id, ())), tuple(number_gaps.get(repository_id, ())))
        for repository_id in {*backfills, *number_gaps}
    }


def _backfills(session: Session) -> dict[int, list[BackfillStatus]]:
    backfills: dict[int, list[BackfillStatus]] = defaultdict(list)
    for repository_id, *values in execute(session, _BACKFILLS):
        backfills[repository_id].append(BackfillStatus(*values))
    return backfills


def _number_gaps(session: Session, absent: bool) -> dict[int, list[RunNumberGaps]]:
    query = _ALL_NUMBER_GAPS if absent else _OPEN_NUMBER_GAPS
    number_gaps: dict[int, list[RunNumberGaps]] = defaultdict(list)
    for repository_id, workflow_id, name, *values in execute(session, query):
        number_gaps[repository_id].append(RunNumberGaps(name or str(workflow_id), *values))
    return number_gaps


def find_runs_without_jobs(
    session: Session, ids: Collection[int], seen_at: datetime | None, windows: Sequence[Window] = ()
) -> list[dict[int, RunsWithoutJobs]]:
    """Runs without jobs by repository, that had finished two minutes or more before `seen_at`, the collector's last
    heartbeat: one dictionary per window, or a single one of all runs without windows. Windows must not overlap; one
    statement reads all of them."""
    query = _RUNS_WITHOUT_JOBS
    if seen_at:
        query = query.where(_PENDING.updated_at < seen_at - _FETCH_DELAY)
    conditions = [and_(_PENDING.created_at >= window.since, _PENDING.created_at < window.until) for window in windows]
    if conditions:
        query = query.where(or_(*conditions))
    parameters = {_IDS.key: list(ids)}
    if len(conditions) < 2:
        return [{row[0]: RunsWithoutJobs(*row[1:]) for row in execute(session, query, parameters)}]
    window_index = case(*((condition, index) for index, condition in enumerate(conditions)))
    by_window: list[dict[int, RunsWithoutJobs]] = [{} for _ in conditions]
    for *row, index in execute(session, query.add_columns(window_index).group_by(window_index), parameters):
        by_window[index][row[0]] = RunsWithoutJobs(*row[1:])
    return by_window


def collector_seen_at(session: Session) -> datetime | None:
    """The last heartbeat of a collector."""
    return execute(session, _COLLECTOR_SEEN_AT).scalar()


def count_runs(session: Session) -> dict[int, int]:
    """Stored runs by repository."""
    query = select(Run.repository_id, func.count()).group_by(Run.repository_id)
    return {row[0]: row[1] for row in session.execute(query)}


def count_missing_logs(session: Session) -> dict[int, LogCounts]:
    """Logs that are not stored, by repository. Stored logs are not counted: there may be very many of them."""
    states = [str(state) for state in (LogState.PENDING, LogState.EXPIRED, LogState.MISSING)]
    query = (
        select(JobLog.repository_id, JobLog.state, func.count())
        .where(JobLog.state.in_(states))
        .group_by(JobLog.repository_id, JobLog.state)
    )
    by_state: dict[int, dict[str, int]] = defaultdict(dict)
    for repository_id, state, number in session.execute(query):
        by_state[repository_id][state] = number
    return {repository_id: LogCounts(**counts) for repository_id, counts in by_state.items()}
