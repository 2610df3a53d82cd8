"""What the collector still has to fetch.

Job lists of finished runs that hold fewer jobs than GitHub counts: when to ask again, and the gap that says so.

Right after a run's end its list can be short or empty while `total_count` is right (280 jobs: more than 30 s).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from core.formatting import pluralize
from db.collection.sync_state import sync_state
from db.definitions.records import RunDetailsRecord
from db.enums import Conclusion, GapKind, Outcome, Status
from db.models import Attempt, Job, Run

# What is not over changes without telling us: it is looked at again after this long, by its age. That is at most a
# twentieth of the age, so that a run that waits for an approval for weeks costs a few requests a day.
RECHECK_INTERVALS = (
    (timedelta(hours=1), timedelta(seconds=60)),
    (timedelta(days=1), timedelta(minutes=10)),
    (timedelta(days=3650), timedelta(hours=3)),
)


@dataclass(frozen=True)
class PendingJobs:
    """A run whose jobs are to be fetched, and the earlier attempts of it that are not known to be over. `over`: the
    run was completed when this was asked, so what is fetched from now on is final."""

    repository_id: int
    run_id: int
    attempt: int
    completed: bool
    missing_attempts: tuple[int, ...]


def pending_jobs(
    session: Session, repository_ids: Collection[int], now: datetime, limit: int, *, include_unfinished: bool = True,
    run_id: int | None = None,
) -> list[PendingJobs]:  # fmt: skip
    """Failed runs first, then the newest. Without `live` only runs with news, not those that are merely running."""
    query = (
        select(Run.repository_id, Run.id, Run.attempt, Run.status)
        .where(_is_pending(repository_ids, now, include_unfinished))
        .order_by(case((Run.outcome == Outcome.FAILURE, 0), else_=1), Run.created_at.desc())
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(Run.id == run_id)
    runs = session.execute(query).all()
    over = _finished_attempts(session, [(row.repository_id, row.id) for row in runs if row.attempt > 1])
    return [
        PendingJobs(
            row.repository_id,
            row.id,
            row.attempt,
            row.status == Status.COMPLETED,
            tuple(k for k in range(1, row.attempt) if k not in over.get(row.id, ())),
        )
        for row in runs
    ]


def count_pending_jobs(session: Session, repository_ids: Collection[int], now: datetime) -> dict[int, int]:
    """By repository; those with none are left out."""
    query = select(Run.repository_id, func.count()).where(_is_pending(repository_ids, now, live=False))
    return {row[0]: row[1] for row in session.execute(query.group_by(Run.repository_id))}


def runs_pending_jobs(session: Session, repository_id: int, run_ids: Collection[int]) -> set[int]:
    """Those of these runs whose jobs are still to be fetched, or to be fetched again."""
    ours = Run.repository_id == repository_id, Run.id.in_(list(run_ids)), Run.details_pending
    return set(session.scalars(select(Run.id).where(*ours)))


def _is_pending(repository_ids: Collection[int], now: datetime, live: bool) -> ColumnElement[bool]:
    ours = Run.repository_id.in_(list(repository_ids))
    if not live:
        return and_(ours, Run.details_pending)
    return and_(ours, or_(Run.details_pending, and_(_is_unfinished(), _needs_recheck(Run.details_at, now))))


def _is_unfinished() -> ColumnElement[bool]:
    """Two ranges instead of one inequality: those an index can find."""
    return or_(Run.status < Status.COMPLETED, Run.status > Status.COMPLETED)


def _needs_recheck(last: Any, now: datetime) -> ColumnElement[bool]:
    levels = [and_(Run.created_at > now - age, last < now - every) for age, every in RECHECK_INTERVALS]
    return or_(last.is_(None), *levels)


def _finished_attempts(session: Session, runs: list[tuple[int, int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for start in range(0, len(runs), 300):
        query = select(Attempt.run_id, Attempt.attempt).where(
            tuple_(Attempt.repository_id, Attempt.run_id).in_(runs[start : start + 300]),
            Attempt.status == Status.COMPLETED,
        )
        for row in session.execute(query):
            found.setdefault(row.run_id, set()).add(row.attempt)
    return found


def unfinished_runs(
    session: Session,
    repository_id: int,
    listed_run_ids: Collection[int],
    now: datetime,
    *,
    skip_newest: int,
    limit: int,
) -> list[int]:
    """Runs that were not over when last seen, that this pass has not met in a list and whose turn it is, the longest
    unseen first; `skip_newest` leaves out those on an unchanged first page of that size."""
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


def _created_at_position(session: Session, repository_id: int, place: int) -> datetime | None:
    newest = select(Run.created_at).where(Run.repository_id == repository_id).order_by(Run.created_at.desc())
    return session.scalar(newest.offset(place - 1).limit(1))


# How long after a run's end GitHub may still change its jobs; after that they are taken as they are.
SETTLE_DELAY = timedelta(minutes=15)
# After the settle time a short list is asked for again when this much has passed since the last answer.
RECHECK_DELAYS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
# Runs that the gap of a repository names one by one, newest first; of older ones only the number is kept.
_MAX_NAMED_RUNS = 200
# Runs that can end before any of their jobs exists.
_WITHOUT_JOBS = (None, Conclusion.STARTUP_FAILURE, Conclusion.ACTION_REQUIRED, Conclusion.SKIPPED, Conclusion.STALE)


@dataclass(frozen=True)
class JobListCheck:
    """What an answer says of one run's list. `missing`: jobs that GitHub counts and that are not stored; `empty`: no
    job of the latest attempt is listed yet; `settled`: the run is not asked for again now."""

    run_id: int
    created_at: datetime
    missing: int
    empty: bool
    settled: bool

    @property
    def is_short(self) -> bool:
        return self.missing > 0 or self.empty


def job_list_of(run: Run, attempts: Sequence[Attempt], jobs: Sequence[Job], detail: RunDetailsRecord) -> JobListCheck:
    """Runs in progress are looked at again because they are unfinished; their lists are never short or pending."""
    if run.status != Status.COMPLETED:
        return JobListCheck(run.id, run.created_at, 0, empty=False, settled=True)
    stale = not detail.run_completed or (detail.attempt or run.attempt) < run.attempt
    missing = max((detail.job_count or 0) - len(jobs), 0)
    latest = [job for job in jobs if job.attempt == run.attempt]
    past = _is_settled(run, attempts, detail.fetched_at)
    # Runs that were cancelled in the queue or whose file is invalid have no job: an empty list is taken in the end.
    empty = not latest and not past and run.conclusion not in _WITHOUT_JOBS
    final = not missing and not empty and all(job.status == Status.COMPLETED for job in latest)
    return JobListCheck(run.id, run.created_at, missing, empty, settled=not stale and (past or final))


def _is_settled(run: Run, attempts: Sequence[Attempt], now: datetime) -> bool:
    """Not by the last known job's end alone: where the last job is the missing one, that may be hours ago."""
    ends = [run.completed_at, *(each.first_completed_at for each in attempts if each.attempt == run.attempt)]
    end = max((end for end in ends if end), default=None)
    return end is not None and now - end > SETTLE_DELAY


