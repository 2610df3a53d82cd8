"""What a collector that has missed nothing must have stored by now."""

import dataclasses
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, get_type_hints

from demo.model import Attempt, Job, Run
from demo.steps import step_count
from demo.world import World

# C0 and C1 (ECMA-48) but tab and line breaks.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
Times = tuple[datetime | None, datetime | None]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class RepositoryTruth:
    id: int
    full_name: str
    private: bool
    archived: bool
    default_branch: str


@dataclass(frozen=True, slots=True)
class WorkflowTruth:
    id: int
    repository_id: int
    name: str
    path: str
    state: str


@dataclass(frozen=True, slots=True)
class RunTruth:
    """`attempt`, `status`, `conclusion` and `run_started_at` are the latest attempt's."""

    id: int
    repository_id: int
    workflow_id: int
    run_number: int
    attempt: int
    status: str
    conclusion: str | None
    created_at: datetime
    run_started_at: datetime
    name: str | None
    title: str
    branch: str | None
    event: str
    actor: str | None
    head_sha: str


@dataclass(frozen=True, slots=True)
class AttemptTruth:
    run_id: int
    number: int
    status: str
    conclusion: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class JobTruth:
    """Times as GitHub shows them, so `completed_at` can come before `started_at`; that one is null until it really
    began. `steps` is how many. `copied`: the same name and times stand at a lower attempt of the run."""

    id: int
    run_id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    label: str | None
    runner_name: str | None
    steps: int
    copied: bool
    phantom: bool


@dataclass(frozen=True)
class Truth:
    """Attempts are keyed by run id and number. `deleted` is run id to workflow id and run number: such a run may be
    stored, if it was seen in time, and its number is a gap that is no loss. Blocked repositories are left out."""

    moment: datetime
    repositories: dict[int, RepositoryTruth]
    workflows: dict[int, WorkflowTruth]
    runs: dict[int, RunTruth]
    attempts: dict[tuple[int, int], AttemptTruth]
    jobs: dict[int, JobTruth]
    deleted: dict[int, tuple[int, int]]

    def to_json(self) -> dict[str, Any]:
        """Lists of objects, times as ISO 8601."""
        lists = {name: [_plain(row) for row in getattr(self, name).values()] for name in _LISTS}
        return {"moment": self.moment.isoformat(), **lists, "deleted": {str(n): v for n, v in self.deleted.items()}}


def truth(world: World) -> Truth:
    now = world.clock()
    world.advance()
    found = Truth(now, {}, {}, {}, {}, {}, dict(world.deleted))
    open_ones = [each for each in world.repositories.values() if each.id not in world.traps.blocked]
    for repo in open_ones:
        found.repositories[repo.id] = RepositoryTruth(
            repo.id, repo.full_name, repo.private, repo.archived, repo.default_branch
        )
        for flow in repo.workflows.values():
            found.workflows[flow.id] = WorkflowTruth(flow.id, repo.id, flow.name, flow.path, flow.state)
    for run in world.runs.values():
        if run.created <= now and run.repository.id in found.repositories:
            _add(found, run, now)
    return found


def from_json(data: dict[str, Any]) -> Truth:
    """The same that to_json() was asked of, in another process."""
    rows = {name: [_row(kind, row) for row in data[name]] for name, kind in _LISTS.items()}
    return Truth(
        datetime.fromisoformat(data["moment"]),
        {row.id: row for row in rows["repositories"]},
        {row.id: row for row in rows["workflows"]},
        {row.id: row for row in rows["runs"]},
        {(row.run_id, row.number): row for row in rows["attempts"]},
        {row.id: row for row in rows["jobs"]},
        {int(number): (flow, place) for number, (flow, place) in data["deleted"].items()},
    )


def _add(found: Truth, run: Run, now: datetime) -> None:
    seen: set[tuple[str, Times]] = set()
    for attempt in run.begun(now):
        status = attempt.status(now)
        conclusion = attempt.conclusion if status == "completed" else None
        started = _whole(attempt.started)
        found.attempts[run.id, attempt.number] = AttemptTruth(run.id, attempt.number, status, conclusion, started)
        rows = [_job(run, attempt, job, now, seen) for job in run.jobs_of(attempt, now)]
        found.jobs.update((row.id, row) for row in rows)
        seen |= {(row.name, (row.started_at, row.completed_at)) for row in rows if row.completed_at}
    name = None if "name" in run.nulls else run.name or run.workflow.name
    found.runs[run.id] = RunTruth(
        run.id, run.repository.id, run.workflow.id, run.number, attempt.number, status, conclusion,
        _whole(run.created), started, name, _readable(run.title), run.branch and _readable(run.branch), run.event,
        run.author, run.sha,
    )  # fmt: skip


def _job(run: Run, attempt: Attempt, job: Job, now: datetime, seen: set[tuple[str, Times]]) -> JobTruth:
    status = job.status(now)
    started = _whole(job.started) if status != "queued" else None
    completed = _whole(job.completed) if status == "completed" and job.completed else None
    return JobTruth(
        job.id, run.id, attempt.number, job.name, status, job.conclusion if completed else None, _whole(job.created),
        started, completed, job.label or None, job.runner if status != "queued" else None,
        step_count(job, run.repository.language, now), (job.name, (started, completed)) in seen, job.phantom,
    )  # fmt: skip


def _readable(text: str) -> str:
    """Terminals obey control characters, so that a collector stores a replacement character for each."""
    return _CONTROL.sub("\ufffd", text)


def _whole(moment: datetime) -> datetime:
    """GitHub shows no fractions of a second."""
    return moment.replace(microsecond=0)


_LISTS: dict[str, Any] = {
    "repositories": RepositoryTruth,
    "workflows": WorkflowTruth,
    "runs": RunTruth,
    "attempts": AttemptTruth,
    "jobs": JobTruth,
}
_TIMES = {
    kind: [name for name, hint in get_type_hints(kind).items() if hint in (datetime, datetime | None)]
    for kind in _LISTS.values()
}


def _plain(row: Any) -> dict[str, Any]:
    values = {each.name: getattr(row, each.name) for each in dataclasses.fields(row)}
    return values | {name: values[name] and values[name].isoformat() for name in _TIMES[type(row)]}


def _row(kind: type[Row], values: dict[str, Any]) -> Row:
    times = {name: values[name] and datetime.fromisoformat(values[name]).astimezone(UTC) for name in _TIMES[kind]}
    return kind(**values | times)
