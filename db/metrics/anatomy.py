"""What the jobs and steps of a workflow's runs add up to. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.metrics.critical_path import critical_path
from db.metrics.distribution import percentile, ratio
from db.metrics.outcome import outcome_of
from db.vocabulary import Conclusion, Outcome


@dataclass(frozen=True)
class JobFact:
    """One job of the latest attempt of a decided run: its own, no copy, no phantom."""

    run_id: int
    id: int
    name: str
    status: str
    conclusion: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    queue_seconds: float | None


@dataclass(frozen=True)
class JobFigures:
    """`before_p50` is the median over the window before. `critical_share`: of the runs, those on whose critical path it
    stood; `exclusive_seconds`: the median time there in which no other job ran."""

    name: str
    runs: int
    failed: int
    failure_rate: float | None
    p50: float | None
    p95: float | None
    queue_p95: float | None
    before_p50: float | None
    critical_share: float | None
    exclusive_seconds: float | None


@dataclass(frozen=True)
class StepFigures:
    job: str
    name: str
    runs: int
    failed: int
    failure_rate: float | None
    p50: float | None
    p95: float | None
    before_p50: float | None


def job_figures(now: Sequence[JobFact], before: Sequence[JobFact]) -> list[JobFigures]:
    """The slowest first."""
    past = {name: _median(job.duration_seconds for job in jobs) for name, jobs in _by_name(before).items()}
    on_path = _on_critical_path(now)
    whole = len({job.run_id for job in now})
    found = [_job(name, jobs, past.get(name), on_path[name], whole) for name, jobs in _by_name(now).items()]
    return sorted(found, key=lambda each: (-(each.p50 or 0.0), each.name))


def step_figures(now: Iterable[tuple[str, Any]], before: Iterable[tuple[str, Any]]) -> list[StepFigures]:
    """Of pairs of a job's name and a step as GitHub gives it; the slowest first."""
    past = {key: _median(seconds for seconds, _ in found) for key, found in _by_step(before).items()}
    listed = []
    for (job, name), found in _by_step(now).items():
        seconds = sorted(each for each, _ in found if each is not None)
        failed = sum(1 for _, bad in found if bad)
        listed.append(StepFigures(
            job, name, len(found), failed, ratio(failed, len(found)), percentile(seconds, 0.5),
            percentile(seconds, 0.95), past.get((job, name)),
        ))  # fmt: skip
    return sorted(listed, key=lambda each: (-(each.p50 or 0.0), each.job, each.name))


def _job(
    name: str, jobs: Sequence[JobFact], before_p50: float | None, exclusive: Sequence[float], whole: int
) -> JobFigures:
    durations = sorted(job.duration_seconds for job in jobs if job.duration_seconds is not None)
    queues = sorted(job.queue_seconds for job in jobs if job.queue_seconds is not None)
    ended = [outcome_of(job.status, job.conclusion) for job in jobs]
    failed, passed = ended.count(Outcome.FAILURE), ended.count(Outcome.SUCCESS)
    return JobFigures(
        name, len(jobs), failed, ratio(failed, failed + passed), percentile(durations, 0.5),
        percentile(durations, 0.95), percentile(queues, 0.95), before_p50, ratio(len(exclusive), whole),
        percentile(sorted(exclusive), 0.5),
    )  # fmt: skip


def _on_critical_path(jobs: Sequence[JobFact]) -> dict[str, list[float]]:
    """Exclusive seconds by name, one for each run on whose path a job of that name stood."""
    by_run: dict[int, list[JobFact]] = defaultdict(list)
    for job in jobs:
        by_run[job.run_id].append(job)
    found: dict[str, list[float]] = defaultdict(list)
    for of_run in by_run.values():
        alone: dict[str, float] = defaultdict(float)
        for link in critical_path(of_run):
            alone[link.name] += link.exclusive_seconds
        for name, seconds in alone.items():
            found[name].append(seconds)
    return found


def _by_name(jobs: Sequence[JobFact]) -> dict[str, list[JobFact]]:
    found: dict[str, list[JobFact]] = defaultdict(list)
    for job in jobs:
        if job.conclusion != Conclusion.SKIPPED:
            found[job.name].append(job)
    return found


def _by_step(steps: Iterable[tuple[str, Any]]) -> dict[tuple[str, str], list[tuple[float | None, bool]]]:
    found: dict[tuple[str, str], list[tuple[float | None, bool]]] = defaultdict(list)
    for job, step in steps:
        if step.get("conclusion") in (Conclusion.SKIPPED, None):
            continue
        failed = outcome_of("completed", step.get("conclusion")) is Outcome.FAILURE
        found[job, str(step.get("name") or "")].append((_seconds(step), failed))
    return found


def _seconds(step: Any) -> float | None:
    try:
        begin, end = (datetime.fromisoformat(str(step.get(name) or "")) for name in ("started_at", "completed_at"))
        return max((end - begin).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _median(values: Iterable[float | None]) -> float | None:
    return percentile(sorted(value for value in values if value is not None), 0.5)
