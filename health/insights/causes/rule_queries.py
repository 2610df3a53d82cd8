"""Queries of the preview and the application of own rules: failed jobs and what is stored of their logs."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal_column, or_, select
from sqlalchemy.orm import Session

from db.definitions.records import CauseRecord
from db.definitions.scope import Window
from db.enums import CauseSource, LogState
from db.jobs.decisive_failures import has_causes
from db.logs.log_queries import readable_text
from db.logs.pending_logs import failed_step
from db.models import Attempt, Job, JobCause, JobLog, Repository, Run
from db.sql import execute, key_table
from db.time_limit import TimeLimitExceeded, time_limit
from health.insights.causes.job_causes import FailedJob, cause_of_text, cause_records
from health.insights.causes.rule_causes import Causes, match_excerpt, match_log, without_rules
from health.insights.causes.rules import CauseRule, RuleMatch, RuleSet, trigram_alternatives
from health.insights.causes.step_output import output_of_lines
from health.log_search.candidates import Limits, find_candidates
from health.log_search.index import microseconds

# Seconds of each query that reads the jobs of the entire window.
_TIME_LIMIT = 2.0
Key = tuple[int, int]
IS_STORED = JobLog.state == LogState.STORED
# Of a log without a text, its excerpt or its error line can remain.
HAS_EXCERPT = and_(JobLog.state != LogState.STORED, JobLog.error_line.is_not(None))
_REPLACES_ANNOTATION = and_(JobCause.source == CauseSource.RULE, JobCause.line_number.is_(None))
_STORED, _EXCERPT, _NONE = "stored", "excerpt", "none"


@dataclass(frozen=True)
class LogCounts:
    """Failed jobs by what is stored of their logs: the text, an excerpt or a line, or nothing."""

    stored: int
    excerpts: int
    without_log: int


def stored_logs(session: Session, rule: CauseRule, window: Window) -> dict[Key, int]:
    """Stored logs that may match, by the search index, with the creation of their runs in microseconds, newest first.
    Not all of them are of failed jobs."""
    limits = Limits(window, frozenset(_covered_repositories(session, rule)), frozenset(), None)
    documents = find_candidates(session, trigram_alternatives(rule), limits)
    keys = zip(documents.repository_ids.tolist(), documents.job_ids.tolist(), strict=True)
    return dict(zip(keys, documents.created.tolist(), strict=True))


def annotated_logs(session: Session, rule: CauseRule, window: Window) -> dict[Key, int]:
    """Logs that match by an annotation, which the search index does not contain, as stored_logs. Raises
    TimeLimitExceeded."""
    query = (
        select(JobCause.repository_id, JobCause.job_id, JobCause.line, JobCause.created_at)
        .where(or_(JobCause.source == CauseSource.ANNOTATION, _REPLACES_ANNOTATION))
        .where(JobCause.created_at >= window.since, JobCause.created_at < window.until)
        .where(JobCause.repository_id.in_(_covered_repositories(session, rule)))
        .order_by(JobCause.created_at.desc(), JobCause.job_id.desc())
    )
    deadline, rules = time.monotonic() + _TIME_LIMIT, RuleSet([replace(rule, enabled=True)])

    def check() -> None:
        if time.monotonic() >= deadline:
            raise TimeLimitExceeded

    @cache
    def matches(line: str) -> bool:
        return rules.match(output_of_lines([line]), check) is not None

    with time_limit(session, _TIME_LIMIT):
        rows = execute(session, query).all()
    return {(row[0], row[1]): microseconds(row[3]) for row in rows if matches(row[2])}


def excerpts(session: Session, rule: CauseRule, window: Window) -> list[Key]:
    """Logs of failed jobs of which only an excerpt or a line remains, newest run first. Raises TimeLimitExceeded."""
    query = (
        _failed_jobs(JobLog.repository_id, JobLog.job_id)
        .where(Run.created_at >= window.since, Run.created_at < window.until, HAS_EXCERPT)
        .where(Run.repository_id.in_(_covered_repositories(session, rule)))
        .order_by(Run.created_at.desc(), JobLog.job_id.desc())
    )
    with time_limit(session, _TIME_LIMIT):
        return [(row[0], row[1]) for row in execute(session, query)]


def covered_jobs(session: Session, rule: CauseRule, keys: Sequence[Key], where: ColumnElement[bool]) -> list[Key]:
    """The failed jobs among the logs that the rule covers, in the order of the keys."""
    query = _failed_jobs(JobLog.repository_id, JobLog.job_id, Repository.full_name, Job.name, Job.steps).where(where)
    covered = set()
    for row in execute(session, _with_keys(query, keys)):
        step = failed_step(row.steps)
        if rule.covers(row.full_name, row.name, step.name if step else None):
            covered.add((row.repository_id, row.job_id))
    return [key for key in keys if key in covered]


def read_logs(session: Session, keys: Sequence[Key]) -> dict[Key, Row[Any]]:
    """Texts or excerpts of logs of failed jobs, with their jobs and runs."""
    query = _failed_jobs(
        JobLog.repository_id,
        JobLog.job_id,
        JobLog.content,
        JobLog.excerpt,
        JobLog.excerpt_first_line,
        JobLog.error_line,
        JobLog.fingerprint,
        JobLog.fetched_at,
        Job.name.label("job"),
        Job.steps,
        Job.attempt,
        Repository.full_name.label("repo"),
        Run.id.label("run_id"),
        Run.run_number,
        Run.workflow_name.label("workflow"),
        Run.created_at,
    )
    return {(row.repository_id, row.job_id): row for row in execute(session, _with_keys(query, keys))}


def read_causes(session: Session, keys: Sequence[Key]) -> defaultdict[Key, Causes]:
    """The stored causes of jobs, the first one first."""
    wanted = key_table(keys)
    of_key = (JobCause.repository_id == wanted.c.repository_id) & (JobCause.job_id == wanted.c.id)
    columns = [getattr(JobCause, name) for name in CauseRecord.__dataclass_fields__]
    query = select(JobCause.repository_id, JobCause.job_id, *columns).join(wanted, of_key).order_by(JobCause.position)
    causes: defaultdict[Key, Causes] = defaultdict(tuple)
    for repository_id, job_id, *values in execute(session, query):
        causes[repository_id, job_id] += (CauseRecord(*values),)
    return causes


def cause_of_log(row: Row[Any]) -> Causes:
    """Of a log whose causes are not extracted yet, the cause of its error line."""
    if not row.error_line:
        return ()
    (cause,) = cause_records([cause_of_text(row.error_line)], first_line=None)
    return (replace(cause, fingerprint=row.fingerprint),)


def failed_job(row: Row[Any]) -> FailedJob:
    step = failed_step(row.steps)
    return FailedJob(row.repo, row.job, step.name if step else None, step.span if step else None)


def match_stored(
    rules: RuleSet, job: FailedJob, row: Row[Any], causes: Causes, check: Callable[[], None]
) -> RuleMatch | None:
    """The first rule that matches a stored log or the lines of its causes; the excerpt if the text is deleted or
    damaged: then a line that a rule matched before may be part of its cause only."""
    others = [cause.line for cause in without_rules(causes)]
    text = readable_text(row.content)
    if text is not None:
        return match_log(rules, job, text, others, check)
    lines = [*others, *(cause.line for cause in causes)]
    return match_excerpt(rules, job, row.excerpt or (), row.excerpt_first_line, lines, check)


def count_jobs(session: Session, rule: CauseRule, window: Window) -> LogCounts | None:
    """Failed jobs of the window that the rule covers, whatever their failed step. Null if counting takes too long."""
    stored = case(
        (IS_STORED, literal_column(f"'{_STORED}'")),
        (HAS_EXCERPT, literal_column(f"'{_EXCERPT}'")),
        else_=literal_column(f"'{_NONE}'"),
    )
    of_job = and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id)
    query = (
        _of_failed_jobs(
            select(Repository.full_name, Job.name, stored, func.count()).select_from(Run).join(Job, _OF_RUN)
        )
        .join(JobLog, of_job, isouter=True)
        .where(Run.created_at >= window.since, Run.created_at < window.until, Repository.monitored)
        .group_by(Repository.full_name, Job.name, stored)
    )
    counts = {_STORED: 0, _EXCERPT: 0, _NONE: 0}
    try:
        with time_limit(session, _TIME_LIMIT):
            for repo, job, name, count in execute(session, query):
                if rule.covers_repository(repo) and rule.covers_job(job):
                    counts[name] += count
    except TimeLimitExceeded:
        return None
    return LogCounts(counts[_STORED], counts[_EXCERPT], counts[_NONE])


_OF_RUN = and_(Job.repository_id == Run.repository_id, Job.run_id == Run.id)


def _failed_jobs(*columns: Any) -> Select[Any]:
    of_job = and_(Job.repository_id == JobLog.repository_id, Job.id == JobLog.job_id)
    return _of_failed_jobs(select(*columns).select_from(JobLog).join(Job, of_job).join(Run, _OF_RUN))


def _of_failed_jobs(query: Select[Any]) -> Select[Any]:
    """Adds the repository, and the condition that the job failed, or was cancelled and made its attempt fail."""
    of_attempt = and_(
        Attempt.repository_id == Job.repository_id, Attempt.run_id == Job.run_id, Attempt.attempt == Job.attempt
    )
    return (
        query.join(Repository, Repository.id == Run.repository_id)
        .join(Attempt, of_attempt, isouter=True)
        .where(~Job.copied, ~Job.phantom, has_causes())
    )


def _with_keys(query: Select[Any], keys: Sequence[Key]) -> Select[Any]:
    wanted = key_table(keys)
    return query.join(wanted, (JobLog.repository_id == wanted.c.repository_id) & (JobLog.job_id == wanted.c.id))


def _covered_repositories(session: Session, rule: CauseRule) -> list[int]:
    rows = session.execute(select(Repository.id, Repository.full_name).where(Repository.monitored))
    return [row.id for row in rows if rule.covers_repository(row.full_name)]
