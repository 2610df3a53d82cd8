"""Ground truth: the rows that a collector must have stored by now if it has missed nothing."""

import dataclasses
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, get_type_hints

from demo.world.model import Attempt, Job, Run
from demo.world.steps import step_count
from tests.simulator.world import EditableWorld

# Control characters C0 and C1 (ECMA-48) without tab and line breaks.
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
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
    """Times are as GitHub shows them, so `completed_at` can be before `started_at`, which is None for a queued job.
    `steps` is their number. `copied`: an earlier attempt of the run has a job with the same name and times."""

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
    """Attempts are keyed by run id and number. `deleted` is run id to workflow id and run number: such a run is stored
    if it was collected before its deletion; otherwise its number is a gap that is not a loss. Blocked repositories are
    left out."""

    moment: datetime
    repositories: dict[int, RepositoryTruth]
    workflows: dict[int, WorkflowTruth]
    runs: dict[int, RunTruth]
    attempts: dict[tuple[int, int], AttemptTruth]
    jobs: dict[int, JobTruth]
    deleted: dict[int, tuple[int, int]]

    def to_json(self) -> dict[str, Any]:
        """Return lists of objects with times in ISO 8601."""
        lists = {name: [_plain(row) for row in getattr(self, name).values()] for name in _ROW_TYPES}
        return {"moment": self.moment.isoformat(), **lists, "deleted": {str(n): v for n, v in self.deleted.items()}}


def truth(world: EditableWorld) -> Truth:
    """Return the rows as of the world's clock."""
    now = world.clock()
    world.advance()
    result = Truth(now, {}, {}, {}, {}, {}, dict(world.deleted))
    for repo in world.repositories.values():
        if repo.id in world.edge_cases.blocked:
            continue
        result.repositories[repo.id] = RepositoryTruth(
            repo.id, repo.full_name, repo.private, repo.archived, repo.default_branch
        )
        for flow in repo.workflows.values():
            result.workflows[flow.id] = WorkflowTruth(flow.id, repo.id, flow.name, flow.path, flow.state)
    for run in world.runs.values():
        if run.created <= now and run.repository.id in result.repositories:
            _add(result, run, now)
    return result


def from_json(data: dict[str, Any]) -> Truth:
    """Return the Truth whose to_json() this is."""
    rows = {name: [_row(row_type, row) for row in data[name]] for name, row_type in _ROW_TYPES.items()}
    return Truth(
        datetime.fromisoformat(data["moment"]),
        {row.id: row for row in rows["repositories"]},
        {row.id: row for row in rows["workflows"]},
        {row.id: row for row in rows["runs"]},
        {(row.run_id, row.number): row for row in rows["attempts"]},
        {row.id: row for row in rows["jobs"]},
        {int(number): (flow, place) for number, (flow, place) in data["deleted"].items()},
    )


def _add(result: Truth, run: Run, now: datetime) -> None:
    earlier: set[tuple[str, Times]] = set()
    for attempt in run.attempts_at(now):
        status = attempt.status(now)
        conclusion = attempt.conclusion if status == "completed" else None
        started = _whole(attempt.started)
        result.attempts[run.id, attempt.number] = AttemptTruth(run.id, attempt.number, status, conclusion, started)
        rows = [_job(run, attempt, job, now, earlier) for job in run.jobs_of(attempt, now)]
        result.jobs.update((row.id, row) for row in rows)
        earlier |= {(row.name, (row.started_at, row.completed_at)) for row in rows if row.completed_at}
    name = None if "name" in run.nulls else run.name or run.workflow.name
    result.runs[run.id] = RunTruth(
        run.id, run.repository.id, run.workflow.id, run.number, attempt.number, status, conclusion,
        _whole(run.created), started, name, _readable(run.title), run.branch and _readable(run.branch), run.event,
        run.author, run.sha,
    )  # fmt: skip


def _job(run: Run, attempt: Attempt, job: Job, now: datetime, earlier: set[tuple[str, Times]]) -> JobTruth:
    status = job.status(now)
    started = _whole(job.started) if status != "queued" else None
    completed = _whole(job.completed) if status == "completed" and job.completed else None
    return JobTruth(
        job.id, run.id, attempt.number, job.name, status, job.conclusion if completed else None, _whole(job.created),
        started, completed, job.label or None, job.runner if status != "queued" else None,
        step_count(job, run.repository.language, now), (job.name, (started, completed)) in earlier, job.phantom,
    )  # fmt: skip


def _readable(text: str) -> str:
    """Return the text as the collector stores it: terminals interpret control characters, so they are replaced."""
    return _CONTROL_CHARACTERS.sub("\ufffd", text)


def _whole(moment: datetime) -> datetime:
    """Return the time as GitHub shows it: in whole seconds."""
    return moment.replace(microsecond=0)


_ROW_TYPES: dict[str, Any] = {
    "repositories": RepositoryTruth,
    "workflows": WorkflowTruth,
    "runs": RunTruth,
    "attempts": AttemptTruth,
    "jobs": JobTruth,
}
_TIMES = {
    row_type: [name for name, hint in get_type_hints(row_type).items() if hint in (datetime, datetime | None)]
    for row_type in _ROW_TYPES.values()
}


def _plain(row: Any) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return values | {name: values[name] and values[name].isoformat() for name in _TIMES[type(row)]}


def _row(row_type: type[Row], values: dict[str, Any]) -> Row:
    times = {name: values[name] and datetime.fromisoformat(values[name]).astimezone(UTC) for name in _TIMES[row_type]}
    return row_type(**values | times)
