"""Job lists of finished runs that hold fewer jobs than GitHub counts: when to ask again, and the gap that says so.

Right after a run's end its list can be short or empty while `total_count` is right (280 jobs: more than 30 s)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.metrics.phrases import counted
from db.models import Attempt, Job, Run
from db.store.records import DetailsRecord
from db.store.sync_state import sync_state
from db.vocabulary import Conclusion, GapKind, Status

# How long after a run's end GitHub may still change its jobs; after that they are taken as they are.
SETTLE = timedelta(minutes=15)
# After the settle time a short list is asked for again when this much has passed since the last answer.
RELOOK_AFTER = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
# Runs that the gap of a repository names one by one, newest first; of older ones only the number is kept.
_NAMED = 200
# Runs that can end before any of their jobs exists.
_WITHOUT_JOBS = (None, Conclusion.STARTUP_FAILURE, Conclusion.ACTION_REQUIRED, Conclusion.SKIPPED, Conclusion.STALE)


@dataclass(frozen=True)
class JobList:
    """What an answer says of one run's list. `missing`: jobs that GitHub counts and that are not stored; `empty`: no
    job of the latest attempt is listed yet; `settled`: the run is not asked for again now."""

    run_id: int
    created_at: datetime
    missing: int
    empty: bool
    settled: bool

    @property
    def short(self) -> bool:
        return self.missing > 0 or self.empty


def job_list_of(run: Run, attempts: Sequence[Attempt], jobs: Sequence[Job], detail: DetailsRecord) -> JobList:
    """Runs in progress are looked at again because they are unfinished; their lists are never short or pending."""
    if run.status != Status.COMPLETED:
        return JobList(run.id, run.created_at, 0, empty=False, settled=True)
    stale = not detail.over or (detail.attempt or run.attempt) < run.attempt
    missing = max((detail.job_count or 0) - len(jobs), 0)
    latest = [job for job in jobs if job.attempt == run.attempt]
    past = _past_settling(run, attempts, detail.fetched_at)
    # Runs that were cancelled in the queue or whose file is invalid have no job: an empty list is taken in the end.
    empty = not latest and not past and run.conclusion not in _WITHOUT_JOBS
    final = not missing and not empty and all(job.status == Status.COMPLETED for job in latest)
    return JobList(run.id, run.created_at, missing, empty, settled=not stale and (past or final))


def _past_settling(run: Run, attempts: Sequence[Attempt], now: datetime) -> bool:
    """Not by the last known job's end alone: where the last job is the missing one, that may be hours ago."""
    ends = [run.completed_at, *(each.first_completed_at for each in attempts if each.attempt == run.attempt)]
    end = max((end for end in ends if end), default=None)
    return end is not None and now - end > SETTLE


def note_job_lists(session: Session, repository_id: int, lists: Collection[JobList], now: datetime) -> None:
    """Keeps the repository's gap of short lists: adds those of `lists` that are short, drops those that are whole."""
    short = {each.run_id: each for each in lists if each.short}
    known = _gap(sync_state(session, repository_id).gaps)
    if not short and not (known and {entry["id"] for entry in known["runs"]} & {each.run_id for each in lists}):
        return
    session.flush()
    state = sync_state(session, repository_id, lock=True)
    known = _gap(state.gaps)
    entries = {entry["id"]: entry for entry in known["runs"]} if known else {}
    for each in lists:
        before = entries.pop(each.run_id, None)
        if each.short:
            looks = (before["looks"] if before else 0) + each.settled
            entries[each.run_id] = {
                "id": each.run_id, "created_at": each.created_at.isoformat(), "missing": each.missing,
                "looks": looks, "looked_at": now.isoformat(),
            }  # fmt: skip
    _replace(state, list(entries.values()), known["older"] if known else None)


def due_job_lists(session: Session, repository_id: int, now: datetime) -> list[int]:
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
    if not 1 <= looks <= len(RELOOK_AFTER):
        return False
    return now - datetime.fromisoformat(entry["looked_at"]) >= RELOOK_AFTER[looks - 1]


def _gap(gaps: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((gap for gap in gaps if gap["kind"] == GapKind.JOB_LISTS), None)


def _replace(state: Any, entries: list[dict[str, Any]], older: dict[str, Any] | None) -> None:
    """`older` counts runs that are no longer named: {"runs", "since"}."""
    entries.sort(key=lambda entry: str(entry["created_at"]), reverse=True)
    for entry in entries[_NAMED:]:
        since = min(entry["created_at"], older["since"]) if older else entry["created_at"]
        older = {"runs": (older["runs"] if older else 0) + 1, "since": since}
    entries = entries[:_NAMED]
    others = [gap for gap in state.gaps if gap["kind"] != GapKind.JOB_LISTS]
    if not entries and not older:
        state.gaps = others
        return
    moments = [str(entry["created_at"]) for entry in entries] + ([str(older["since"])] if older else [])
    detail = job_lists_line([(entry["id"], entry["missing"]) for entry in entries], older["runs"] if older else 0)
    gap = {
        "kind": str(GapKind.JOB_LISTS), "detail": detail, "since": min(moments), "until": max(moments),
        "runs": entries, "older": older,
    }  # fmt: skip
    state.gaps = [*others, gap]


def job_lists_line(short: Sequence[tuple[int, int]], more: int) -> str:
    """`short` are (run id, missing jobs) pairs, 0 where GitHub lists none of the run's jobs; `more` further runs."""
    missing = sum(jobs for _, jobs in short)
    which = [f"run {run_id}: {counted(jobs, 'job') if jobs else 'no job listed'}" for run_id, jobs in short[:3]]
    left = len(short) - len(which) + more
    which += [f"and {counted(left, 'more run', 'more runs')}"] if left else []
    total = f"{counted(missing, 'job')} missing" if missing else "jobs missing"
    return (
        f"GitHub lists fewer jobs than it counts: {total} in {counted(len(short) + more, 'run')} ({', '.join(which)})"
    )
