"""Comparison of runs: differences of jobs, durations, runners and commits."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, select, tuple_
from sqlalchemy.orm import Session

from db.enums import Conclusion, Outcome
from db.models import Job, Run
from db.runs.job_queries import RUN_OF_JOB, end_unknown, parse_labels
from db.runs.run_queries import RunRow, first_line, list_runs_with_ids, select_runs


class ComparisonError(ValueError):
    """The runs cannot be compared; the message is one line with the reason."""


@dataclass(frozen=True)
class ComparedJobState:
    """A job in one run, by the latest attempt in which it ran and was not copied. `delta_seconds` is its duration minus
    that in the first run."""

    job_id: int
    attempt: int
    conclusion: str | None
    duration_seconds: float | None
    queue_seconds: float | None
    labels: list[str]
    html_url: str | None
    delta_seconds: float | None
    end_unknown: bool = False


class _JobRow(NamedTuple):
    """The columns of a job that a comparison reads."""

    id: int
    attempt: int
    name: str
    conclusion: str | None
    duration_seconds: float | None
    queue_seconds: float | None
    labels: list[str]
    html_url: str | None
    end_unknown: bool


@dataclass(frozen=True)
class ComparedJob:
    """A job with one state per run, null where the run has no such job. `appeared` and `disappeared` compare the last
    run with the first; `labels_changed` and `conclusion_changed` compare all runs."""

    name: str
    states: list[ComparedJobState | None]
    appeared: bool
    disappeared: bool
    labels_changed: bool
    conclusion_changed: bool


@dataclass(frozen=True)
class ComparedRun:
    """A run with its differences from the first run: durations in seconds, and `compare_url`, the commits between both
    on GitHub; null where the runs have the same commit or different repositories."""

    run: RunRow
    delta_seconds: float | None
    queue_delta_seconds: float | None
    compare_url: str | None


@dataclass(frozen=True)
class RunComparison:
    """Runs in the requested order, with all differences relative to the first. Jobs are sorted by change, the largest
    first."""

    runs: list[ComparedRun]
    jobs: list[ComparedJob]


@dataclass(frozen=True)
class Commit:
    """A commit with its runs. `title` and `author` are those of the commit where they are known; without a message the
    title is that of its first run. `actor` started that run. `runs` are the ids of its runs on the branch, oldest
    first."""

    sha: str
    title: str
    author: str | None
    actor: str | None
    created_at: datetime
    url: str | None
    runs: list[int]


@dataclass(frozen=True)
class ChangesSinceGreen:
    """The changes of a run since the last success before it. `last_success` and `comparison` are null where there is
    none. `commits` had runs on the branch since then, newest first, and always include those of the run and of the
    first failure; `has_more_commits`: there are others. `first_failure` is the first failed run of the workflow since
    then; null where none failed."""

    last_success: RunRow | None
    comparison: RunComparison | None
    commits: list[Commit]
    has_more_commits: bool
    first_failure: RunRow | None = None


# Limits of the runs that are searched for commits, and of the commits that are returned.
_MAX_RUNS, _MAX_COMMITS = 500, 50
_MAX_COMPARED, _MIN_COMPARED = 5, 2
_SKIPPED = Conclusion.SKIPPED
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")


def last_success(session: Session, run: RunRow) -> RunRow | None:
    """Returns the newest successful run of the same workflow and branch created before the run; where there is none,
    that of the default branch."""
    owner, on_default = _position(session, run)
    same = [Run.branch == run.branch, Run.on_default_branch == on_default]
    success = _newest_success(session, run, owner, same)
    return success if success or on_default else _newest_success(session, run, owner, [Run.on_default_branch])


def compare_runs(session: Session, runs: Sequence[int]) -> RunComparison:
    """Compares the runs with these 2 to 5 ids. Raises ComparisonError for another number and for unknown ids."""
    if not _MIN_COMPARED <= len(set(runs)) == len(runs) <= _MAX_COMPARED:
        raise ComparisonError(
            f"{_MIN_COMPARED} to {_MAX_COMPARED} different runs can be compared; {len(runs)} were given"
        )
    stored = {run.id: run for run in list_runs_with_ids(session, runs)}
    for run_id in runs:
        if run_id not in stored:
            raise ComparisonError(f"there is no run {run_id}")
    return _compare(session, [stored[run_id] for run_id in runs])


def changes_since_success(session: Session, run: RunRow, *, jobs: bool = True) -> ChangesSinceGreen:
    """Returns the changes of the run since the last success before it. Without `jobs` no jobs are compared."""
    success = last_success(session, run)
    if success is None:
        return ChangesSinceGreen(None, None, [], has_more_commits=False)
    first_failure = _first_failure(session, run, success)
    commits = _commits(session, run, success)
    listed = commits[:_MAX_COMMITS]
    if first_failure and first_failure.head_sha not in {commit.sha for commit in listed}:
        earlier = _commits(session, first_failure, success)
        listed += [commit for commit in earlier if commit.sha == first_failure.head_sha]
    comparison = _compare(session, [success, run], jobs=jobs)
    return ChangesSinceGreen(success, comparison, listed, len(commits) > _MAX_COMMITS, first_failure)


def _position(session: Session, run: RunRow) -> tuple[int, bool]:
    row = session.execute(select(Run.repository_id, Run.on_default_branch).where(Run.id == run.id)).one()
    return row.repository_id, row.on_default_branch


def _newest_success(session: Session, run: RunRow, owner: int, condition: Sequence[Any]) -> RunRow | None:
    query = select_runs().where(
        Run.repository_id == owner,
        Run.workflow_id == run.workflow_id,
        Run.outcome == Outcome.SUCCESS,
        tuple_(Run.created_at, Run.id) < tuple_(run.created_at, run.id),
        *condition,
    )
    row = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)).first()
    return RunRow(*row) if row else None


def _first_failure(session: Session, run: RunRow, success: RunRow) -> RunRow | None:
    """Returns the first failed run of the workflow and branch after the success and up to the run; null where none
    failed. After a success on another branch all later runs of this branch count."""
    owner, on_default = _position(session, run)
    position = tuple_(Run.created_at, Run.id)
    query = select_runs().where(
        Run.repository_id == owner,
        Run.workflow_id == run.workflow_id,
        Run.branch == run.branch,
        Run.on_default_branch == on_default,
        Run.outcome == Outcome.FAILURE,
        position > tuple_(success.created_at, success.id),
        position <= tuple_(run.created_at, run.id),
    )
    row = session.execute(query.order_by(Run.created_at, Run.id).limit(1)).first()
    return RunRow(*row) if row else None


def _compare(session: Session, runs: Sequence[RunRow], *, jobs: bool = True) -> RunComparison:
    first, jobs_by_run = runs[0], _own_jobs(session, [run.id for run in runs]) if jobs else {}
    compared = [
        ComparedRun(
            run,
            _difference(run.duration_seconds, first.duration_seconds),
            _difference(run.queue_seconds, first.queue_seconds),
            compare_url(first, run),
        )
        for run in runs
    ]
    latest = [_latest_jobs(jobs_by_run.get(run.id, [])) for run in runs]
    names = dict.fromkeys(name for by_name in latest for name in by_name)
    compared_jobs = [_compared(name, [by_name.get(name) for by_name in latest]) for name in names]
    return RunComparison(compared, sorted(compared_jobs, key=_change_order))


def compare_url(first: RunRow, run: RunRow) -> str | None:
    """Returns the URL of GitHub's comparison of both commits; null for equal commits and different repositories."""
    base, separator, _ = run.html_url.partition("/actions/runs/")
    is_valid = separator and base.startswith(("https://", "http://")) and first.repo == run.repo
    shas = first.head_sha, run.head_sha
    if not is_valid or shas[0] == shas[1] or not all(_SHA.fullmatch(sha) for sha in shas):
        return None
    return f"{base}/compare/{shas[0]}...{shas[1]}"


