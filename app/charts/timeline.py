"""The jobs of an attempt as bars on a common clock."""

from typing import Any

import pandas as pd

from app.charts import theme
from app.charts.links import OWN_LINKS
from app.status_style import outcome_colour

ROW = 26


def timeline(frame: pd.DataFrame) -> dict[str, Any]:
    """Columns: name, queue_start, start, end (seconds from the start of the attempt; start and end are null for a job
    that did not run, end alone if it is unknown), outcome, written (the duration as text), hover, critical (outlined),
    address (the link of a click). One bar per row, the first one on top."""
    names = [
        theme.escape_label(str(name)[:60]) + mark
        for name, mark in zip(frame["name"], _row_labels(len(frame)), strict=True)
    ]
    ran = [not pd.isna(value) for value in frame["start"]]
    starts = [float(value) if ok else 0.0 for value, ok in zip(frame["start"], ran, strict=True)]
    ends = [start if pd.isna(value) else float(value) for value, start in zip(frame["end"], starts, strict=True)]
    queued = [0.0 if pd.isna(value) else float(value) for value in frame["queue_start"]]
    hovers = [theme.escape_label(text) for text in frame["hover"]]
    queue_bars = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "base": queued,
        "x": [max(start - queue, 0) if ok else 0 for start, queue, ok in zip(starts, queued, ran, strict=True)],
        "width": 0.22,
        "marker": {"color": theme.QUEUE_SOFT},
        "hoverinfo": "skip",
    }
    runs = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "base": starts,
        "x": [max(end - start, 0.4) if ok else 0 for start, end, ok in zip(starts, ends, ran, strict=True)],
        "width": 0.62,
        "marker": {
            "color": [outcome_colour(outcome) for outcome in frame["outcome"]],
            "cornerradius": 3,
            "line": {"color": theme.CRITICAL_PATH, "width": [2 if on else 0 for on in frame["critical"]]},
        },
        "text": list(frame["written"]),
        "textposition": "outside",
        "cliponaxis": False,
        "meta": OWN_LINKS,
        "customdata": [list(row) for row in zip(frame["address"], hovers, strict=True)],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }
    longest = max([*ends, 1.0])
    ticks, labels = _ticks(longest)
    return {
        "data": [queue_bars, runs],
        "layout": theme.layout(
            height=len(names) * ROW + 30,
            barmode="overlay",
            hovermode="closest",
            margin=theme.margin(l=0, r=8, t=22, b=4),
            xaxis=theme.axis(range=[0, longest * 1.14], tickvals=ticks, ticktext=labels, side="top"),
            yaxis=theme.axis(
                showgrid=False, autorange="reversed", nticks=len(names) + 1, tickmode="linear", automargin=True
            ),
        ),
    }


def _row_labels(rows: int) -> list[str]:
    """Invisible suffixes that make the names of the rows distinct. Two jobs may have the same name, and Plotly draws
    bars of the same name in one row. The suffix is the row number, with invisible characters as binary digits."""
    digits = str.maketrans("01", "\u200b\u200c")
    width = max(rows - 1, 1).bit_length()
    return [format(row, f"0{width}b").translate(digits) for row in range(rows)]


def _ticks(max_seconds: float) -> tuple[list[int], list[str]]:
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
    step = next((length for length in steps if max_seconds / length <= 6), 43200)
    values = list(range(0, int(max_seconds) + 1, step))
    return values, [f"+{value // 60}m {value % 60:02d}s" if value else "0s" for value in values]
