"""Moments when something changed, for the charts."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, place
from db.findings.regressions import Regression
from db.metrics.window import Window


def markers(found: Sequence[Regression], kind: str, window: Window, zone: ZoneInfo = UTC) -> pd.DataFrame:
    """Columns: at, label, tone. Of one kind, within the window."""
    rows = [
        {
            "at": place(each.since, zone),
            "label": f"{each.workflow} of {each.repo}: {each.text} ({each.first_run.head_sha[:7]})",
            "tone": "bad",
        }
        for each in found
        if each.kind == kind and window.since <= each.since < window.until
    ]
    return pd.DataFrame(rows, columns=["at", "label", "tone"])