_COLUMNS: dict[str, Any] = {"end_unknown": end_unknown().label("end_unknown"), "labels": cast(Job.labels, Text)}


def _own_jobs(session: Session, run_ids: Sequence[int]) -> dict[int, list[_JobRow]]:
    """Returns the jobs of all attempts by run id, without copies and phantoms, in ascending order of attempt and id."""
    columns = [_COLUMNS.get(name, getattr(Job, name, None)) for name in _JobRow._fields]
    owners = select(Run.repository_id, Run.id).where(Run.id.in_(run_ids))
    query = (
        select(Job.run_id, *columns)
        .join(Run, RUN_OF_JOB)
        .where(tuple_(Job.repository_id, Job.run_id).in_(owners), ~Job.copied, ~Job.phantom)
        .order_by(Job.attempt, Job.id)
    )
    jobs: dict[int, list[_JobRow]] = {}
    # Without the unit of work: five runs may have 40,000 jobs.
    rows: Iterable[Any] = session.connection().execute(query)
    for run_id, *values in rows:
        row = _JobRow(*values)
        jobs.setdefault(run_id, []).append(row._replace(labels=parse_labels(str(row.labels))))
    return jobs


def _latest_jobs(jobs: Sequence[_JobRow]) -> dict[str, _JobRow]:
    """Returns the job of each name from the latest attempt in which it ran, or was skipped where it never ran. `jobs`
    are in ascending order of attempt and id."""
    skipped = {job.name: job for job in jobs if job.conclusion == _SKIPPED}
    return skipped | {job.name: job for job in jobs if job.conclusion != _SKIPPED}


