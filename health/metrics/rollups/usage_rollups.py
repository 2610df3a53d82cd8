"""Roll-ups of the use of runners by jobs, in the same buckets as those of runs, and the jobs that count as use."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Text, case, cast, delete, func, insert, select
from sqlalchemy.orm import Session

from db.definitions import job_times, time_buckets
from db.definitions.attempts import AttemptState, waste_reasons
from db.definitions.prices import Pricing
from db.enums import Conclusion, Outcome, RollupLevel, Status
from db.jobs.price_list import price_list
from db.models import Attempt, Base, Job, Repository, Run, UsageRollup
from db.runs.rollup_invalidation import ALL_REPOSITORIES, chunks, created_on
from db.sql import epoch_seconds
from health.metrics.definitions.usage import (
    INTEGER_SUMS,
    SUMS,
    UsageKey,
    UsageTable,
    WasteReasons,
    concat,
    from_jobs,
    from_rows,
)

# Columns of a run that select_used_jobs needs.
RUN_COLUMNS = ("repository_id", "id", "workflow_id", "attempt", "outcome", "created_at", "completed_at", "is_free")
_RUN_BATCH = 500
RunSource = type[Run] | Subquery


def select_used_jobs(runs: RunSource) -> Select[Any]:
    """Selects rows of health.metrics.definitions.usage.UsedJob, of all runs or of those of a subquery with
    RUN_COLUMNS."""
    run = _columns(runs)
    queued, ended = epoch_seconds(func.coalesce(Job.created_at, Job.started_at)), epoch_seconds(Job.completed_at)
    refused = func.coalesce(Job.conclusion, "") == job_times.NEVER_STARTED_CONCLUSION
    # A job that never started waited until it ended; a refused job did not wait for a runner.
    waited = case((Job.has_started, Job.queue_seconds), (~refused, ended - queued))
    return (
        select(
            epoch_seconds(run.created_at),
            run.repository_id,
            run.workflow_id,
            run.id,
            run.attempt,
            run.outcome,
            Job.attempt,
            ~Job.has_started & _is_completed(run),
            case((Job.has_started, Job.duration_seconds)),
            waited,
            cast(Job.labels, Text),
            Job.runner,
            Job.runner_group,
            queued,
            Repository.private & ~run.is_free,
        )
        .select_from(runs)
        .join(Repository, Repository.id == run.repository_id)
        .join(Job, (Job.repository_id == run.repository_id) & (Job.run_id == run.id))
        .where(*own_job_conditions(runs))
    )


def own_job_conditions(runs: RunSource) -> tuple[ColumnElement[bool], ...]:
    """Returns the conditions on jobs that count: no copies, phantoms or skipped jobs, and none that still waits."""
    known = Job.duration_seconds.is_not(None) | Job.queue_seconds.is_not(None) | _is_completed(_columns(runs))
    return ~Job.copied, ~Job.phantom, func.coalesce(Job.conclusion, "") != Conclusion.SKIPPED, known


def waste_reasons_of(connection: Connection, jobs: Sequence[Sequence[Any]]) -> WasteReasons:
    """Takes rows of UsedJob. Returns the reasons of waste of their runs that have several attempts."""
    runs: dict[int, set[int]] = defaultdict(set)
    latest = {(row[1], row[3]): row[4] for row in jobs if row[4] > 1}
    for repository_id, run_id in latest:
        runs[repository_id].add(run_id)
    states: dict[tuple[int, int], list[AttemptState]] = defaultdict(list)
    columns = (Attempt.run_id, Attempt.attempt, Attempt.status, Attempt.conclusion)
    for repository_id, ids in runs.items():
        listed = sorted(ids)
        for first in range(0, len(listed), _RUN_BATCH):
            batch = listed[first : first + _RUN_BATCH]
            query = select(*columns).where(Attempt.repository_id == repository_id, Attempt.run_id.in_(batch))
            for run_id, number, status, conclusion in connection.execute(query):
                states[repository_id, run_id].append(AttemptState(number, status, conclusion))
    return {key: waste_reasons(attempts, latest[key]) for key, attempts in states.items()}


def _columns(runs: RunSource) -> Any:
    return runs.c if isinstance(runs, Subquery) else runs


def _is_completed(run: Any) -> ColumnElement[bool]:
    """Returns the condition that a job has ended: at the latest with its run, whatever status GitHub returns."""
    completed: ColumnElement[bool] = (Job.status == Status.COMPLETED) | (run.outcome != Outcome.IN_PROGRESS)
    return completed


_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__]
_KEYS = tuple(_ROLLUPS.c[name] for name in UsageKey._fields)
_LEVELS = (RollupLevel.REPO, RollupLevel.WORKFLOW)
_JOB_BATCH, _ROW_BATCH = 20_000, 500


def build_usage(session: Session, repository: Repository, days: Sequence[int], hours: Collection[int]) -> None:
    """Rebuilds the roll-ups of days (whole days since 1970) of a repository. `hours` are the hourly buckets to
    write."""
    hourly = _from_jobs(session, repository, days)
    _write_levels(session, repository.id, sorted(hours), hourly.in_buckets(hours))
    shorter = [time_buckets.day_bucket_id(day) for day in days]
    _write_levels(session, repository.id, shorter, _coarsen(hourly, time_buckets.DAY))
    for resolution in range(time_buckets.DAY + 1, time_buckets.COARSEST + 1):
        buckets = time_buckets.parents(shorter)
        children = [child for bucket in buckets for child in time_buckets.children(bucket)]
        stored = _read_stored(session, RollupLevel.WORKFLOW, children, _ROLLUPS.c.repository_id == repository.id)
        _write_levels(session, repository.id, buckets, _coarsen(stored, resolution))
        shorter = buckets


def build_usage_totals(session: Session, buckets: Sequence[int]) -> None:
    """Rebuilds the sums over all monitored repositories in these buckets."""
    monitored = _ROLLUPS.c.repository_id.in_(select(Repository.id).where(Repository.monitored))
    stored = _read_stored(session, RollupLevel.REPO, buckets, monitored)
    totals = stored.at_level(RollupLevel.ALL, [key.bucket for key in stored.keys])
    _write(session, ALL_REPOSITORIES, [(RollupLevel.ALL, totals)], buckets)


def _from_jobs(session: Session, repository: Repository, days: Sequence[int]) -> UsageTable:
    where = Run.repository_id == repository.id, created_on(Run, days)
    connection = session.connection()
    # In a fixed order: sums of floats depend on it in their last digits.
    query = select_used_jobs(Run).where(*where).order_by(Run.created_at, Run.id, Job.id)
    rows = connection.execute(query.execution_options(yield_per=_JOB_BATCH))
    pricing = Pricing(price_list(session))
    return concat(from_jobs(jobs, waste_reasons_of(connection, jobs), pricing) for jobs in rows.partitions())


def _coarsen(usage: UsageTable, resolution: int) -> UsageTable:
    """Adds up the rows to buckets of a coarser resolution."""
    return usage.at_level(
        RollupLevel.WORKFLOW, [time_buckets.enclosing_bucket(key.bucket, resolution) for key in usage.keys]
    )


def _read_stored(session: Session, level: RollupLevel, buckets: Sequence[int], where: Any) -> UsageTable:
    columns = (*(_ROLLUPS.c[name] for name in SUMS), _ROLLUPS.c.waits)
    query = select(*_KEYS, *columns).where(_ROLLUPS.c.level == level, _ROLLUPS.c.bucket.in_(list(buckets)), where)
    rows = session.execute(query.order_by(*_KEYS)).all()
    width = len(_KEYS)
    return from_rows(
        [UsageKey(*row[:width]) for row in rows], [row[width:-1] for row in rows], [row[-1] for row in rows]
    )


def _write_levels(session: Session, repository_id: int, buckets: Sequence[int], finest: UsageTable) -> None:
    """Replaces the roll-ups of a repository in these buckets at all levels."""
    rollups = [(level, finest.at_level(level, [key.bucket for key in finest.keys])) for level in _LEVELS]
    _write(session, repository_id, rollups, buckets)


def _write(
    session: Session, repository_id: int, rollups: Sequence[tuple[RollupLevel, UsageTable]], buckets: Sequence[int]
) -> None:
    """Replaces all roll-ups of the levels and buckets."""
    if not buckets:
        return
    levels = [level for level, _ in rollups]
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.level.in_(levels)
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.bucket.in_(list(buckets))))
    rows = [row for level, usage in rollups for row in _rows(level, usage)]
    for batch in chunks(rows, _ROW_BATCH):
        session.execute(insert(_ROLLUPS), batch)


def _rows(level: RollupLevel, usage: UsageTable) -> list[dict[str, Any]]:
    types = [int if name in INTEGER_SUMS else float for name in SUMS]
    return [
        {
            **key._asdict(),
            "level": int(level),
            "waits": waits,
            **{name: convert(value) for name, convert, value in zip(SUMS, types, sums, strict=True)},
        }
        for key, sums, waits in zip(usage.keys, usage.sums.tolist(), usage.packed_waits(), strict=True)
    ]
