"""What a workflow and a run are made of: jobs, steps, the critical path, and what changed between runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy.orm import Session

from db.metrics.anatomy import JobFigures, StepFigures, job_figures, step_figures
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries import anatomy, runs
from db.queries.anatomy import Dot
from db.queries.runs import JobRow, RunRow

__all__ = ["Anatomy", "Dot", "JobAcross", "RunComparison", "SinceGreen", "compare_runs", "dissect", "scatter",
           "since_green"]  # fmt: skip

# Jobs and steps are those of the newest so many decided runs: more would say the same and cost more.
RUNS_FOR_JOBS, RUNS_FOR_STEPS = 300, 100
_MOST_DOTS, _MOST_COMMITS, MOST_COMPARED = 1_500, 50, 5


@dataclass(frozen=True)
class Anatomy:
    """`runs`: how many the figures of jobs are from."""

    jobs: list[JobFigures]
    steps: list[StepFigures]
    runs: int


@dataclass(frozen=True)
class JobAcross:
    """One job name in several runs; null where a run had no such job."""

    name: str
    jobs: list[JobRow | None]


@dataclass(frozen=True)
class RunComparison:
    runs: list[RunRow]
    jobs: list[JobAcross]


@dataclass(frozen=True)
class SinceGreen:
    """The last success before a run, the runs after it (with that run, newest first), and both side by side.
    `compare_url` shows the commits between on GitHub; null where it is the same commit."""

    green: RunRow
    runs: list[RunRow]
    comparison: RunComparison
    compare_url: str | None


def scatter(session: Session, scope: Scope, window: Window) -> list[Dot]:
    """At most 1,500 completed runs, newest first."""
    return anatomy.list_dots(session, scope, window, limit=_MOST_DOTS)


def dissect(session: Session, scope: Scope, window: Window) -> Anatomy:
    past = window.before()
    facts = anatomy.list_job_facts(session, scope, window, runs=RUNS_FOR_JOBS)
    return Anatomy(
        job_figures(facts, anatomy.list_job_facts(session, scope, past, runs=RUNS_FOR_JOBS)),
        step_figures(
            anatomy.list_steps(session, scope, window, runs=RUNS_FOR_STEPS),
            anatomy.list_steps(session, scope, past, runs=RUNS_FOR_STEPS),
        ),
        len({fact.run_id for fact in facts}),
    )


def compare_runs(session: Session, run_ids: Sequence[int]) -> RunComparison:
    """At most five, oldest first; unknown ones are left out."""
    found = [runs.get_run(session, run_id) for run_id in dict.fromkeys(run_ids[:MOST_COMPARED])]
    listed = sorted((run for run in found if run), key=lambda run: (run.created_at, run.id))
    by_run = [{job.name: job for job in runs.list_jobs(session, run.id, run.attempt) if not job.phantom}
              for run in listed]  # fmt: skip
    names = dict.fromkeys(name for jobs in by_run for name in jobs)
    return RunComparison(listed, [JobAcross(name, [jobs.get(name) for jobs in by_run]) for name in names])


def since_green(session: Session, run: RunRow) -> SinceGreen | None:
    """Null where no success came before it."""
    green = anatomy.find_last_green(session, run)
    if green is None:
        return None
    between = anatomy.list_between(session, green, run, limit=_MOST_COMMITS)
    return SinceGreen(green, between, compare_runs(session, [green.id, run.id]), _compare_url(green, run))


def _compare_url(green: RunRow, run: RunRow) -> str | None:
    place, found, _ = run.html_url.partition("/actions/runs/")
    if not found or not place.startswith("https://") or green.head_sha == run.head_sha:
        return None
    return f"{place}/compare/{quote(green.head_sha)}...{quote(run.head_sha)}"
