"""The list of items that need attention, failure causes, regressions and flaky workflows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.data.caching import cache_data, cache_resource
from app.data.causes import marks_version
from app.data.connection import read_session
from app.data.outages import serve_stale
from db.definitions.scope import Scope, Window
from db.enums import Interval
from db.logs.log_queries import JobLogRow
from db.runs.run_queries import RunRow
from health.alerts import attention as attention_list
from health.insights import flaky as flaky_workflows
from health.insights import flaky_cases as evidence
from health.insights import regressions as regression_detector
from health.insights.causes import attempt_causes as causes_of_attempt
from health.insights.causes import evidence_queries
from health.insights.causes import queries as failure_causes
from health.insights.causes.cause_context import CauseContext
from health.insights.causes.cause_context import cause_context as compute_context
from health.insights.causes.triage import current_fingerprint

# The days of the history of a failure cause.
_HISTORY = timedelta(days=30)


def attention(scope: Scope, now: datetime, version: int) -> list[attention_list.Attention]:
    return _attention(scope, now, version, marks_version())


@serve_stale
@cache_resource(ttl=60, max_entries=64)
def _attention(
    scope: Scope, now: datetime, version: int, marks: tuple[int, datetime | None]
) -> list[attention_list.Attention]:
    known_regressions = regressions(scope, now)
    with read_session() as session:
        return attention_list.attention(session, scope, now, known_regressions=known_regressions)


def clear_attention() -> None:
    """After a change of alerts, which has no data version."""
    _attention.clear()


def regressions(scope: Scope, now: datetime) -> list[regression_detector.Regression]:
    return _regressions(scope, regression_detector.evaluation_time(now))


@serve_stale
@cache_resource(ttl=1200, max_entries=64)
def _regressions(scope: Scope, now: datetime) -> list[regression_detector.Regression]:
    with read_session() as session:
        return regression_detector.regressions(session, scope, now)


def causes(
    scope: Scope, window: Window, now: datetime, version: int, interval: Interval = Interval.DAY
) -> failure_causes.Causes:
    """`interval`: that of the trend."""
    return _causes(scope, window, now, version, interval, marks_version())


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def _causes(
    scope: Scope, window: Window, now: datetime, version: int, interval: Interval, marks: tuple[int, datetime | None]
) -> failure_causes.Causes:
    with read_session() as session:
        return failure_causes.causes(session, scope, window, now, interval=interval)


def cause_summary(
    scope: Scope, window: Window, now: datetime, version: int, interval: Interval = Interval.DAY
) -> failure_causes.CauseSummary:
    """Key figures of `causes` with the same arguments."""
    return _cause_summary(scope, window, now, version, interval, marks_version())


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def _cause_summary(
    scope: Scope, window: Window, now: datetime, version: int, interval: Interval, marks: tuple[int, datetime | None]
) -> failure_causes.CauseSummary:
    return failure_causes.summarize(_causes(scope, window, now, version, interval, marks), window)


def cause_runs(
    fingerprint: str, scope: Scope, window: Window, now: datetime, version: int
) -> failure_causes.CauseRuns | None:
    return _cause_runs(fingerprint, scope, window, now, version, marks_version())


@serve_stale
@cache_data(ttl=300, max_entries=64)
def has_cause(fingerprint: str, version: int) -> bool:
    """Whether any stored job has the cause, in whatever period."""
    with read_session() as session:
        return current_fingerprint(session, fingerprint) is not None


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def _cause_runs(
    fingerprint: str,
    scope: Scope,
    window: Window,
    now: datetime,
    version: int,
    marks: tuple[int, datetime | None],
) -> failure_causes.CauseRuns | None:
    with read_session() as session:
        return failure_causes.cause_runs(session, fingerprint, scope, window, now)


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def cause_context(
    fingerprint: str, scope: Scope, window: Window, now: datetime, zone: ZoneInfo, version: int
) -> CauseContext | None:
    known = cause_runs(fingerprint, scope, window, now, version)
    if known is None:
        return None
    with read_session() as session:
        return compute_context(session, known.failed_jobs, scope, window, zone)


def attempt_causes(
    run: RunRow, attempt: int, failures: Sequence[tuple[JobLogRow, Sequence[str]]], now: datetime, version: int
) -> dict[int, causes_of_attempt.JobEvidence]:
    """The evidence about failures of one attempt, by job id: of the job of a log and other jobs with these names."""
    if not failures:
        return {}
    jobs = tuple((row.job_id, (row.name, *others)) for row, others in failures)
    return _attempt_causes(run, failures[0][0].repository_id, attempt, jobs, now, version)


@serve_stale
@cache_resource(ttl=60, max_entries=64)
def _attempt_causes(
    run: RunRow,
    repository_id: int,
    attempt: int,
    jobs: tuple[tuple[int, tuple[str, ...]], ...],
    now: datetime,
    version: int,
) -> dict[int, causes_of_attempt.JobEvidence]:
    with read_session() as session:
        return causes_of_attempt.attempt_causes(session, run, repository_id, attempt, dict(jobs), now)


@serve_stale
@cache_resource(ttl=60, max_entries=1)
def has_outdated_causes(version: int) -> bool:
    """Whether the collector has to extract stored causes of an earlier version again."""
    with read_session() as session:
        return evidence_queries.has_outdated_causes(session)


@serve_stale
@cache_resource(ttl=300, max_entries=256)
def cause_by_day(fingerprint: str, now: datetime, version: int) -> list[int]:
    """The number of runs with a cause on each of the last days (UTC); empty if counting them takes too long."""
    with read_session() as session:
        return failure_causes.runs_by_day(session, fingerprint, Window(now - _HISTORY, now))


@serve_stale
@cache_resource(ttl=60, max_entries=256)
def attempt_evidence(run_id: int, version: int) -> list[evidence.AttemptEvidence]:
    with read_session() as session:
        return evidence.attempt_evidence(session, run_id)


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def flaky_cases(scope: Scope, window: Window, version: int) -> evidence.FlakyCases:
    with read_session() as session:
        return evidence.flaky_cases(session, scope, window)


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def same_commit_cases(scope: Scope, window: Window, version: int) -> evidence.SameCommitCases:
    with read_session() as session:
        return evidence.same_commit_cases(session, scope, window)


@serve_stale
@cache_resource(ttl=300, max_entries=64)
def flaky(scope: Scope, window: Window, version: int) -> flaky_workflows.FlakyWorkflows:
    with read_session() as session:
        return flaky_workflows.flaky_workflows(session, scope, window)
