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
from db.enums import Conclusion, Grain, Outcome, Status
from db.jobs.price_list import price_list
from db.models import Attempt, Base, Job, Repository, Run, UsageRollup
from db.runs.rollup_invalidation import ALL, created_on, portions
from db.sql import epoch_seconds
from health.metrics.definitions.usage import SUMS, WHOLE, Reasons, Usage, UsageKey, of_jobs, of_stored, together

# What a subquery has of each run.
RUN_COLUMNS = ("repository_id", "id", "workflow_id", "attempt", "outcome", "created_at", "completed_at", "is_free")
_RUNS_AT_ONCE = 500
Runs = type[Run] | Subquery


def used_jobs(runs: Runs) -> Select[Any]:
    """Rows as health.metrics.definitions.usage.UsedJob, of all runs or of those of a subquery with RUN_COLUMNS."""
    run = _columns(runs)
    queued, ended = epoch_seconds(func.coalesce(Job.created_at, Job.started_at)), epoch_seconds(Job.completed_at)
    refused = func.coalesce(Job.conclusion, "") == job_times.REFUSED
    # Who never started waited until the end, and who was refused for no runner.
    waited = case((Job.has_started, Job.queue_seconds), (~refused, ended - queued))
    return (
        select(
            epoch_seconds(run.created_at), run.repository_id, run.workflow_id, run.id, run.attempt, run.outcome,
            Job.attempt, ~Job.has_started & _over(run), case((Job.has_started, Job.duration_seconds)), waited,
            cast(Job.labels, Text), Job.runner, Job.runner_group, queued, Repository.private & ~run.is_free,
        )
        .select_from(runs)
        .join(Repository, Repository.id == run.repository_id)
        .join(Job, (Job.repository_id == run.repository_id) & (Job.run_id == run.id))
        .where(*own_jobs(runs))
    )  # fmt: skip


def own_jobs(runs: Runs) -> tuple[ColumnElement[bool], ...]:
    """No copies, no phantoms, none that was skipped or still waits."""
    known = Job.duration_seconds.is_not(None) | Job.queue_seconds.is_not(None) | _over(_columns(runs))
    return ~Job.copied, ~Job.phantom, func.coalesce(Job.conclusion, "") != Conclusion.SKIPPED, known


def reasons_of(connection: Connection, jobs: Sequence[Sequence[Any]]) -> Reasons:
    """Of those runs of these rows that have several attempts."""
    runs: dict[int, set[int]] = defaultdict(set)
    latest = {(row[1], row[3]): row[4] for row in jobs if row[4] > 1}
    for repository_id, run_id in latest:
        runs[repository_id].add(run_id)
    states: dict[tuple[int, int], list[AttemptState]] = defaultdict(list)
    columns = (Attempt.run_id, Attempt.attempt, Attempt.status, Attempt.conclusion)
    for repository_id, ids in runs.items():
        listed = sorted(ids)
        for first in range(0, len(listed), _RUNS_AT_ONCE):
            some = listed[first : first + _RUNS_AT_ONCE]
            query = select(*columns).where(Attempt.repository_id == repository_id, Attempt.run_id.in_(some))
            for run_id, number, status, conclusion in connection.execute(query):
                states[repository_id, run_id].append(AttemptState(number, status, conclusion))
    return {key: waste_reasons(listed, latest[key]) for key, listed in states.items()}


def _columns(runs: Runs) -> Any:
    return runs.c if isinstance(runs, Subquery) else runs


def _over(run: Any) -> ColumnElement[bool]:
    """A job is over at the latest when its run is, whatever GitHub says of it."""
    over: ColumnElement[bool] = (Job.status == Status.COMPLETED) | (run.outcome != Outcome.IN_PROGRESS)
    return over


_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__]
_KEYS = tuple(_ROLLUPS.c[name] for name in UsageKey._fields)
_OF_ONE = (Grain.REPO, Grain.WORKFLOW)
_JOBS_AT_ONCE, _ROWS_AT_ONCE = 20_000, 500


