"""Failure causes: clusters of the error lines of failed jobs. They are kept after GitHub has deleted the logs."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import terminal
from db.definitions.scope import Scope, Window, bucket_start
from db.enums import Interval
from db.logs.cause_writes import current_fingerprints
from db.models import CauseTriage
from db.runs.run_queries import RunRow
from db.time_limit import TimeLimitExceeded, time_limit
from health.completeness.service import PeriodCompleteness
from health.insights import finding_queries
from health.insights.causes.cause_context import first_run
from health.insights.causes.class_trend import ClassCount, ClassPoint, class_trend, count_classes
from health.insights.causes.extraction import cause_of_line
from health.insights.causes.identity import fingerprint as make_fingerprint
from health.insights.causes.identity import has_subject, is_current, line_identity
from health.insights.causes.model import CauseClass, stored_class
from health.insights.causes.triage import Triage, TriageState, known_causes
from health.insights.finding_queries import CauseOccurrence
from health.insights.fingerprints import EARLIER_LENGTH, clusters, earlier_fingerprint
from health.metrics.branch_status import Streak, failing_streaks
from health.metrics.queries.names import Names
from health.metrics.service import failures_without_cause, was_collected


def daily_counts(times: Iterable[datetime], window: Window) -> list[int]:
    """The number of times on each day (UTC) that overlaps the window."""
    return _counts(times, _day_indices(window))


def _day_indices(window: Window) -> dict[datetime, int]:
    return {day: index for index, day in enumerate(window.buckets(Interval.DAY))}


def _counts(times: Iterable[datetime], days: dict[datetime, int]) -> list[int]:
    """`days`: the index of each day, which thousands of causes share."""
    counts = [0] * len(days)
    for time in times:
        index = days.get(bucket_start(time, Interval.DAY))
        if index is not None:
            counts[index] += 1
    return counts


MAX_JOBS, MAX_CAUSES = 20_000, 40_000
# Of a line whose class is not stored yet; annotations of the runner have no limit.
_MAX_LINE = 2_000
# Seconds for the runs of one cause by day, which a page can do without.
_TIME_LIMIT = 1.5


@dataclass(frozen=True)
class Cause:
    """`fingerprint` is that of the most frequent line; `line`, its place, its class `kind`, tool, subject and message
    are from the newest log. `tool` is empty if no rule recognises the line. `known` is the mark by a user. `workflows`
    are tuples of repository, name and id. `first_at` and `last_at` are of the first and the last stored run of the
    scope with this cause, in the window or not. `open`: a workflow currently fails with it on its default branch.
    `runs_before` counts the runs of the previous period; null where it was not collected. All other values are of the
    window."""

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
    kind: str = CauseClass.UNKNOWN
    tool: str = ""
    subject: str | None = None
    message: str = ""
    line_number: int | None = None
    known: Triage | None = None


@dataclass(frozen=True)
class Causes:
    """`items` are sorted by frequency, most frequent first; `total` also counts those that are not listed. `looked_at`
    is the number of failed jobs with a cause, `unnamed` that of failed runs without one, null while causes of stored
    logs are not extracted yet. `truncated`: only the newest `looked_at` jobs were evaluated, at most 20,000 with 40,000
    causes, of which the oldest run was created at `since`, null if all were. `trend`: runs by class over time, and
    `classes`: counts by class, those with most jobs first, of all causes."""

    items: list[Cause]
    looked_at: int
    unnamed: int | None
    truncated: bool
    total: int
    trend: list[ClassPoint] = field(default_factory=list)
    classes: list[ClassCount] = field(default_factory=list)
    since: datetime | None = None


@dataclass(frozen=True)
class CauseSummary:
    """Key figures of the causes of a window: their number, those that were first seen in it, those that no user has
    marked as known, and those of the latter with which a default branch currently fails. `by_day` is the number of
    untriaged causes on each day (UTC)."""

    total: int
    new: int
    untriaged: int
    untriaged_open: int
    by_day: list[int]


def summarize(causes: Causes, window: Window) -> CauseSummary:
    """`causes` without a limit."""
    untriaged = [cause for cause in causes.items if cause.known is None]
    return CauseSummary(
        total=causes.total,
        new=sum(cause.first_at >= window.since for cause in causes.items),
        untriaged=len(untriaged),
        untriaged_open=sum(cause.known is None and cause.open for cause in causes.items),
        by_day=[sum(map(bool, counts)) for counts in zip(*(cause.by_day for cause in untriaged), strict=True)],
    )


@dataclass(frozen=True)
class CauseRuns:
    """A cause and its runs, newest first, each with the failed job. `truncated` as in Causes. `attempts` is the attempt
    in which a job failed, by job id; a later attempt may have passed. `job_names` are the names of the jobs by id.
    `failed_jobs` are all failed jobs of the window with the cause, newest first, and `first_run` is the first stored
    run of the scope with it, in the window or not. `streaks`: those of the default branches whose last completed run
    failed with the cause, the longest first. `looked_at` and `since` as in Causes."""

    cause: Cause
    runs: list[tuple[RunRow, CauseOccurrence]]
    truncated: bool
    attempts: dict[int, int]
    job_names: dict[int, str]
    failed_jobs: list[CauseOccurrence]
    first_run: RunRow | None
    streaks: list[Streak] = field(default_factory=list)
    looked_at: int = 0
    since: datetime | None = None


def runs_by_day(session: Session, fingerprint: str, window: Window) -> list[int]:
    """The number of runs with a cause on each day (UTC) of the window, over all repositories; empty if counting them
    takes too long."""
    try:
        with time_limit(session, _TIME_LIMIT):
            times = finding_queries.run_times_of_cause(session, Scope(), window, fingerprint, limit=MAX_JOBS)
    except TimeLimitExceeded:
        return []
    return daily_counts(times, window)


def causes(
    session: Session,
    scope: Scope,
    window: Window,
    now: datetime,
    *,
    limit: int | None = None,
    periods: PeriodCompleteness | None = None,
    interval: Interval = Interval.DAY,
    classes: Collection[str] = (),
    triage: TriageState | None = None,
) -> Causes:
    """The failure causes of the window. Without a `limit` all are listed; with `classes` and `triage`, only causes of
    these classes and of this state, which changes no other figures. `interval`: that of the trend."""
    failed_jobs, truncated = _failed_jobs(session, scope, window)
    unnamed = failures_without_cause(session, scope, window)
    failing = {streak.last_failure.id for streak in failing_streaks(session, scope, now)}
    names, grouped = Names(session), _group_by_cluster(failed_jobs)
    days = _day_indices(window)
    items = [_cause(names, key, jobs, days, failing) for key, jobs in grouped.items()]
    items.sort(key=lambda cause: (-cause.runs, -cause.last_at.timestamp()))
    items = _with_marks(session, items, grouped, now)
    selected = [
        cause
        for cause in items
        if (not classes or cause.kind in classes)
        and (triage is None or (cause.known is not None) == (triage is TriageState.KNOWN))
    ]
    listed = _with_history(session, scope, selected[:limit], grouped)
    listed = _with_previous_counts(session, scope, window, listed, grouped, periods)
    # Bars and counts lead to the causes of their class: the jobs of a cause have its class.
    members = [(cause.kind, job) for cause in items for job in grouped[cause.fingerprint]]
    trend = class_trend(((kind, job.run_id, job.created_at) for kind, job in members), window, interval)
    unshared = finding_queries.list_unshared_causes(session, scope, window, limit=MAX_JOBS)
    failures = [(kind, job.job_id, job.run_id) for kind, job in members]
    counts = count_classes((cause.kind for cause in items), [*failures, *unshared])
    jobs = len({job.job_id for job in failed_jobs})
    since = failed_jobs[-1].created_at if truncated else None
    return Causes(listed, jobs, unnamed, truncated, len(selected), trend, counts, since)


def cause_runs(
    session: Session, fingerprint: str, scope: Scope, window: Window, now: datetime, *, limit: int = 50
) -> CauseRuns | None:
    """The runs of one cause; null where the window has none. The fingerprint can be one of an earlier version."""
    failed_jobs, truncated = _failed_jobs(session, scope, window)
    grouped = _group_by_cluster(failed_jobs)
    key = _find_cause(grouped, fingerprint)
    if key is None:
        key = _find_cause(grouped, current_fingerprints(session, [fingerprint]).get(fingerprint, ""))
    if key is None:
        return None
    jobs = {job.run_id: job for job in reversed(grouped[key])}
    streaks = [streak for streak in failing_streaks(session, scope, now) if streak.last_failure.id in jobs]
    failing = {streak.last_failure.id for streak in streaks}
    cause = _cause(Names(session), key, grouped[key], _day_indices(window), failing)
    (cause,) = _with_history(session, scope, [cause], grouped)
    (cause,) = _with_marks(session, [cause], grouped, now)
    newest = sorted(jobs, key=lambda run_id: jobs[run_id].created_at, reverse=True)[:limit]
    details = finding_queries.job_details(session, [jobs[run_id] for run_id in newest])
    runs = [(run, jobs[run.id]) for run in finding_queries.list_runs_by_id(session, newest)]
    attempts = {job_id: attempt for job_id, (attempt, _) in details.items()}
    names = {job_id: name for job_id, (_, name) in details.items()}
    fingerprints = {item for job in grouped[key] for item in (job.fingerprint, job.stored_fingerprint) if item}
    first = first_run(session, scope, fingerprints)
    looked_at = len({job.job_id for job in failed_jobs})
    since = failed_jobs[-1].created_at if truncated else None
    return CauseRuns(cause, runs, truncated, attempts, names, grouped[key], first, streaks, looked_at, since)


def _failed_jobs(session: Session, scope: Scope, window: Window) -> tuple[list[CauseOccurrence], bool]:
    """The newest failed jobs, and whether there are more. Fingerprints of earlier rules are recomputed from the line;
    after an upgrade, the collector needs some time to do that with the stored ones."""
    limits = {"limit": MAX_JOBS + 1, "max_causes": MAX_CAUSES + 1}
    jobs = finding_queries.list_failed_jobs(session, scope, window, **limits)
    ids = dict.fromkeys(job.job_id for job in jobs)
    is_truncated = len(ids) > MAX_JOBS or len(jobs) > MAX_CAUSES
    omitted = next(reversed(ids)) if is_truncated else None
    return [_with_current_fingerprint(job) for job in jobs if job.job_id != omitted], is_truncated


def _with_current_fingerprint(job: CauseOccurrence) -> CauseOccurrence:
    current = None if job.kind or is_current(job.fingerprint) else make_fingerprint(job.line)
    return replace(job, fingerprint=current, stored_fingerprint=job.fingerprint) if current else job


def _has_fingerprint(job: CauseOccurrence, fingerprint: str) -> bool:
    """Whether a job has a fingerprint, which may be one of earlier rules: those are in old links."""
    if len(fingerprint) == EARLIER_LENGTH:
        return fingerprint == job.stored_fingerprint or earlier_fingerprint(job.line) == fingerprint
    return fingerprint in (job.fingerprint, job.stored_fingerprint)


def _find_cause(grouped: dict[str, list[CauseOccurrence]], fingerprint: str) -> str | None:
    """The key of the group with a fingerprint; null without one."""
    if fingerprint in grouped:
        return fingerprint
    return next((key for key, jobs in grouped.items() if any(_has_fingerprint(job, fingerprint) for job in jobs)), None)


def _compared_text(job: CauseOccurrence) -> str:
    """The text by which a cause is compared with others; one with a subject equals only itself. Lines around it in the
    log can name the subject: then its fingerprint is not that of the line alone. Recognising the lines of thousands of
    causes takes seconds: it is needed only while their subjects are not stored."""
    if job.subject:
        return job.fingerprint
    is_named = has_subject(job.line) or make_fingerprint(job.line) != job.fingerprint
    return job.fingerprint if is_named else line_identity(job.line)


def _group_by_cluster(failed_jobs: Sequence[CauseOccurrence]) -> dict[str, list[CauseOccurrence]]:
    """The jobs, newest first, by the most frequent fingerprint of their cluster."""
    counted = Counter(job.fingerprint for job in failed_jobs)
    newest = {job.fingerprint: job for job in reversed(failed_jobs)}
    most_frequent_first = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ranked = [(key, _compared_text(newest[key])) for key, _ in most_frequent_first]
    name_of = {key: cluster.fingerprints[0] for cluster in clusters(ranked) for key in cluster.fingerprints}
    grouped: dict[str, list[CauseOccurrence]] = defaultdict(list)
    for job in failed_jobs:
        grouped[name_of[job.fingerprint]].append(job)
    return grouped


def _with_history(
    session: Session, scope: Scope, items: Sequence[Cause], grouped: dict[str, list[CauseOccurrence]]
) -> list[Cause]:
    """The causes with the times of the first and last stored run, inside or outside of the window."""
    fingerprints = {cause.fingerprint: {job.fingerprint for job in grouped[cause.fingerprint]} for cause in items}
    times = finding_queries.first_and_last_seen(session, scope, set().union(*fingerprints.values()))
    return [_extend(cause, [times[key] for key in fingerprints[cause.fingerprint] if key in times]) for cause in items]


def _with_marks(
    session: Session, items: Sequence[Cause], grouped: dict[str, list[CauseOccurrence]], now: datetime
) -> list[Cause]:
    """The causes with their marks. A mark on any fingerprint of a cause is one of the cause."""
    if not known_causes(session, None, now):
        return list(items)
    cause_of = {
        fingerprint: cause.fingerprint
        for cause in items
        for job in grouped[cause.fingerprint]
        for fingerprint in (job.stored_fingerprint, job.fingerprint)
        if fingerprint
    }
    marks = known_causes(session, cause_of, now)
    known = {cause_of[fingerprint]: mark for fingerprint, mark in marks.items()}
    return [
        replace(cause, known=marks.get(cause.fingerprint) or known[cause.fingerprint])
        if cause.fingerprint in known
        else cause
        for cause in items
    ]


def marks_version(session: Session) -> tuple[int, datetime | None]:
    """Changes with each change of a mark: the number of marks, and the time of the last change."""
    number, changed_at = session.execute(select(func.count(), func.max(CauseTriage.updated_at))).one()
    return number, changed_at


def _extend(cause: Cause, times: Sequence[tuple[datetime, datetime]]) -> Cause:
    return replace(
        cause,
        first_at=min([cause.first_at, *(first for first, _ in times)]),
        last_at=max([cause.last_at, *(last for _, last in times)]),
    )


def _with_previous_counts(
    session: Session,
    scope: Scope,
    window: Window,
    items: Sequence[Cause],
    grouped: dict[str, list[CauseOccurrence]],
    periods: PeriodCompleteness | None,
) -> list[Cause]:
    """The causes with their runs in the previous period."""
    if not was_collected(session, scope, window, periods=periods):
        return list(items)
    cause_of = {job.fingerprint: cause.fingerprint for cause in items for job in grouped[cause.fingerprint]}
    runs: dict[str, set[int]] = defaultdict(set)
    for fingerprint, run_id in finding_queries.runs_by_fingerprint(session, scope, window.before(), cause_of.keys()):
        runs[cause_of[fingerprint]].add(run_id)
    return [replace(cause, runs_before=len(runs[cause.fingerprint])) for cause in items]


def _cause(
    names: Names, key: str, jobs: Sequence[CauseOccurrence], days: dict[datetime, int], failing: set[int]
) -> Cause:
    runs = {job.run_id: job.created_at for job in jobs}
    keys = dict.fromkeys((job.repository_id, job.workflow_id) for job in jobs)
    workflows = [(names.repository(key[0]) or "", names.workflow(key), key[1]) for key in keys]
    newest, named = jobs[0], None if jobs[0].kind else cause_of_line(jobs[0].line[:_MAX_LINE])
    return Cause(
        fingerprint=key,
        line=terminal.rendered_line(jobs[0].line),
        jobs=len({job.job_id for job in jobs}),
        runs=len(runs),
        repos=list(dict.fromkeys(repo for repo, _, _ in workflows)),
        workflows=workflows,
        first_at=jobs[-1].created_at,
        last_at=jobs[0].created_at,
        last_run_id=jobs[0].run_id,
        last_job_id=jobs[0].job_id,
        by_day=_counts(runs.values(), days),
        open=not failing.isdisjoint(runs),
        kind=named.kind if named else stored_class(newest.kind or ""),
        tool=named.tool if named else newest.tool or "",
        subject=named.subject if named else newest.subject,
        message=terminal.rendered_line((named.message if named else newest.message) or ""),
        line_number=newest.line_number,
    )
