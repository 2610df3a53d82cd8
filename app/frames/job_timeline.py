"""The jobs of an attempt and the steps of a job on a common clock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from app.status_style import outcome_label
from core import formatting
from db.definitions.attempts import outcome_of
from db.enums import Conclusion, Outcome
from db.runs.job_queries import JobSummary, Steps
from health.metrics.definitions.critical_path import critical_path


def timeline(
    jobs: Sequence[JobSummary],
    started_at: datetime | None,
    now: datetime,
    limit: int | None = None,
    run_id: int | None = None,
) -> pd.DataFrame:
    """The drawable jobs of an attempt, in order of their start; at most `limit`, chosen by `select_jobs`. `end` is null
    if it is unknown: such a job is not running. `critical`: on the critical path. `address`: the log of a completed
    job of the run `run_id`, else the section of the job on the same page."""
    shown = drawable(jobs)
    chain = {link.job_id for link in critical_path(shown)} if all(job.completed_at for job in shown) else set()
    origin = started_at or min((job.started_at for job in shown if job.started_at), default=now)
    rows = [
        {
            "name": job.name,
            "queue_start": _offset(origin, job.created_at),
            "start": _offset(origin, job.started_at) if job.status != "queued" else None,
            "end": _offset(origin, _end(job, now)) if job.status != "queued" else None,
            "outcome": job.conclusion or ("end_unknown" if job.end_unknown else "in_progress"),
            "written": _duration_text(job, now),
            "hover": _job_hover(job) + (" · on the critical path" if job.id in chain else ""),
            "critical": job.id in chain,
            "address": _address(job, run_id),
        }
        for job in (shown if limit is None else select_jobs(shown, now, limit, chain))
    ]
    columns = ["name", "queue_start", "start", "end", "outcome", "written", "hover", "critical", "address"]
    return pd.DataFrame(rows, columns=columns)


def _address(job: JobSummary, run_id: int | None) -> str:
    if run_id is None:
        return ""
    if not job.completed_at:
        return f"#job-{job.id}"
    return f"log?{urlencode({'run_id': run_id, 'attempt': job.attempt, 'job_id': job.id})}"


def drawable(jobs: Sequence[JobSummary]) -> list[JobSummary]:
    """The jobs of the attempt that have a bar: no copies, phantoms or skipped jobs."""
    return [job for job in jobs if not job.copied and not job.phantom and job.conclusion != Conclusion.SKIPPED]


def select_jobs(
    jobs: Sequence[JobSummary], now: datetime, limit: int, critical_path: Collection[int] = ()
) -> list[JobSummary]:
    """At most `limit` jobs, in the given order. Failed jobs take precedence, then those with an ID in `critical_path`,
    then the longest."""
    if len(jobs) <= limit:
        return list(jobs)

    def rank(index: int) -> tuple[bool, bool, float]:
        job = jobs[index]
        failed = outcome_of(job.status, job.conclusion) is Outcome.FAILURE
        end = _end(job, now)
        ran = (end - job.started_at).total_seconds() if job.started_at and end else 0.0
        return not failed, job.id not in critical_path, -(ran if job.duration_seconds is None else job.duration_seconds)

    return [jobs[place] for place in sorted(sorted(range(len(jobs)), key=rank)[:limit])]


def _end(job: JobSummary, now: datetime) -> datetime | None:
    return job.completed_at or (None if job.end_unknown else now)


def _duration_text(job: JobSummary, now: datetime) -> str:
    if job.end_unknown:
        return "end unknown"
    return formatting.duration(job.duration_seconds) if job.completed_at else _elapsed(job.started_at, now)


@dataclass(frozen=True)
class StepSpan:
    """A step of a job. `left` and `width`: its position within the duration of the job, in percent; `width` is 0 if the
    step did not run or its times are unknown. `started_at` is null if it did not run."""

    name: str
    state: str
    duration: str
    left: float = 0.0
    width: float = 0.0
    started_at: datetime | None = None


def steps(job: JobSummary, job_steps: Steps) -> list[StepSpan]:
    """The steps of a job, in the given order."""
    spans = [(_moment(step.get("started_at")), _moment(step.get("completed_at"))) for step in job_steps]
    origin = min((start for start, _ in spans if start), default=None)
    total_seconds = max(((end - origin).total_seconds() for _, end in spans if end and origin), default=0.0)
    return [_step(job, step, span, origin, total_seconds) for step, span in zip(job_steps, spans, strict=True)]


def _step(
    job: JobSummary,
    step: dict[str, Any],
    span: tuple[datetime | None, datetime | None],
    origin: datetime | None,
    total_seconds: float,
) -> StepSpan:
    name, state = str(step.get("name") or ""), _step_state(job, step)
    start, end = span
    # GitHub returns times for skipped steps as well.
    if start is None or end is None or origin is None or step.get("conclusion") == Conclusion.SKIPPED:
        return StepSpan(name, state, formatting.duration(None))
    seconds = max((end - start).total_seconds(), 0.0)
    if not seconds or not total_seconds:
        return StepSpan(name, state, formatting.duration(seconds), started_at=start)
    left = (start - origin).total_seconds() / total_seconds * 100
    return StepSpan(name, state, formatting.duration(seconds), left, seconds / total_seconds * 100, start)


def _step_state(job: JobSummary, step: dict[str, Any]) -> str:
    status = str(step.get("status") or "queued")
    unknown = job.end_unknown and status != "completed"
    return str(step.get("conclusion") or ("end_unknown" if unknown else status))


def _moment(written: object) -> datetime | None:
    try:
        return datetime.fromisoformat(written) if isinstance(written, str) and written else None
    except ValueError:
        return None


def _offset(origin: datetime, moment: datetime | None) -> float | None:
    return max((moment - origin) / timedelta(seconds=1), 0.0) if moment else None


def _job_hover(job: JobSummary) -> str:
    parts = [job.name, outcome_label(job.display_state), formatting.duration(job.duration_seconds)]
    parts.append(f"queued {formatting.duration(job.queue_seconds)}")
    parts += [f"on {', '.join(job.labels)}"] if job.labels else []
    return " · ".join(parts)


def _elapsed(started_at: datetime | None, now: datetime) -> str:
    return (
        f"{formatting.duration(max((now - started_at).total_seconds(), 0.0))} so far"
        if started_at
        else formatting.NO_DATA
    )
