"""Runs as points, and lines by branch."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, place
from app.marks import word
from db.breakdown import BranchSeries, Dot
from db.metrics import units

_KINDS = ("success", "failure", "cancelled")


def dots(listed: Sequence[Dot], zone: ZoneInfo = UTC) -> pd.DataFrame:
    """Runs whose duration is known; a click on one leads to its page."""
    rows = [
        {
            "at": place(dot.created_at, zone),
            "seconds": dot.duration_seconds,
            "kind": dot.outcome if dot.outcome in _KINDS else "other",
            "address": f"run?run_id={dot.run_id}",
            "hover": f"{word(dot.outcome)} · {units.duration(dot.duration_seconds)} · {dot.branch or units.NO_DATA} · "
            f"#{dot.run_number} {dot.headline[:70]}",
        }
        for dot in listed
        if dot.duration_seconds is not None and dot.outcome != "in_progress"
    ]
    return pd.DataFrame(rows, columns=["at", "seconds", "kind", "address", "hover"])


def by_branch(listed: Sequence[BranchSeries]) -> pd.DataFrame:
    """A row for each branch and day (UTC) on which something was decided: a branch often has none for days, and its
    line goes on."""
    rows = [
        {
            "at": place(point.start, UTC),
            "name": series.branch,
            "rate": point.success_rate,
            "rate_written": f"{units.percent(point.success_rate)} of {point.decided}",
            "p50": point.p50,
            "p50_written": units.duration(point.p50),
        }
        for series in listed
        for point in series.points
        if point.decided
    ]
    return pd.DataFrame(rows, columns=["at", "name", "rate", "rate_written", "p50", "p50_written"])
