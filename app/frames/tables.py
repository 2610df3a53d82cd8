"""Rows of tables. Every figure is written by db.metrics, none here.

Money over time, and queues by the hour of the day.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, axis_time, partial_notes
from app.status_style import ledger_label
from core import formatting
from core.formatting import pluralize
from db.definitions.scope import Window
from db.enums import CompletenessState
from db.repositories.repository_queries import TargetRow
from health.completeness.gaps import RepositoryCompleteness
from health.metrics.capacity import QueueCell
from health.metrics.cost import CostPoint


def ledger(entries: Sequence[RepositoryCompleteness | TargetRow], now: datetime) -> pd.DataFrame:
    """A row for each repository, and for each name of GITHUB_REPOS that led to none."""
    rows = [
        {"state": [ledger_label(CompletenessState.FAILING)], "repo": each.name, "error": each.error or ""}
        if isinstance(each, TargetRow)
        else {
            "state": [ledger_label(each.state)],
            "repo": each.repo,
            "since": each.complete_since,
            "looked": _ago(each.synced_at, now),
            "deep": _ago(each.rescanned_deep_at, now),
            "runs": each.runs,
            "gaps": len(each.gaps),
            "jobs": each.runs_without_jobs,
            "expired": each.logs.lost,
            "error": each.error or "",
        }
        for each in entries
    ]
    return pd.DataFrame(rows, columns=["state", "repo", "since", "looked", "deep", "runs", "gaps", "jobs", "expired",
                                       "error"])  # fmt: skip


def _ago(moment: datetime | None, now: datetime) -> str:
    return formatting.relative((now - moment).total_seconds()) if moment else formatting.NO_DATA


def elapsed(started_at: datetime | None, now: datetime) -> str:
    return (
        f"{formatting.duration(max((now - started_at).total_seconds(), 0.0))} so far"
        if started_at
        else formatting.NO_DATA
    )


_MIN_SAMPLES = 5
_NO_LABEL = "no label"


def spending(
    points: Sequence[CostPoint], zone: ZoneInfo = UTC, *, window: Window | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Columns: at; used, defect and wasted in minutes (used: what served, or all where the others are not known); all
    three as they are written; partial and note (of buckets that the window cuts short)."""
    rows = []
    for point, note in zip(points, partial_notes(points, zone, window, now), strict=True):
        wasted, defect = point.wasted_seconds or 0.0, point.defect_seconds or 0.0
        rows.append({
            "at": axis_time(point.start, zone),
            "used": max(point.compute_seconds - wasted - defect, 0.0) / 60,
            "defect": defect / 60,
            "wasted": wasted / 60,
            "used_written": f"{formatting.minutes(point.compute_seconds)} in all · {formatting.money(point.cost_usd)}",
            "defect_written": formatting.NO_DATA if point.defect_seconds is None else formatting.minutes(defect),
            "wasted_written": formatting.NO_DATA if point.wasted_seconds is None else formatting.minutes(wasted),
            "partial": point.partial,
            "note": note,
        })  # fmt: skip
    names = ["used", "defect", "wasted"]
    return pd.DataFrame(rows, columns=["at", *names, *(f"{name}_written" for name in names), "partial", "note"])


def runner_labels(names: Sequence[str | None]) -> list[str]:
    return [label or _NO_LABEL for label in names]


def queue_cells(cells: Sequence[QueueCell], labels: Sequence[str | None], shift: int, zone: str) -> pd.DataFrame:
    """Columns: label, hour (on the viewer's clock), p95 (seconds, null for fewer than 5 jobs), hover."""
    rows = []
    for cell in cells:
        if cell.label not in labels:
            continue
        hour = (cell.hour + shift) % 24
        told = f"{cell.label or _NO_LABEL}, {hour:02d}:00 {zone}: p95 {formatting.duration(cell.p95)}, median "
        rows.append({
            "label": cell.label or _NO_LABEL,
            "hour": hour,
            "p95": cell.p95 if cell.jobs >= _MIN_SAMPLES else None,
            "hover": f"{told}{formatting.duration(cell.p50)}, {pluralize(cell.jobs, 'job')}",
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "hour", "p95", "hover"])
