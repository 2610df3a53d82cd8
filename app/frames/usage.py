"""Money over time, and queues by the hour of the day."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, cut_notes, place
from db.capacity import QueueCell, SpendPoint
from db.metrics import units
from db.metrics.window import Window

_ENOUGH = 5
_NO_LABEL = "no label"


def spending(
    points: Sequence[SpendPoint], zone: ZoneInfo = UTC, *, window: Window | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Columns: at, used and wasted (minutes; used without the wasted ones), both as they are written, with cost,
    partial and note (of buckets that the window cuts short)."""
    rows = [
        {
            "at": place(point.start, zone),
            "used": max(point.compute_seconds - point.wasted_seconds, 0.0) / 60,
            "wasted": point.wasted_seconds / 60,
            "used_written": f"{units.minutes(point.compute_seconds)} in all · {units.money(point.cost_usd)}",
            "wasted_written": units.minutes(point.wasted_seconds),
            "partial": point.partial,
            "note": note,
        }
        for point, note in zip(points, cut_notes(points, zone, window, now), strict=True)
    ]
    columns = ["at", "used", "wasted", "used_written", "wasted_written", "partial", "note"]
    return pd.DataFrame(rows, columns=columns)


def labels(named: Sequence[str | None]) -> list[str]:
    return [label or _NO_LABEL for label in named]


def queue_cells(cells: Sequence[QueueCell], labels: Sequence[str | None], shift: int, zone: str) -> pd.DataFrame:
    """Columns: label, hour (on the viewer's clock), p95 (seconds, null for fewer than 5 jobs), hover."""
    rows = []
    for cell in cells:
        if cell.label not in labels:
            continue
        hour = (cell.hour + shift) % 24
        told = f"{cell.label or _NO_LABEL}, {hour:02d}:00 {zone}: p95 {units.duration(cell.p95)}, median "
        rows.append({
            "label": cell.label or _NO_LABEL,
            "hour": hour,
            "p95": cell.p95 if cell.jobs >= _ENOUGH else None,
            "hover": f"{told}{units.duration(cell.p50)}, {units.count(cell.jobs)} jobs",
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "hour", "p95", "hover"])