def _compared(name: str, jobs: Sequence[_JobRow | None]) -> ComparedJob:
    first, last = jobs[0], jobs[-1]
    present = [job for job in jobs if job]
    ran = [job for job in present if job.conclusion != _SKIPPED]
    return ComparedJob(
        name,
        [_state(job, first) if job else None for job in jobs],
        appeared=first is None and last is not None,
        disappeared=first is not None and last is None,
        labels_changed=len({tuple(job.labels) for job in ran}) > 1,
        conclusion_changed=len({job.conclusion for job in present}) > 1,
    )


def _state(job: _JobRow, first: _JobRow | None) -> ComparedJobState:
    return ComparedJobState(
        job.id,
        job.attempt,
        job.conclusion,
        job.duration_seconds,
        job.queue_seconds,
        job.labels,
        job.html_url,
        _difference(job.duration_seconds, first.duration_seconds if first else None),
        job.end_unknown,
    )


def _difference(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else value - first


def _change_order(job: ComparedJob) -> tuple[bool, float, str]:
    changed = job.appeared or job.disappeared or job.conclusion_changed or job.labels_changed
    differences = [abs(state.delta_seconds) for state in job.states if state and state.delta_seconds is not None]
    return not changed, -max(differences, default=0.0), job.name


def _commits(session: Session, run: RunRow, success: RunRow) -> list[Commit]:
    """Returns the commits of the branch's runs after the success and up to the run, at most _MAX_COMMITS + 1."""
    owner, on_default = _position(session, run)
    query = (
        select(
            Run.id,
            Run.head_sha,
            Run.title,
            Run.actor,
            Run.commit_author,
            Run.commit_message,
            Run.created_at,
            Run.html_url,
        )
        .where(Run.repository_id == owner, Run.branch == run.branch, Run.on_default_branch == on_default)
        .where(Run.created_at >= success.created_at, Run.created_at <= run.created_at)
        .where(Run.head_sha != success.head_sha)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(_MAX_RUNS)
    )
    rows_by_sha: dict[str, list[Any]] = {}
    for row in session.execute(query):
        if len(rows_by_sha) <= _MAX_COMMITS or row.head_sha in rows_by_sha:
            rows_by_sha.setdefault(row.head_sha, []).append(row)
    return [_commit(sha, list(reversed(rows))) for sha, rows in rows_by_sha.items()]


def _commit(sha: str, rows: Sequence[Any]) -> Commit:
    first = rows[0]
    base, separator, _ = first.html_url.partition("/actions/runs/")
    is_valid = separator and base.startswith(("https://", "http://")) and _SHA.fullmatch(sha)
    url = f"{base}/commit/{sha}" if is_valid else None
    message = next((row.commit_message for row in rows if row.commit_message), None)
    author = next((row.commit_author for row in rows if row.commit_author), None)
    return Commit(
        sha, first_line(message) or first.title, author, first.actor, first.created_at, url, [row.id for row in rows]
    )