def record_job_lists(session: Session, repository_id: int, checks: Collection[JobListCheck], now: datetime) -> None:
    """Keeps the repository's gap of short lists: adds those of `lists` that are short, drops those that are whole."""
    short = {each.run_id: each for each in checks if each.is_short}
    known = _gap(sync_state(session, repository_id).gaps)
    if not short and not (known and {entry["id"] for entry in known["runs"]} & {each.run_id for each in checks}):
        return
    session.flush()
    state = sync_state(session, repository_id, lock=True)
    known = _gap(state.gaps)
    entries = {entry["id"]: entry for entry in known["runs"]} if known else {}
    for each in checks:
        before = entries.pop(each.run_id, None)
        if each.is_short:
            looks = (before["looks"] if before else 0) + each.settled
            entries[each.run_id] = {
                "id": each.run_id, "created_at": each.created_at.isoformat(), "missing": each.missing,
                "looks": looks, "looked_at": now.isoformat(),
            }  # fmt: skip
    _replace(state, list(entries.values()), known["older"] if known else None)


def job_lists_to_recheck(session: Session, repository_id: int, now: datetime) -> list[int]:
    """Ids of settled runs whose list was short and is to be fetched again."""
    known = _gap(sync_state(session, repository_id).gaps)
    return [entry["id"] for entry in known["runs"] if _is_due(entry, now)] if known else []


def reopen_job_lists(session: Session, repository_id: int, run_ids: Collection[int]) -> None:
    """Has the jobs of these runs fetched again; those that are deleted here leave the gap. The repository is locked
    (lock_repository) by the caller."""
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
    looks = entry["looks"]
    if not 1 <= looks <= len(RECHECK_DELAYS):
        return False
    return now - datetime.fromisoformat(entry["looked_at"]) >= RECHECK_DELAYS[looks - 1]


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
    moments = [str(entry["created_at"]) for entry in entries] + ([str(older["since"])] if older else [])
    detail = _short_job_lists_text(
        [(entry["id"], entry["missing"]) for entry in entries], older["runs"] if older else 0
    )
    gap = {
        "kind": str(GapKind.JOB_LISTS), "detail": detail, "since": min(moments), "until": max(moments),
        "runs": entries, "older": older,
    }  # fmt: skip
    state.gaps = [*others, gap]


def _short_job_lists_text(short: Sequence[tuple[int, int]], more: int) -> str:
    """`short` are (run id, missing jobs) pairs, 0 where GitHub lists none of the run's jobs; `more` further runs."""
    missing = sum(jobs for _, jobs in short)
    which = [f"run {run_id}: {pluralize(jobs, 'job') if jobs else 'no job listed'}" for run_id, jobs in short[:3]]
    left = len(short) - len(which) + more
    which += [f"and {pluralize(left, 'more run', 'more runs')}"] if left else []
    total = f"{pluralize(missing, 'job')} missing" if missing else "jobs missing"
    return (
        f"GitHub lists fewer jobs than it counts: {total} in {pluralize(len(short) + more, 'run')} ({', '.join(which)})"
    )
