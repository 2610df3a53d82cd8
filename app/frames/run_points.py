"""Runs as points, and lines by branch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, axis_time, partial_notes
from app.status_style import outcome_label
from core import formatting
from db.definitions.scope import Window
from health.metrics.workflows import BranchSeries, RunPoint

_KINDS = ("success", "failure", "cancelled")


def run_points(points: Sequence[RunPoint], zone: ZoneInfo = UTC) -> pd.DataFrame:
    """The finished runs with a known duration; a click on a point opens the run."""
    rows = [
        {
            "at": axis_time(dot.created_at, zone),
            "seconds": dot.duration_seconds,
            "kind": dot.outcome if dot.outcome in _KINDS else "other",
            "address": f"run?run_id={dot.run_id}",
            "hover": f"{outcome_label(dot.outcome)} · {formatting.duration(dot.duration_seconds)} · "
            f"{dot.branch or formatting.NO_DATA} · "
            f"#{dot.run_number} {dot.headline[:70]}",
        }
        for dot in points
        if dot.duration_seconds is not None and dot.outcome != "in_progress"
    ]
    return pd.DataFrame(rows, columns=["at", "seconds", "kind", "address", "hover"])


def by_branch(
    branches: Sequence[BranchSeries], window: Window | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """One row per branch and day (UTC). Rate and median are null on days without completed runs, where the line has a
    gap. `partial` and `note`: see app.charts.partial_buckets."""
    rows: list[dict[str, Any]] = []
    for series in branches:
        days = [
            _Day(point.start, window is not None and not _is_complete(point.start, window)) for point in series.points
        ]
        for point, day, note in zip(series.points, days, partial_notes(days, UTC, window, now), strict=True):
            rows.append(
                {
                    "at": axis_time(point.start, UTC),
                    "name": series.branch,
                    "rate": point.success_rate,
                    "rate_written": f"{formatting.percent(point.success_rate)} of {point.decided}",
                    "p50": point.p50,
                    "p50_written": formatting.duration(point.p50),
                    "partial": day.partial,
                    "note": note,
                }
            )
    return pd.DataFrame(rows, columns=["at", "name", "rate", "rate_written", "p50", "p50_written", "partial", "note"])


@dataclass(frozen=True)
class _Day:
    start: datetime
    partial: bool


def _is_complete(day: datetime, window: Window) -> bool:
    return window.since <= day and day + timedelta(days=1) <= window.until
