"""Failures whose cause an own rule names."""

from collections.abc import Collection

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.jobs.decisive_failures import in_failed_attempt
from db.models import JobCause, Run
from db.runs.run_filters import in_scope, in_window
from health.insights.causes.rules import rule_fingerprint


def count(session: Session, rule_ids: Collection[int], scope: Scope, window: Window) -> dict[int, tuple[int, int]]:
    """The numbers of failed jobs and of their runs by the id of the rule, as the page of its cause lists them: without
    jobs that failed in an attempt that did not. Rules without any are missing."""
    by_fingerprint = {rule_fingerprint(rule_id): rule_id for rule_id in rule_ids}
    if not by_fingerprint:
        return {}
    of_run = and_(Run.repository_id == JobCause.repository_id, Run.id == JobCause.run_id)
    query = (
        select(JobCause.fingerprint, func.count(), func.count(Run.id.distinct()))
        .select_from(JobCause)
        .join(Run, of_run)
        .where(*in_scope(session, scope), *in_window(window))
        .where(JobCause.fingerprint.in_(by_fingerprint), JobCause.position == 0)
        .where(in_failed_attempt(JobCause.repository_id, JobCause.job_id))
        .where(JobCause.created_at >= window.since, JobCause.created_at < window.until)
        .group_by(JobCause.fingerprint)
    )
    return {by_fingerprint[str(name)]: (jobs, runs) for name, jobs, runs in session.execute(query)}
