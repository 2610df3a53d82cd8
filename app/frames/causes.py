"""Failed runs by the class of their causes as a data frame."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, axis_time, partial_notes
from db.definitions.scope import Window
from health.insights.causes.class_trend import ClassPoint
from health.insights.causes.model import CauseClass


def runs_by_class(
    points: Sequence[ClassPoint], zone: ZoneInfo = UTC, *, window: Window | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Columns: at; a number of runs for each class that occurs, in the order of the classes; partial and note (see
    app.charts.partial_buckets)."""
    known = {kind for point in points for kind, number in point.runs.items() if number}
    kinds = [*(kind.value for kind in CauseClass if kind in known), *sorted(known - set(CauseClass))]
    notes = partial_notes(points, zone, window, now)
    rows = [
        {"at": axis_time(point.start, zone)}
        | {kind: point.runs.get(kind, 0) for kind in kinds}
        | {"partial": point.partial, "note": note}
        for point, note in zip(points, notes, strict=True)
    ]
    return pd.DataFrame(rows, columns=["at", *kinds, "partial", "note"])
