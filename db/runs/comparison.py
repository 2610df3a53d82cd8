"""What changed from one run to others: jobs, durations, runners, commits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from db.enums import Conclusion, Outcome
from db.models import Job, Run
from db.runs.job_queries import RUN_OF_JOB, end_unknown
from db.runs.run_queries import RunRow, first_line, list_runs_with_ids, select_runs


class ComparisonError(ValueError):
    """Which runs cannot be compared, and why, in one line."""


@dataclass(frozen=True)
class ComparedJobState:
    """A job in one run, by the latest attempt in which it ran itself. `delta_seconds`: its duration less that in the
    first of the runs."""

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
    """What a comparison reads of a job."""

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
    """One state a run, null where it has no such job. Against the first run: `appeared` and `vanished` in the last one;
    `labels_changed` and `conclusion_changed` in any."""

    name: str
    states: list[ComparedJobState | None]
    appeared: bool
    disappeared: bool
    labels_changed: bool
    conclusion_changed: bool


@dataclass(frozen=True)
class ComparedRun:
    """`delta_seconds`: its duration less that of the first of the runs. `compare_url` shows on GitHub what was
    committed from the first to it; null where they are of the same commit or of different repositories."""

    run: RunRow
    delta_seconds: float | None
    queue_delta_seconds: float | None
    compare_url: str | None


@dataclass(frozen=True)
class RunComparison:
    """In the order that was asked for; all deltas are against the first. Jobs that changed most come first."""

    runs: list[ComparedRun]
    jobs: list[ComparedJob]


@dataclass(frozen=True)
class Commit:
    """`title` and `author` are those of the commit where they are known; without a message the title is that of its
    first run. `actor` started that run. `runs` are those of the repository on the branch, oldest first."""

    sha: str
    title: str
    author: str | None
    actor: str | None
    created_at: datetime
    url: str | None
    runs: list[int]


@dataclass(frozen=True)
class ChangesSinceGreen:
    """`green` is null where there is no earlier success to compare with. `commits` are those that had runs on the
    branch since then, newest first: its own and that of the first failure always among them; `more` where there are
    others. `first_bad`: the first failed run of the workflow since then; null where none failed."""

    last_success: RunRow | None
    comparison: RunComparison | None
    commits: list[Commit]
    has_more_commits: bool
    first_failure: RunRow | None = None


# Runs that are looked through for commits, and commits that are told.
_MAX_RUNS, _MAX_COMMITS = 500, 50
_MAX_COMPARED, _MIN_COMPARED = 5, 2
_SKIPPED = Conclusion.SKIPPED
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")


def last_success(session: Session, run: RunRow) -> RunRow | None:
    """The newest success of the same workflow and branch created before it; of the default branch where its own has
    none."""
    owner, on_default = _position(session, run)
    same = [Run.branch == run.branch, Run.on_default_branch == on_default]
    found = _newest_success(session, run, owner, same)
    return found if found or on_default else _newest_success(session, run, owner, [Run.on_default_branch])


def compare_runs(session: Session, runs: Sequence[int]) -> RunComparison:
    """Of 2 to 5 run ids. Raises CannotCompare."""
    if not _MIN_COMPARED <= len(set(runs)) == len(runs) <= _MAX_COMPARED:
        raise ComparisonError(
            f"{_MIN_COMPARED} to {_MAX_COMPARED} different runs can be compared; {len(runs)} were given"
        )
    found = {run.id: run for run in list_runs_with_ids(session, runs)}
    for run_id in runs:
        if run_id not in found:
            raise ComparisonError(f"there is no run {run_id}")
    return _compare(session, [found[run_id] for run_id in runs])


def changes_since_success(session: Session, run: RunRow, *, jobs: bool = True) -> ChangesSinceGreen:
    """What changed against its last green run. `jobs` false: no jobs are read, and none are compared."""
    green = last_success(session, run)
    if green is None:
        return ChangesSinceGreen(None, None, [], has_more_commits=False)
    first_bad = _first_failure(session, run, green)
    commits = _commits(session, run, green)
    listed = commits[:_MAX_COMMITS]
    if first_bad and first_bad.head_sha not in {each.sha for each in listed}:
        listed += [each for each in _commits(session, first_bad, green) if each.sha == first_bad.head_sha]
    return ChangesSinceGreen(
        green, _compare(session, [green, run], jobs=jobs), listed, len(commits) > _MAX_COMMITS, first_bad
    )


def _position(session: Session, run: RunRow) -> tuple[int, bool]:
    row = session.execute(select(Run.repository_id, Run.on_default_branch).where(Run.id == run.id)).one()
    return row.repository_id, row.on_default_branch


def _newest_success(session: Session, run: RunRow, owner: int, condition: Sequence[Any]) -> RunRow | None:
    query = select_runs().where(
        Run.repository_id == owner, Run.workflow_id == run.workflow_id, Run.outcome == Outcome.SUCCESS,
        tuple_(Run.created_at, Run.id) < tuple_(run.created_at, run.id), *condition,
    )  # fmt: skip
    row = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)).first()
    return RunRow(*row) if row else None


def _first_failure(session: Session, run: RunRow, green: RunRow) -> RunRow | None:
    """The first failure of its workflow and branch after the success and up to the run; null where none failed. A
    success on another branch says nothing about when this one broke, but all of its runs count."""
    owner, on_default = _position(session, run)
    place = tuple_(Run.created_at, Run.id)
    query = select_runs().where(
        Run.repository_id == owner, Run.workflow_id == run.workflow_id, Run.branch == run.branch,
        Run.on_default_branch == on_default, Run.outcome == Outcome.FAILURE,
        place > tuple_(green.created_at, green.id), place <= tuple_(run.created_at, run.id),
    )  # fmt: skip
    row = session.execute(query.order_by(Run.created_at, Run.id).limit(1)).first()
    return RunRow(*row) if row else None


def _compare(session: Session, runs: Sequence[RunRow], *, jobs: bool = True) -> RunComparison:
    first, of_run = runs[0], _own_jobs(session, [run.id for run in runs]) if jobs else {}
    compared = [
        ComparedRun(
            run,
            _difference(run.duration_seconds, first.duration_seconds),
            _difference(run.queue_seconds, first.queue_seconds),
            compare_url(first, run),
        )
        for run in runs
    ]
    states = [_latest_jobs(of_run.get(run.id, [])) for run in runs]
    names = dict.fromkeys(name for of_one in states for name in of_one)
    of_name = [_compared(name, [of_one.get(name) for of_one in states]) for name in names]
    return RunComparison(compared, sorted(of_name, key=_change_order))


def compare_url(first: RunRow, run: RunRow) -> str | None:
    """What was committed from one run's commit to the other's, on GitHub."""
    base, found, _ = run.html_url.partition("/actions/runs/")
    plain = found and base.startswith(("https://", "http://")) and first.repo == run.repo
    shas = first.head_sha, run.head_sha
    if not plain or shas[0] == shas[1] or not all(_SHA.fullmatch(sha) for sha in shas):
        return None
    return f"{base}/compare/{shas[0]}...{shas[1]}"


def _own_jobs(session: Session, run_ids: Sequence[int]) -> dict[int, list[_JobRow]]:
    """By run: jobs of all attempts without copies and phantoms, by ascending attempt and id."""
    columns = [end_unknown().label(name) if name == "end_unknown" else getattr(Job, name) for name in _JobRow._fields]
    owners = select(Run.repository_id, Run.id).where(Run.id.in_(run_ids))
    query = (
        select(Job.run_id, *columns)
        .join(Run, RUN_OF_JOB)
        .where(tuple_(Job.repository_id, Job.run_id).in_(owners), ~Job.copied, ~Job.phantom)
        .order_by(Job.attempt, Job.id)
    )
    of_run: dict[int, list[_JobRow]] = {}
    for run_id, *values in session.execute(query):
        of_run.setdefault(run_id, []).append(_JobRow(*values))
    return of_run


def _latest_jobs(jobs: Sequence[_JobRow]) -> dict[str, _JobRow]:
    """Of each name the job of the latest attempt in which it ran itself, or was skipped where it never ran. `jobs` are
    in ascending order of attempt and id."""
    skipped = {job.name: job for job in jobs if job.conclusion == _SKIPPED}
    return skipped | {job.name: job for job in jobs if job.conclusion != _SKIPPED}


def _compared(name: str, jobs: Sequence[_JobRow | None]) -> ComparedJob:
    first, last = jobs[0], jobs[-1]
    there = [job for job in jobs if job]
    ran = [job for job in there if job.conclusion != _SKIPPED]
    return ComparedJob(
        name,
        [_state(job, first) if job else None for job in jobs],
        appeared=first is None and last is not None,
        disappeared=first is not None and last is None,
        labels_changed=len({tuple(job.labels) for job in ran}) > 1,
        conclusion_changed=len({job.conclusion for job in there}) > 1,
    )


def _state(job: _JobRow, first: _JobRow | None) -> ComparedJobState:
    return ComparedJobState(
        job.id, job.attempt, job.conclusion, job.duration_seconds, job.queue_seconds, job.labels, job.html_url,
        _difference(job.duration_seconds, first.duration_seconds if first else None), job.end_unknown,
    )  # fmt: skip


def _difference(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else value - first


def _change_order(job: ComparedJob) -> tuple[bool, float, str]:
    told = job.appeared or job.disappeared or job.conclusion_changed or job.labels_changed
    changes = [abs(state.delta_seconds) for state in job.states if state and state.delta_seconds is not None]
    return not told, -max(changes, default=0.0), job.name


def _commits(session: Session, run: RunRow, green: RunRow) -> list[Commit]:
    """Of the branch's runs after the green one, up to the run; one more than are told where there are more."""
    owner, on_default = _position(session, run)
    query = (
        select(
            Run.id, Run.head_sha, Run.title, Run.actor, Run.commit_author, Run.commit_message, Run.created_at,
            Run.html_url,
        )
        .where(
            Run.repository_id == owner, Run.branch == run.branch, Run.on_default_branch == on_default,
            Run.created_at >= green.created_at, Run.created_at <= run.created_at, Run.head_sha != green.head_sha,
        )
        .order_by(Run.created_at.desc(), Run.id.desc()).limit(_MAX_RUNS)
    )  # fmt: skip
    of_sha: dict[str, list[Any]] = {}
    for row in session.execute(query):
        if len(of_sha) <= _MAX_COMMITS or row.head_sha in of_sha:
            of_sha.setdefault(row.head_sha, []).append(row)
    return [_commit(sha, list(reversed(rows))) for sha, rows in of_sha.items()]


def _commit(sha: str, rows: Sequence[Any]) -> Commit:
    first = rows[0]
    base, found, _ = first.html_url.partition("/actions/runs/")
    plain = found and base.startswith(("https://", "http://")) and _SHA.fullmatch(sha)
    url = f"{base}/commit/{sha}" if plain else None
    message = next((row.commit_message for row in rows if row.commit_message), None)
    author = next((row.commit_author for row in rows if row.commit_author), None)
    return Commit(
        sha, first_line(message) or first.title, author, first.actor, first.created_at, url, [row.id for row in rows]
    )
