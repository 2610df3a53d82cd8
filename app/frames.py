"""Dataclasses as frames for charts and tables. Every figure is written by db.metrics, none here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import pandas as pd

from app.marks import ledger_word, strip_svg, word
from db.analytics import HourCell, Point, WorkflowHealth
from db.metrics import units
from db.metrics.ledger import RepositoryLedger
from db.metrics.window import Window
from db.queries.repositories import TargetRow
from db.queries.runs import JobRow, RunRow
from db.vocabulary import LedgerState

# A rate of fewer runs than this is noise: the cell stays empty.
_ENOUGH = 5
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def series(points: Sequence[Point]) -> pd.DataFrame:
    """One row a bucket; those that the window cuts short are left out, or every trend would end in a drop."""
    kept = [point for point in points if not point.partial] or list(points)
    rows = [
        {
            "start": pd.Timestamp(point.start),
            "success_rate": point.metrics.success_rate,
            "written": units.percent(point.metrics.success_rate),
            "decided": point.metrics.runs.success + point.metrics.runs.failure,
            "p50": point.metrics.duration_seconds.p50,
            "p95": point.metrics.duration_seconds.p95,
            "p50_written": units.duration(point.metrics.duration_seconds.p50),
            "p95_written": units.duration(point.metrics.duration_seconds.p95),
            "queue_p95": point.metrics.queue_seconds.p95,
            "runs": point.metrics.runs.total,
            "success": point.metrics.runs.success,
            "failure": point.metrics.runs.failure,
            "cancelled": point.metrics.runs.cancelled,
            "skipped": point.metrics.runs.skipped,
            "other": point.metrics.runs.other,
        }
        for point in kept
    ]
    return pd.DataFrame(rows)


def axis(window: Window) -> tuple[str, str]:
    """The window in whole hours: a chart whose axis moved every minute would be drawn anew every time."""
    since = window.since.replace(minute=0, second=0, microsecond=0)
    until = (window.until + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    return since.isoformat(), until.isoformat()


def heat(cells: Sequence[HourCell]) -> pd.DataFrame:
    rows = [
        {
            "weekday": cell.weekday,
            "hour": cell.hour,
            "rate": cell.failure_rate if cell.decided >= _ENOUGH else None,
            "hover": f"{_WEEKDAYS[cell.weekday]} {cell.hour:02d}:00 UTC: {units.percent(cell.failure_rate)} failed "
            f"({cell.failure} of {cell.decided} decided runs)",
        }
        for cell in cells
    ]
    return pd.DataFrame(rows)


def workflows(listed: Sequence[WorkflowHealth], now: datetime) -> pd.DataFrame:
    rows = [
        {
            "state": "✕ Broken" if each.failing else "✓ Passing",
            "repo": each.repo,
            "workflow": _runs_of(each.repo, each.workflow),
            "success_rate": _percents(each.metrics.success_rate),
            "recent": strip_svg([outcome for _, outcome in each.recent]),
            "trend": [value for value in each.trend if value is not None],
            "runs": each.metrics.runs.total,
            "failed": each.metrics.runs.failure,
            "p50": units.duration(each.metrics.duration_seconds.p50),
            "p95": units.duration(each.metrics.duration_seconds.p95),
            "queue": units.duration(each.metrics.queue_seconds.p95),
            "last": units.relative((now - each.last_run_at).total_seconds()),
        }
        for each in listed
    ]
    return pd.DataFrame(rows)


def runs(listed: Sequence[RunRow], now: datetime) -> pd.DataFrame:
    rows = [
        {
            "link": f"run?run_id={run.id}#{run.run_number}",
            "state": [word(run.conclusion or run.status)],
            "title": run.title,
            "repo": run.repo,
            "workflow": run.workflow,
            "branch": run.branch or units.NO_DATA,
            "commit": run.head_sha[:7],
            "actor": run.actor or units.NO_DATA,
            "event": run.event,
            "attempt": run.attempt,
            "duration": units.duration(run.duration_seconds) if run.completed_at else _so_far(run.started_at, now),
            "queue": units.duration(run.queue_seconds),
            "created": run.created_at,
        }
        for run in listed
    ]
    return pd.DataFrame(rows)


def ledger(ledgers: Sequence[RepositoryLedger], unread: Sequence[TargetRow], now: datetime) -> pd.DataFrame:
    rows = [
        {"state": [ledger_word(LedgerState.FAILING)], "repo": each.name, "error": each.error or ""} for each in unread
    ] + [
        {
            "state": [ledger_word(each.state)],
            "repo": each.repo,
            "since": each.complete_since,
            "looked": _ago(each.synced_at, now),
            "deep": _ago(each.relooked_deep_at, now),
            "runs": each.runs,
            "gaps": len(each.gaps),
            "jobs": each.jobs_missing,
            "expired": each.logs.lost,
            "error": each.error or "",
        }
        for each in ledgers
    ]
    return pd.DataFrame(rows, columns=["state", "repo", "since", "looked", "deep", "runs", "gaps", "jobs", "expired",
                                       "error"])  # fmt: skip


def timeline(jobs: Sequence[JobRow], started_at: datetime | None, now: datetime) -> pd.DataFrame:
    """Own jobs of an attempt: no copies, no phantoms, none that were skipped."""
    shown = [job for job in jobs if not job.copied and not job.phantom and job.conclusion != "skipped"]
    origin = started_at or min((job.started_at for job in shown if job.started_at), default=now)
    rows = [
        {
            "name": job.name,
            "queue_start": _offset(origin, job.created_at),
            "start": _offset(origin, job.started_at) if job.status != "queued" else None,
            "end": _offset(origin, job.completed_at or now) if job.status != "queued" else None,
            "outcome": job.conclusion or "in_progress",
            "written": units.duration(job.duration_seconds) if job.completed_at else _so_far(job.started_at, now),
            "hover": _job_hover(job),
        }
        for job in shown
    ]
    return pd.DataFrame(rows, columns=["name", "queue_start", "start", "end", "outcome", "written", "hover"])


def steps(job: JobRow) -> pd.DataFrame:
    """`left` and `width`: when the step ran, in percent of its job's time; 0 wide where that is not known."""
    spans = [(_moment(step.get("started_at")), _moment(step.get("completed_at"))) for step in job.steps]
    origin = min((start for start, _ in spans if start), default=None)
    whole = max(((end - origin).total_seconds() for _, end in spans if end and origin), default=0.0)
    rows = []
    for step, (start, end) in zip(job.steps, spans, strict=True):
        seconds = max((end - start).total_seconds(), 0.0) if start and end else None
        known = bool(seconds and start and origin and whole)
        rows.append({
            "name": str(step.get("name") or ""),
            "state": str(step.get("conclusion") or step.get("status") or "queued"),
            "duration": units.duration(seconds),
            "left": (start - origin).total_seconds() / whole * 100 if known and start and origin else 0.0,
            "width": seconds / whole * 100 if known and seconds else 0.0,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["name", "state", "duration", "left", "width"])


def _runs_of(repo: str, workflow: str) -> str:
    """The address of a workflow's runs; the table shows what stands behind the #."""
    return f"runs?{urlencode({'repo': repo, 'workflow': workflow})}#{quote(workflow, safe=' ')}"


def _percents(rate: float | None) -> float | None:
    """Rounded as it is written everywhere, so that the bar's label is the same string."""
    return None if rate is None else float(units.percent(rate).removesuffix("%"))


def _ago(moment: datetime | None, now: datetime) -> str:
    return units.relative((now - moment).total_seconds()) if moment else units.NO_DATA


def _moment(written: object) -> datetime | None:
    try:
        return datetime.fromisoformat(written) if isinstance(written, str) and written else None
    except ValueError:
        return None


def _so_far(started_at: datetime | None, now: datetime) -> str:
    return f"{units.duration(max((now - started_at).total_seconds(), 0.0))} so far" if started_at else units.NO_DATA


def _offset(origin: datetime, moment: datetime | None) -> float | None:
    return max((moment - origin) / timedelta(seconds=1), 0.0) if moment else None


def _job_hover(job: JobRow) -> str:
    parts = [job.name, word(job.conclusion or job.status), units.duration(job.duration_seconds)]
    parts.append(f"queued {units.duration(job.queue_seconds)}")
    parts += [f"on {', '.join(job.labels)}"] if job.labels else []
    return " · ".join(parts)