def make_usage(session: Session, repository: Repository, days: Sequence[int], hours: Collection[int]) -> None:
    """Of these days of a repository; `hours` are the tiles of theirs that are kept."""
    found = _of_jobs(session, repository, days)
    _write_both(session, repository.id, sorted(hours), found.only(hours))
    lower = [time_buckets.day_tile(day) for day in days]
    _write_both(session, repository.id, lower, _raised(found, time_buckets.DAY))
    for level in range(time_buckets.DAY + 1, time_buckets.TOP + 1):
        blocks = sorted({time_buckets.tile(level, time_buckets.first_hour(tile)) for tile in lower})
        below = [child for block in blocks for child in time_buckets.children(block)]
        stored = _stored(session, Grain.WORKFLOW, below, _ROLLUPS.c.repository_id == repository.id)
        _write_both(session, repository.id, blocks, _raised(stored, level))
        lower = blocks


def make_usage_over_all(session: Session, wanted: Sequence[int]) -> None:
    """These tiles of all monitored repositories together."""
    monitored = _ROLLUPS.c.repository_id.in_(select(Repository.id).where(Repository.monitored))
    stored = _stored(session, Grain.REPO, wanted, monitored)
    _write(session, ALL, [(Grain.ALL, stored.at(Grain.ALL, [key.tile for key in stored.keys]))], wanted)


def _of_jobs(session: Session, repository: Repository, days: Sequence[int]) -> Usage:
    where = Run.repository_id == repository.id, created_on(Run, days)
    connection = session.connection()
    # In one order: sums of floats differ in their last digits by it.
    query = used_jobs(Run).where(*where).order_by(Run.created_at, Run.id, Job.id)
    rows = connection.execute(query.execution_options(yield_per=_JOBS_AT_ONCE))
    pricing = Pricing(price_list(session))
    return together(of_jobs(some, reasons_of(connection, some), pricing) for some in rows.partitions())


def _raised(usage: Usage, level: int) -> Usage:
    return usage.at(Grain.WORKFLOW, [time_buckets.tile(level, time_buckets.first_hour(key.tile)) for key in usage.keys])


def _stored(session: Session, grain: Grain, wanted: Sequence[int], where: Any) -> Usage:
    columns = (*(_ROLLUPS.c[name] for name in SUMS), _ROLLUPS.c.waits)
    query = select(*_KEYS, *columns).where(_ROLLUPS.c.grain == grain, _ROLLUPS.c.tile.in_(list(wanted)), where)
    rows = session.execute(query.order_by(*_KEYS)).all()
    width = len(_KEYS)
    return of_stored(
        [UsageKey(*row[:width]) for row in rows], [row[width:-1] for row in rows], [row[-1] for row in rows]
    )


def _write_both(session: Session, repository_id: int, wanted: Sequence[int], finest: Usage) -> None:
    made = [(grain, finest.at(grain, [key.tile for key in finest.keys])) for grain in _OF_ONE]
    _write(session, repository_id, made, wanted)


def _write(session: Session, repository_id: int, made: Sequence[tuple[Grain, Usage]], wanted: Sequence[int]) -> None:
    """Puts these in the place of all roll-ups of the wanted tiles."""
    if not wanted:
        return
    grains = [grain for grain, _ in made]
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.grain.in_(grains)
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.tile.in_(list(wanted))))
    rows = [row for grain, usage in made for row in _rows(grain, usage)]
    for some in portions(rows, _ROWS_AT_ONCE):
        session.execute(insert(_ROLLUPS), some)


def _rows(grain: Grain, usage: Usage) -> list[dict[str, Any]]:
    kinds = [int if name in WHOLE else float for name in SUMS]
    return [
        {**key._asdict(), "grain": int(grain), "waits": waits,
         **{name: kind(value) for name, kind, value in zip(SUMS, kinds, sums, strict=True)}}
        for key, sums, waits in zip(usage.keys, usage.sums.tolist(), usage.packed(), strict=True)
    ]  # fmt: skip
