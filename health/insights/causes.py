"""Counts a day, for little charts.

Why runs fail: error lines of failed jobs, clustered. They stay when GitHub has deleted the logs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from core import terminal
from db.definitions.scope import Scope, Window, bucket_start
from db.enums import Interval
from db.logs.log_queries import failure_cause
from db.runs.run_queries import RunRow
from health.completeness.service import PeriodCompleteness
from health.insights import finding_queries
from health.insights.finding_queries import FailedJob
from health.insights.fingerprints import clusters, is_current, normalize
from health.insights.fingerprints import fingerprint as make_fingerprint
from health.metrics.branch_status import failing_streaks
from health.metrics.queries.names import Names
from health.metrics.service import was_collected


def daily_counts(times: Iterable[datetime], window: Window) -> list[int]:
    """One count for each day (UTC) that the window touches."""
    days = dict.fromkeys(window.buckets(Interval.DAY), 0)
    for moment in times:
        day = bucket_start(moment, Interval.DAY)
        if day in days:
            days[day] += 1
    return list(days.values())


MAX_JOBS = 20_000


@dataclass(frozen=True)
class Cause:
    """One cause. `fingerprint` is that of its most frequent line, `line` as it stood in the newest log. `open`: it is
    the cause of a workflow that is broken on its default branch now. `workflows`: repository, name, id. `first_at` and
    `last_at`: the first and the last stored run of the scope that failed of it, in the window or not. `runs_before`: in
    the period before, null where that was not collected. All else is of the window."""

    fingerprint: str
    line: str
    jobs: int
    runs: int
    repos: list[str]
    workflows: list[tuple[str, str, int]]
    first_at: datetime
    last_at: datetime
    last_run_id: int
    last_job_id: int
    by_day: list[int]
    open: bool
    runs_before: int | None = None


@dataclass(frozen=True)
class Causes:
    """The most frequent first. `looked_at`: failed jobs with a cause; `unnamed`: failed runs whose logs name none.
    `cut`: there are more jobs than were looked at, the newest 20,000. `total`: causes found, listed or not."""

    items: list[Cause]
    looked_at: int
    unnamed: int
    truncated: bool
    total: int


@dataclass(frozen=True)
class CauseRuns:
    """A cause, and its runs with the line of each, newest first. `cut` as in Causes. `attempts`: in which attempt the
    job failed, by its id; a later one may have passed."""

    cause: Cause
    runs: list[tuple[RunRow, FailedJob]]
    truncated: bool
    attempts: dict[int, int]


@dataclass(frozen=True)
class RunCause:
    """Why one attempt of a run failed, and how many stored runs in how many workflows failed with the very same cause,
    this one among them, since when."""

    fingerprint: str
    line: str
    runs: int
    workflows: int
    first_at: datetime


def cause_of_run(session: Session, run_id: int, attempt: int) -> RunCause | None:
    """Null where the attempt did not fail, or no cause of it is known that other runs could share."""
    line, fingerprint = failure_cause(session, run_id, attempt)
    found = finding_queries.cause_spread(session, Scope(), fingerprint) if fingerprint else None
    if line is None or fingerprint is None or found is None:
        return None
    return RunCause(fingerprint, line, found.runs, found.workflows, found.first_at)


def causes(
    session: Session,
    scope: Scope,
    window: Window,
    now: datetime,
    *,
    limit: int | None = None,
    periods: PeriodCompleteness | None = None,
) -> Causes:
    """All of them without a `limit`."""
    found, cut = _failed_jobs(session, scope, window)
    unnamed = finding_queries.failures_without_cause(session, scope, window)
    broken = {run.id for streak in failing_streaks(session, scope, now) for run in streak.runs[-1:]}
    names, grouped = Names(session), _group_by_cluster(found)
    items = [_cause(names, key, jobs, window, broken) for key, jobs in grouped.items()]
    items.sort(key=lambda each: (-each.runs, -each.last_at.timestamp()))
    listed = _with_previous_counts(
        session, scope, window, _with_history(session, scope, items[:limit], grouped), grouped, periods
    )
    return Causes(listed, len(found), unnamed, cut, len(items))


def cause_runs(
    session: Session, fingerprint: str, scope: Scope, window: Window, now: datetime, *, limit: int = 50
) -> CauseRuns | None:
    """Null where nothing in the window has this cause."""
    looked_at, cut = _failed_jobs(session, scope, window)
    found = _group_by_cluster(looked_at)
    key = next(
        (
            key
            for key, jobs in found.items()
            if any(fingerprint in (job.fingerprint, job.stored_fingerprint) for job in jobs)
        ),
        None,
    )
    if key is None:
        return None
    jobs = {job.run_id: job for job in reversed(found[key])}
    broken = {run.id for streak in failing_streaks(session, scope, now) for run in streak.runs[-1:]}
    (cause,) = _with_history(session, scope, [_cause(Names(session), key, found[key], window, broken)], found)
    newest = sorted(jobs, key=lambda run_id: jobs[run_id].created_at, reverse=True)[:limit]
    attempts = finding_queries.attempts_by_job(session, [jobs[run_id] for run_id in newest])
    runs = [(run, jobs[run.id]) for run in finding_queries.list_runs_by_id(session, newest)]
    return CauseRuns(cause, runs, cut, attempts)


def _failed_jobs(session: Session, scope: Scope, window: Window) -> tuple[list[FailedJob], bool]:
    """The newest, and whether there are more. Fingerprints of earlier rules are made anew from the line: the collector
    does the same with those that are stored, which takes a moment after an upgrade."""
    found = finding_queries.list_failed_jobs(session, scope, window, limit=MAX_JOBS + 1)
    return [_with_current_fingerprint(job) for job in found[:MAX_JOBS]], len(found) > MAX_JOBS


def _with_current_fingerprint(job: FailedJob) -> FailedJob:
    named = None if is_current(job.fingerprint) else make_fingerprint(job.line)
    return replace(job, fingerprint=named, stored_fingerprint=job.fingerprint) if named else job


def _group_by_cluster(found: Sequence[FailedJob]) -> dict[str, list[FailedJob]]:
    """Jobs, newest first, by the fingerprint that names their cluster."""
    counted = Counter(job.fingerprint for job in found)
    lines = {job.fingerprint: job.line for job in reversed(found)}
    ranked = [(key, normalize(lines[key])) for key, _ in sorted(counted.items(), key=lambda each: (-each[1], each[0]))]
    name_of = {key: cluster.fingerprints[0] for cluster in clusters(ranked) for key in cluster.fingerprints}
    grouped: dict[str, list[FailedJob]] = defaultdict(list)
    for job in found:
        grouped[name_of[job.fingerprint]].append(job)
    return grouped


def _with_history(
    session: Session, scope: Scope, found: Sequence[Cause], grouped: dict[str, list[FailedJob]]
) -> list[Cause]:
    """With the times of all their lines, those before and after the window too."""
    lines = {each.fingerprint: {job.fingerprint for job in grouped[each.fingerprint]} for each in found}
    seen = finding_queries.first_and_last_seen(session, scope, set().union(*lines.values()))
    return [
        replace(
            each,
            first_at=min([each.first_at, *(seen[key][0] for key in lines[each.fingerprint] if key in seen)]),
            last_at=max([each.last_at, *(seen[key][1] for key in lines[each.fingerprint] if key in seen)]),
        )
        for each in found
    ]


def _with_previous_counts(
    session: Session,
    scope: Scope,
    window: Window,
    found: Sequence[Cause],
    grouped: dict[str, list[FailedJob]],
    periods: PeriodCompleteness | None,
) -> list[Cause]:
    """With their runs in the period before."""
    if not was_collected(session, scope, window, periods=periods):
        return list(found)
    cause_of = {job.fingerprint: each.fingerprint for each in found for job in grouped[each.fingerprint]}
    runs: dict[str, set[int]] = defaultdict(set)
    for line, run_id in finding_queries.runs_by_fingerprint(session, scope, window.before(), cause_of.keys()):
        runs[cause_of[line]].add(run_id)
    return [replace(each, runs_before=len(runs[each.fingerprint])) for each in found]


def _cause(names: Names, key: str, jobs: Sequence[FailedJob], window: Window, broken: set[int]) -> Cause:
    runs = {job.run_id: job.created_at for job in jobs}
    keys = dict.fromkeys((job.repository_id, job.workflow_id) for job in jobs)
    places = [(names.repository(key[0]) or "", names.workflow(key), key[1]) for key in keys]
    return Cause(
        fingerprint=key,
        line=terminal.rendered_line(jobs[0].line),
        jobs=len(jobs),
        runs=len(runs),
        repos=list(dict.fromkeys(repo for repo, _, _ in places)),
        workflows=places,
        first_at=jobs[-1].created_at,
        last_at=jobs[0].created_at,
        last_run_id=jobs[0].run_id,
        last_job_id=jobs[0].job_id,
        by_day=daily_counts(runs.values(), window),
        open=not broken.isdisjoint(runs),
    )
