"""Where and since when a failure cause occurs: its first run, and what distinguishes its runs from others."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.definitions.scope import Scope, Window
from db.enums import Conclusion
from db.logs.cause_writes import all_fingerprints
from db.models import Job, Run
from db.runs.run_filters import in_scope, in_window
from db.runs.run_queries import RunRow
from health.insights.causes.distinctions import Distinction, JobContext, distinctions
from health.insights.finding_queries import CauseOccurrence, batches_with_causes, list_runs_by_id, of_failed_run
from health.metrics.queries.names import Names

MAX_COMPARED_JOBS = 20_000


@dataclass(frozen=True)
class CauseContext:
    """`distinctions` are those among the newest 20,000 jobs of the workflows with the cause; `jobs` is the number of
    jobs that were compared, `runs` that of the runs with the cause among them. `since`: when the oldest run of these
    jobs was created if there are more; else null."""

    distinctions: list[Distinction]
    jobs: int
    runs: int
    since: datetime | None


def cause_context(
    session: Session, failed_jobs: Collection[CauseOccurrence], scope: Scope, window: Window, zone: tzinfo
) -> CauseContext:
    """`failed_jobs`: those with the cause. `zone`: the time zone of hours of the day."""
    contexts = _list_jobs(session, failed_jobs, scope, window, limit=MAX_COMPARED_JOBS + 1)
    is_cut, contexts = len(contexts) > MAX_COMPARED_JOBS, contexts[:MAX_COMPARED_JOBS]
    since = contexts[-1].created_at if is_cut else None
    runs = len({context.run_id for context in contexts if context.has_cause})
    return CauseContext(distinctions(contexts, zone), len(contexts), runs, since)


def first_run(session: Session, scope: Scope, fingerprints: Collection[str]) -> RunRow | None:
    """The first stored run of the scope with one of the fingerprints, or an earlier one of their causes; null
    without one. Reads the entire history."""
    first: list[tuple[datetime, int]] = []
    for jobs in batches_with_causes(all_fingerprints(session, fingerprints).keys()):
        of_run, failed = of_failed_run(jobs)
        query = (
            select(Run.created_at, Run.id)
            .join(jobs, of_run)
            .where(*in_scope(session, scope), failed)
            .order_by(Run.created_at, Run.id)
            .limit(1)
        )
        first += [(row[0], row[1]) for row in session.execute(query)]
    return next(iter(list_runs_by_id(session, [min(first)[1]])), None) if first else None


def _list_jobs(
    session: Session, failed_jobs: Collection[CauseOccurrence], scope: Scope, window: Window, *, limit: int
) -> list[JobContext]:
    """The jobs that passed or failed in the workflows of these jobs, those of the newest runs first."""
    if not failed_jobs:
        return []
    repositories = {job.repository_id for job in failed_jobs}
    # IDs of workflows are unique across repositories.
    workflows = {job.workflow_id for job in failed_jobs}
    with_cause = {job.job_id for job in failed_jobs}
    query = (
        select(
            Run.id,
            Job.id,
            Job.name,
            Run.created_at,
            Run.branch,
            Run.event,
            Job.runner,
            Job.runner_group,
            Job.labels,
            Run.repository_id,
            Run.workflow_id,
        )
        .join(Job, and_(Job.repository_id == Run.repository_id, Job.run_id == Run.id))
        .where(*in_scope(session, scope), *in_window(window))
        .where(Run.repository_id.in_(repositories), Run.workflow_id.in_(workflows))
        .where(Job.conclusion.in_((Conclusion.SUCCESS, *FAILED_CONCLUSIONS)), ~Job.copied, ~Job.phantom)
        .order_by(Run.created_at.desc(), Run.id.desc(), Job.id)
        .limit(limit)
    )
    name_of = Names(session)
    return [
        JobContext(
            row[0],
            row[1],
            row[2],
            row[1] in with_cause,
            row[3],
            row[4],
            row[5],
            row[6],
            row[7],
            tuple(map(str, row[8])),
            repo := name_of.repository(row[9]),
            f"{repo} / {name_of.workflow((row[9], row[10]))}",
        )
        for row in session.execute(query)
    ]
