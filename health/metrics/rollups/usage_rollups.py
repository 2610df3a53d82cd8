"""Which jobs count as use of runners, and what is read of them: for roll-ups and for questions about rows alike.

Writing roll-ups of what jobs used, beside those of runs and for the same tiles of time.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Text, case, cast, delete, func, insert, select
from sqlalchemy.orm import Session

from db.definitions import job_times, time_buckets
from db.definitions.job_times import AttemptState, waste_reasons
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

# What a subquery has of each run.
RUN_COLUMNS = ("repository_id", "id", "workflow_id", "attempt", "outcome", "created_at", "completed_at", "is_free")
_RUN_BATCH = 500
RunSource = type[Run] | Subquery


def select_used_jobs(runs: RunSource) -> Select[Any]:
    """Rows as health.metrics.definitions.usage.UsedJob, of all runs or of those of a subquery with RUN_COLUMNS."""
    run = _columns(runs)
    queued, ended = epoch_seconds(func.coalesce(Job.created_at, Job.started_at)), epoch_seconds(Job.completed_at)
    refused = func.coalesce(Job.conclusion, "") == job_times.NEVER_STARTED_CONCLUSION
    # Who never started waited until the end, and who was refused for no runner.
    waited = case((Job.has_started, Job.queue_seconds), (~refused, ended - queued))
    return (
        select(
            epoch_seconds(run.created_at), run.repository_id, run.workflow_id, run.id, run.attempt, run.outcome,
            Job.attempt, ~Job.has_started & _is_completed(run), case((Job.has_started, Job.duration_seconds)), waited,
            cast(Job.labels, Text), Job.runner, Job.runner_group, queued, Repository.private & ~run.is_free,
        )
        .select_from(runs)
        .join(Repository, Repository.id == run.repository_id)
        .join(Job, (Job.repository_id == run.repository_id) & (Job.run_id == run.id))
        .where(*own_job_conditions(runs))
    )  # fmt: skip


def own_job_conditions(runs: RunSource) -> tuple[ColumnElement[bool], ...]:
    """No copies, no phantoms, none that was skipped or still waits."""
    known = Job.duration_seconds.is_not(None) | Job.queue_seconds.is_not(None) | _is_completed(_columns(runs))
    return ~Job.copied, ~Job.phantom, func.coalesce(Job.conclusion, "") != Conclusion.SKIPPED, known


def waste_reasons_of(connection: Connection, jobs: Sequence[Sequence[Any]]) -> WasteReasons:
    """Of those runs of these rows that have several attempts."""
    runs: dict[int, set[int]] = defaultdict(set)
    latest = {(row[1], row[3]): row[4] for row in jobs if row[4] > 1}
    for repository_id, run_id in latest:
        runs[repository_id].add(run_id)
    states: dict[tuple[int, int], list[AttemptState]] = defaultdict(list)
    columns = (Attempt.run_id, Attempt.attempt, Attempt.status, Attempt.conclusion)
    for repository_id, ids in runs.items():
        listed = sorted(ids)
        for first in range(0, len(listed), _RUN_BATCH):
            some = listed[first : first + _RUN_BATCH]
            query = select(*columns).where(Attempt.repository_id == repository_id, Attempt.run_id.in_(some))
            for run_id, number, status, conclusion in connection.execute(query):
                states[repository_id, run_id].append(AttemptState(number, status, conclusion))
    return {key: waste_reasons(listed, latest[key]) for key, listed in states.items()}


def _columns(runs: RunSource) -> Any:
    return runs.c if isinstance(runs, Subquery) else runs


def _is_completed(run: Any) -> ColumnElement[bool]:
    """A job is over at the latest when its run is, whatever GitHub says of it."""
    over: ColumnElement[bool] = (Job.status == Status.COMPLETED) | (run.outcome != Outcome.IN_PROGRESS)
    return over


_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__]
_KEYS = tuple(_ROLLUPS.c[name] for name in UsageKey._fields)
_LEVELS = (RollupLevel.REPO, RollupLevel.WORKFLOW)
_JOB_BATCH, _ROW_BATCH = 20_000, 500


def build_usage(session: Session, repository: Repository, days: Sequence[int], hours: Collection[int]) -> None:
    """Of these days of a repository; `hours` are the tiles of theirs that are kept."""
    found = _from_jobs(session, repository, days)
    _write_levels(session, repository.id, sorted(hours), found.in_buckets(hours))
    lower = [time_buckets.day_bucket_id(day) for day in days]
    _write_levels(session, repository.id, lower, _coarsen(found, time_buckets.DAY))
    for level in range(time_buckets.DAY + 1, time_buckets.COARSEST + 1):
        blocks = sorted({time_buckets.bucket_id(level, time_buckets.start_hour(tile)) for tile in lower})
        below = [child for block in blocks for child in time_buckets.children(block)]
        stored = _read_stored(session, RollupLevel.WORKFLOW, below, _ROLLUPS.c.repository_id == repository.id)
        _write_levels(session, repository.id, blocks, _coarsen(stored, level))
        lower = blocks


def build_usage_totals(session: Session, buckets: Sequence[int]) -> None:
    """These tiles of all monitored repositories together."""
    monitored = _ROLLUPS.c.repository_id.in_(select(Repository.id).where(Repository.monitored))
    stored = _read_stored(session, RollupLevel.REPO, buckets, monitored)
    _write(
        session,
        ALL_REPOSITORIES,
        [(RollupLevel.ALL, stored.at_level(RollupLevel.ALL, [key.bucket for key in stored.keys]))],
        buckets,
    )


def _from_jobs(session: Session, repository: Repository, days: Sequence[int]) -> UsageTable:
    where = Run.repository_id == repository.id, created_on(Run, days)
    connection = session.connection()
    # In one order: sums of floats differ in their last digits by it.
    query = select_used_jobs(Run).where(*where).order_by(Run.created_at, Run.id, Job.id)
    rows = connection.execute(query.execution_options(yield_per=_JOB_BATCH))
    pricing = Pricing(price_list(session))
    return concat(from_jobs(some, waste_reasons_of(connection, some), pricing) for some in rows.partitions())


def _coarsen(usage: UsageTable, level: int) -> UsageTable:
    return usage.at_level(
        RollupLevel.WORKFLOW, [time_buckets.bucket_id(level, time_buckets.start_hour(key.bucket)) for key in usage.keys]
    )


def _read_stored(session: Session, grain: RollupLevel, wanted: Sequence[int], where: Any) -> UsageTable:
    columns = (*(_ROLLUPS.c[name] for name in SUMS), _ROLLUPS.c.waits)
    query = select(*_KEYS, *columns).where(_ROLLUPS.c.level == grain, _ROLLUPS.c.bucket.in_(list(wanted)), where)
    rows = session.execute(query.order_by(*_KEYS)).all()
    width = len(_KEYS)
    return from_rows(
        [UsageKey(*row[:width]) for row in rows], [row[width:-1] for row in rows], [row[-1] for row in rows]
    )


def _write_levels(session: Session, repository_id: int, wanted: Sequence[int], finest: UsageTable) -> None:
    made = [(grain, finest.at_level(grain, [key.bucket for key in finest.keys])) for grain in _LEVELS]
    _write(session, repository_id, made, wanted)


def _write(
    session: Session, repository_id: int, made: Sequence[tuple[RollupLevel, UsageTable]], wanted: Sequence[int]
) -> None:
    """Puts these in the place of all roll-ups of the wanted tiles."""
    if not wanted:
        return
    grains = [grain for grain, _ in made]
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.level.in_(grains)
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.bucket.in_(list(wanted))))
    rows = [row for grain, usage in made for row in _rows(grain, usage)]
    for some in chunks(rows, _ROW_BATCH):
        session.execute(insert(_ROLLUPS), some)


def _rows(grain: RollupLevel, usage: UsageTable) -> list[dict[str, Any]]:
    kinds = [int if name in INTEGER_SUMS else float for name in SUMS]
    return [
        {**key._asdict(), "level": int(grain), "waits": waits,
         **{name: kind(value) for name, kind, value in zip(SUMS, kinds, sums, strict=True)}}
        for key, sums, waits in zip(usage.keys, usage.sums.tolist(), usage.packed_waits(), strict=True)
    ]  # fmt: skip
