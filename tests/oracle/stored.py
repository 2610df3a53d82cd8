"""The stored rows as plain values, with what each run contributes derived from its attempts and jobs."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

FAILED = ("failure", "timed_out", "startup_failure")
_LONGEST, _SKEW = timedelta(days=36), timedelta(seconds=5)


@dataclass(frozen=True)
class StoredRun:
    """Spans in seconds; `first` is the outcome of attempt 1, null where it is not known. `pruned`: its row
    is deleted."""

    repo: str
    repository_id: int
    monitored: bool
    id: int
    workflow_id: int
    workflow: str
    branch: str | None
    namesake: bool
    on_default: bool
    event: str
    actor: str | None
    status: str
    conclusion: str | None
    outcome: str
    created: datetime
    completed: datetime | None
    attempt: int
    duration: float | None
    queue: float | None
    flaky: bool
    compute: float
    wasted: float
    cost: float
    runner: str | None
    first: str | None
    infrastructure: bool
    without_cause: bool
    pruned: bool = False


def outcome_of(status: str, conclusion: str | None) -> str:
    if status != "completed":
        return "in_progress"
    if conclusion in FAILED:
        return "failure"
    return conclusion if conclusion in ("success", "cancelled", "skipped") else "other"


def read(engine: Engine) -> list[StoredRun]:
    with engine.connect() as connection:
        tables = {
            name: [dict(row) for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()]
            for name in ("repositories", "workflows", "runs", "attempts", "jobs", "job_causes")
        }
    repositories = {row["id"]: row for row in tables["repositories"]}
    names = {(row["repository_id"], row["id"]): row["name"] for row in tables["workflows"]}
    attempts, jobs = defaultdict(list), defaultdict(list)
    for row in tables["attempts"]:
        attempts[row["repository_id"], row["run_id"]].append(row)
    for row in tables["jobs"]:
        jobs[row["repository_id"], row["run_id"]].append(row)
    causes = {row["job_id"]: row["kind"] for row in tables["job_causes"] if row["position"] == 0}
    found = []
    for row in tables["runs"]:
        key = row["repository_id"], row["id"]
        found.append(_run(row, repositories[row["repository_id"]], names, attempts[key], jobs[key], causes))
    return found


def _run(
    row: Any, repository: Any, names: Any, attempts: list[Any], jobs: list[Any], causes: dict[int, str]
) -> StoredRun:
    own = _own(jobs)
    latest = [job for job in own if job["attempt"] == row["attempt"]]
    current = next((each for each in attempts if each["attempt"] == row["attempt"]), None)
    started = _time(current["started_at"]) if current else None
    completed = _end(current, latest) if current and current["status"] == "completed" else None
    outcomes = {each["attempt"]: outcome_of(each["status"], each["conclusion"]) for each in attempts}
    passed = [number for number, outcome in outcomes.items() if outcome == "success"]
    failed = [number for number, outcome in outcomes.items() if outcome == "failure"]
    begun = [job for job in latest if job["conclusion"] != "skipped" and job["status"] in ("completed", "in_progress")]
    starts = [_time(job["started_at"]) for job in begun if job["started_at"]]
    longest = sorted(
        (job for job in latest if _labels(job) and job["conclusion"] != "skipped"),
        key=lambda job: (-(_length(job) or 0.0), job["id"]),
    )
    default = repository["default_branch"]
    kinds = _failed_kinds(row["attempt"], jobs, causes) if outcomes.get(row["attempt"]) == "failure" else []
    return StoredRun(
        repo=repository["full_name"], repository_id=repository["id"], monitored=bool(repository["monitored"]),
        id=row["id"], workflow_id=row["workflow_id"],
        workflow=names.get((row["repository_id"], row["workflow_id"]), row["workflow_name"]), branch=row["branch"],
        namesake=row["branch"] == default and not row["on_default_branch"], on_default=bool(row["on_default_branch"]),
        event=row["event"], actor=row["actor"], status=row["status"], conclusion=row["conclusion"],
        outcome=outcome_of(row["status"], row["conclusion"]), created=_known(row["created_at"]), completed=completed,
        attempt=row["attempt"], duration=_span(started, completed),
        queue=max((min(starts) - started).total_seconds(), 0.0) if starts and started else None,
        flaky=any(bad < good for bad in failed for good in passed), compute=sum(_length(job) or 0.0 for job in own),
        wasted=row["wasted_seconds"], cost=row["cost_usd"],
        runner=", ".join(_labels(longest[0])) if longest else None,
        first=outcomes.get(1) if row["attempt"] > 1 else outcome_of(row["status"], row["conclusion"]),
        infrastructure=set(kinds) == {"infrastructure"}, without_cause=not any(kinds),
    )  # fmt: skip


def _failed_kinds(attempt: int, jobs: list[Any], causes: dict[int, str]) -> list[str | None]:
    """The class of the first cause of each job that made the attempt fail."""
    latest = [job for job in jobs if job["attempt"] == attempt]
    bad = [job for job in latest if job["conclusion"] in FAILED]
    bad = bad or [job for job in latest if job["conclusion"] == "cancelled"]
    kinds = []
    for job in bad:
        same = [other for other in jobs if _is_same(job, other) and other["attempt"] < attempt]
        kinds.append(causes.get(min(same, key=lambda other: other["attempt"])["id"] if same else job["id"]))
    return kinds


def _is_same(job: Any, other: Any) -> bool:
    return all(other[name] == job[name] for name in ("name", "started_at", "completed_at"))


def _own(jobs: list[Any]) -> list[Any]:
    """Without those that a re-run lists again."""
    found = []
    for job in jobs:
        same = [
            other for other in jobs
            if other["attempt"] < job["attempt"] and job["status"] == "completed" and job["started_at"]
            and _is_same(job, other)
        ]  # fmt: skip
        if not same:
            found.append(job)
    return found


def _end(attempt: Any, jobs: list[Any]) -> datetime | None:
    ends = [_time(job["completed_at"]) for job in jobs if job["completed_at"]]
    return max(ends) if ends else _time(attempt["first_completed_at"])  # type: ignore[type-var]


def _length(job: Any) -> float | None:
    if job["status"] != "completed" or job["conclusion"] == "skipped":
        return None
    return _span(_time(job["started_at"]), _time(job["completed_at"]))


def _span(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None or not -_SKEW <= end - start <= _LONGEST:
        return None
    return max((end - start).total_seconds(), 0.0)


def _labels(job: Any) -> list[str]:
    value = job["labels"]
    found: list[str] = json.loads(value) if isinstance(value, str) else value
    return found


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _known(value: Any) -> datetime:
    found = _time(value)
    assert found is not None
    return found
