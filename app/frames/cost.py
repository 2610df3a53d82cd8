"""Compute minutes over time, and queue times by hour of the day."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pandas as pd

from app.filters.hours import Hours
from app.frames.trends import UTC, axis_time, partial_notes
from core import formatting
from core.formatting import pluralize
from db.definitions.scope import Window
from health.metrics.capacity import QueueCell
from health.metrics.cost import CostPoint
from health.metrics.definitions.usage import MAX_LABEL_LENGTH

_MIN_SAMPLES = 5
_NO_LABEL = "no label"


def spending(
    points: Sequence[CostPoint], zone: ZoneInfo = UTC, *, window: Window | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Columns: at; used, defect and wasted in minutes (used: compute without the other two, or all of it if these are
    unknown); the three as text; partial and note (see app.charts.partial_buckets)."""
    rows = []
    for point, note in zip(points, partial_notes(points, zone, window, now), strict=True):
        wasted, defect = point.wasted_seconds or 0.0, point.defect_seconds or 0.0
        rows.append(
            {
                "at": axis_time(point.start, zone),
                "used": max(point.compute_seconds - wasted - defect, 0.0) / 60,
                "defect": defect / 60,
                "wasted": wasted / 60,
                "used_written": f"{formatting.minutes(point.compute_seconds)} in total · "
                f"{formatting.money(point.cost_usd)}",
                "defect_written": formatting.NO_DATA if point.defect_seconds is None else formatting.minutes(defect),
                "wasted_written": formatting.NO_DATA if point.wasted_seconds is None else formatting.minutes(wasted),
                "partial": point.partial,
                "note": note,
            }
        )
    names = ["used", "defect", "wasted"]
    return pd.DataFrame(rows, columns=["at", *names, *(f"{name}_written" for name in names), "partial", "note"])


def runner_labels(names: Sequence[str | None]) -> list[str]:
    return [label or _NO_LABEL for label in names]


def runner_query(label: str | None) -> list[tuple[str, str]]:
    """The query that selects the runs with a job on this runner; empty where its labels are missing or truncated."""
    return [("runner", label)] if label and len(label) < MAX_LABEL_LENGTH else []


def queue_cells(cells: Sequence[QueueCell], labels: Sequence[str | None], shift: int, zone: str) -> pd.DataFrame:
    """Columns: label, hour (in the viewer's time zone), p95 (seconds; null for fewer than 5 jobs), hover, query (the
    hour in UTC and the runner on the Runs page)."""
    rows = []
    for cell in cells:
        if cell.label not in labels:
            continue
        hour = (cell.hour + shift) % 24
        query = [("hours", Hours(None, cell.hour, utc=True).query_value), *runner_query(cell.label)]
        prefix = f"{cell.label or _NO_LABEL}, {hour:02d}:00 {zone}: p95 {formatting.duration(cell.p95)}, median "
        rows.append(
            {
                "label": cell.label or _NO_LABEL,
                "hour": hour,
                "p95": cell.p95 if cell.jobs >= _MIN_SAMPLES else None,
                "hover": f"{prefix}{formatting.duration(cell.p50)}, {pluralize(cell.jobs, 'job')}",
                "query": urlencode(query),
            }
        )
    return pd.DataFrame(rows, columns=["label", "hour", "p95", "hover", "query"])
