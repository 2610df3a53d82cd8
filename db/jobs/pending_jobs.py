"""Runs whose jobs are still to be fetched, and short job lists.

A job list is short where it holds fewer jobs than GitHub counts. Right after the end of a run its list can be short or
empty although `total_count` is right (280 jobs: for more than 30 s). Such lists are requested again with increasing
delays and recorded as a gap.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from core.formatting import pluralize
from db.collection.sync_state import sync_state
from db.definitions.records import RunDetailsRecord
from db.enums import Conclusion, GapKind, Outcome, Status
from db.models import Attempt, Job, Run
from db.sql import is_one_of

# Unfinished runs change without notice. Pairs of a maximum age and the interval of checks: intervals grow with the age,
# so that a run that waits for an approval for weeks costs a few requests a day.
RECHECK_INTERVALS = (
    (timedelta(hours=1), timedelta(seconds=60)),
    (timedelta(days=1), timedelta(minutes=10)),
    (timedelta(days=3650), timedelta(hours=3)),
)


@dataclass(frozen=True)
class PendingJobs:
    """A run whose jobs are to be fetched. `missing_attempts` are its earlier attempts that are not stored as completed.
    `completed`: the stored run is completed, so that its jobs are final."""

    repository_id: int
    run_id: int
    attempt: int
    completed: bool
    missing_attempts: tuple[int, ...]


def pending_jobs(
    session: Session,
    repository_ids: Collection[int],
    now: datetime,
    limit: int,
    *,
    include_unfinished: bool = True,
    run_id: int | None = None,
) -> list[PendingJobs]:
    """Returns at most `limit` runs whose jobs are to be fetched: failed ones first, then the newest. Without
    `include_unfinished` unfinished runs are included only if their state changed."""
    query = (
        select(Run.repository_id, Run.id, Run.attempt, Run.status)
        .where(_is_pending(repository_ids, now, include_unfinished))
        .order_by(case((Run.outcome == Outcome.FAILURE, 0), else_=1), Run.created_at.desc())
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(Run.id == run_id)
    runs = session.execute(query).all()
    completed = _finished_attempts(session, [(row.repository_id, row.id) for row in runs if row.attempt > 1])
    return [
        PendingJobs(
            row.repository_id,
            row.id,
            row.attempt,
            row.status == Status.COMPLETED,
            tuple(number for number in range(1, row.attempt) if number not in completed.get(row.id, ())),
        )
        for row in runs
    ]


def count_pending_jobs(session: Session, repository_ids: Collection[int], now: datetime) -> dict[int, int]:
    """Returns the number of runs whose jobs are to be fetched by repository id, without repositories that have none."""
    query = select(Run.repository_id, func.count()).where(_is_pending(repository_ids, now, include_unfinished=False))
    return {row[0]: row[1] for row in session.execute(query.group_by(Run.repository_id))}


def runs_pending_jobs(session: Session, repository_id: int, run_ids: Collection[int]) -> set[int]:
    """Returns the ids among `run_ids` whose jobs are still to be fetched, or to be fetched again."""
    where = Run.repository_id == repository_id, Run.id.in_(list(run_ids)), Run.details_pending
    return set(session.scalars(select(Run.id).where(*where)))


def _is_pending(repository_ids: Collection[int], now: datetime, include_unfinished: bool) -> ColumnElement[bool]:
    in_repositories = Run.repository_id.in_(list(repository_ids))
    if not include_unfinished:
        return and_(in_repositories, Run.details_pending)
    return and_(in_repositories, or_(Run.details_pending, and_(_is_unfinished(), _needs_recheck(Run.details_at, now))))


def _is_unfinished() -> ColumnElement[bool]:
    """Returns the condition that a run is unfinished, as two ranges, for which an index can be used."""
    return or_(Run.status < Status.COMPLETED, Run.status > Status.COMPLETED)


def _needs_recheck(last: Any, now: datetime) -> ColumnElement[bool]:
    levels = [and_(Run.created_at > now - age, last < now - interval) for age, interval in RECHECK_INTERVALS]
    return or_(last.is_(None), *levels)


def _finished_attempts(session: Session, runs: list[tuple[int, int]]) -> dict[int, set[int]]:
    completed: dict[int, set[int]] = {}
    for start in range(0, len(runs), 300):
        query = select(Attempt.run_id, Attempt.attempt).where(
            is_one_of((Attempt.repository_id, Attempt.run_id), runs[start : start + 300]),
            Attempt.status == Status.COMPLETED,
        )
        for row in session.execute(query):
            completed.setdefault(row.run_id, set()).add(row.attempt)
    return completed


def unfinished_runs(
    session: Session,
    repository_id: int,
    listed_run_ids: Collection[int],
    now: datetime,
    *,
    skip_newest: int,
    limit: int,
) -> list[int]:
    """Returns the ids of at most `limit` unfinished runs that are due for a check and not in `listed_run_ids`, the runs
    of this pass; the longest unchecked first. `skip_newest` is the size of an unchanged first page, whose runs are left
    out."""
    query = (
        select(Run.id, Run.created_at)
        .where(Run.repository_id == repository_id, _is_unfinished(), _needs_recheck(Run.checked_at, now))
        .order_by(Run.checked_at.is_not(None), Run.checked_at, Run.created_at.desc())
    )
    last = _created_at_position(session, repository_id, skip_newest) if skip_newest else None
    if skip_newest and last is None:
        return []
    rows = [
        row
        for row in session.execute(query)
        if row.id not in listed_run_ids and (last is None or row.created_at < last)
    ]
    return [row.id for row in rows[:limit]]


def _created_at_position(session: Session, repository_id: int, position: int) -> datetime | None:
    newest = select(Run.created_at).where(Run.repository_id == repository_id).order_by(Run.created_at.desc())
    return session.scalar(newest.offset(position - 1).limit(1))


# GitHub may change the jobs of a run for this long after its end; then they are final.
SETTLE_DELAY = timedelta(minutes=15)
# Delays after which a short list is requested again, from SETTLE_DELAY on.
RECHECK_DELAYS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
# The gap of a repository lists this many runs, newest first; older ones are only counted.
_MAX_NAMED_RUNS = 200
# Runs that can end before any of their jobs exists.
_WITHOUT_JOBS = (None, Conclusion.STARTUP_FAILURE, Conclusion.ACTION_REQUIRED, Conclusion.SKIPPED, Conclusion.STALE)


@dataclass(frozen=True)
class JobListCheck:
    """The state of the job list of a run. `missing` is the number of jobs that GitHub counts and that are not stored;
    `empty`: no job of the latest attempt is listed yet; `settled`: the list is not requested again for now."""

    run_id: int
    created_at: datetime
    missing: int
    empty: bool
    settled: bool

    @property
    def is_short(self) -> bool:
        return self.missing > 0 or self.empty


def job_list_of(run: Run, attempts: Sequence[Attempt], jobs: Sequence[Job], detail: RunDetailsRecord) -> JobListCheck:
    """Returns the state of the job list. Lists of unfinished runs are never short: those runs are checked again
    anyway."""
    if run.status != Status.COMPLETED:
        return JobListCheck(run.id, run.created_at, 0, empty=False, settled=True)
    stale = not detail.run_completed or (detail.attempt or run.attempt) < run.attempt
    missing = max((detail.job_count or 0) - len(jobs), 0)
    latest = [job for job in jobs if job.attempt == run.attempt]
    settled = _is_settled(run, attempts, detail.fetched_at)
    # Runs that were cancelled in the queue or whose file is invalid have no job: after the delay an empty
    # list is final.
    empty = not latest and not settled and run.conclusion not in _WITHOUT_JOBS
    final = not missing and not empty and all(job.status == Status.COMPLETED for job in latest)
    return JobListCheck(run.id, run.created_at, missing, empty, settled=not stale and (settled or final))


def _is_settled(run: Run, attempts: Sequence[Attempt], now: datetime) -> bool:
    """Returns whether the run ended longer than SETTLE_DELAY ago. The end of the last known job is not enough: where
    the last job is missing, it may be hours earlier."""
    ends = [run.completed_at, *(row.first_completed_at for row in attempts if row.attempt == run.attempt)]
    end = max((end for end in ends if end), default=None)
    return end is not None and now - end > SETTLE_DELAY


def record_job_lists(session: Session, repository_id: int, checks: Collection[JobListCheck], now: datetime) -> None:
    """Updates the repository's gap of short job lists: adds runs with a short list and removes those with a complete
    one."""
    short = {check.run_id for check in checks if check.is_short}
    known = _gap(sync_state(session, repository_id).gaps)
    if not short and not (known and {entry["id"] for entry in known["runs"]} & {check.run_id for check in checks}):
        return
    session.flush()
    state = sync_state(session, repository_id, lock=True)
    known = _gap(state.gaps)
    entries = {entry["id"]: entry for entry in known["runs"]} if known else {}
    for check in checks:
        previous = entries.pop(check.run_id, None)
        if check.is_short:
            entries[check.run_id] = {
                "id": check.run_id,
                "created_at": check.created_at.isoformat(),
                "missing": check.missing,
                "looks": (previous["looks"] if previous else 0) + check.settled,
                "looked_at": now.isoformat(),
            }
    _replace(state, list(entries.values()), known["older"] if known else None)


def job_lists_to_recheck(session: Session, repository_id: int, now: datetime) -> list[int]:
    """Ids of settled runs whose list was short and is to be fetched again."""
    known = _gap(sync_state(session, repository_id).gaps)
    return [entry["id"] for entry in known["runs"] if _is_due(entry, now)] if known else []


def reopen_job_lists(session: Session, repository_id: int, run_ids: Collection[int]) -> None:
    """Marks the jobs of these runs as to be fetched again, and removes runs that are no longer stored from the gap. The
    caller locks the repository (lock_repository)."""
    stored = set(session.scalars(select(Run.id).where(Run.repository_id == repository_id, Run.id.in_(list(run_ids)))))
    session.execute(
        update(Run)
        .where(Run.repository_id == repository_id, Run.id.in_(stored), Run.status == Status.COMPLETED)
        .values(details_pending=True)
    )
    deleted = set(run_ids) - stored
    if not deleted:
        return
    state = sync_state(session, repository_id, lock=True)
    if known := _gap(state.gaps):
        _replace(state, [entry for entry in known["runs"] if entry["id"] not in deleted], known["older"])


def _is_due(entry: Mapping[str, Any], now: datetime) -> bool:
    checks = entry["looks"]
    if not 1 <= checks <= len(RECHECK_DELAYS):
        return False
    return now - datetime.fromisoformat(entry["looked_at"]) >= RECHECK_DELAYS[checks - 1]


def _gap(gaps: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((gap for gap in gaps if gap["kind"] == GapKind.JOB_LISTS), None)


def _replace(state: Any, entries: list[dict[str, Any]], older: dict[str, Any] | None) -> None:
    """`older` counts runs that are no longer named: {"runs", "since"}."""
    entries.sort(key=lambda entry: str(entry["created_at"]), reverse=True)
    for entry in entries[_MAX_NAMED_RUNS:]:
        since = min(entry["created_at"], older["since"]) if older else entry["created_at"]
        older = {"runs": (older["runs"] if older else 0) + 1, "since": since}
    entries = entries[:_MAX_NAMED_RUNS]
    others = [gap for gap in state.gaps if gap["kind"] != GapKind.JOB_LISTS]
    if not entries and not older:
        state.gaps = others
        return
    times = [str(entry["created_at"]) for entry in entries] + ([str(older["since"])] if older else [])
    detail = _short_job_lists_text(
        [(entry["id"], entry["missing"]) for entry in entries], older["runs"] if older else 0
    )
    gap = {
        "kind": str(GapKind.JOB_LISTS),
        "detail": detail,
        "since": min(times),
        "until": max(times),
        "runs": entries,
        "older": older,
    }
    state.gaps = [*others, gap]


def _short_job_lists_text(short: Sequence[tuple[int, int]], more: int) -> str:
    """Returns the detail of the gap. `short` are (run id, missing jobs) pairs, with 0 where GitHub lists none of the
    run's jobs; `more` is the number of further runs."""
    missing = sum(jobs for _, jobs in short)
    listed = [f"run {run_id}: {pluralize(jobs, 'job') if jobs else 'no job listed'}" for run_id, jobs in short[:3]]
    others = len(short) - len(listed) + more
    listed += [f"and {pluralize(others, 'more run', 'more runs')}"] if others else []
    total = f"{pluralize(missing, 'job')} missing" if missing else "jobs missing"
    runs = pluralize(len(short) + more, "run")
    return f"GitHub lists fewer jobs than it counts: {total} in {runs} ({', '.join(listed)})"
