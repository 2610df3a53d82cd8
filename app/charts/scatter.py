"""Runs as points: when they were created and how long they took."""

from typing import Any

import pandas as pd

from app.charts import theme
from app.charts.trends import change_marks, duration_ticks

_KINDS = (
    ("success", "Success", theme.SUCCESS, "circle"),
    ("failure", "Failed", theme.FAILURE, "x"),
    ("cancelled", "Cancelled", theme.CANCELLED, "diamond"),
    ("other", "Other", theme.OTHER, "square"),
)
# SVG stays quick to about this many points; more are drawn on a canvas.
_SVG_UP_TO = 1_000


def runs(
    frame: pd.DataFrame, since: str, until: str, *, zone: str = "UTC", markers: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Columns: at, seconds, kind (success, failure, cancelled, other), address (where a click leads), hover.
    Symbols differ, so that colour is never alone. `markers` as in the charts over time."""
    if not len(frame):
        return theme.empty("No completed run with a known duration in this period")
    highest = float(frame["seconds"].max())
    ticks, labels = duration_ticks(highest)
    kind = "scatter" if len(frame) <= _SVG_UP_TO else "scattergl"
    lines, notes = change_marks(markers)
    hover = f"%a %d %b %Y, %H:%M {zone}"
    return {
        "data": [
            _trace(frame[frame["kind"] == name], kind, label, colour, symbol) for name, label, colour, symbol in _KINDS
            if (frame["kind"] == name).any()
        ],
        "layout": theme.layout(
            height=270,
            hovermode="closest",
            showlegend=True,
            shapes=lines,
            annotations=notes,
            xaxis=theme.axis(showgrid=False, type="date", range=[since, until], hoverformat=hover),
            yaxis=theme.axis(range=[0, highest * 1.08], tickvals=ticks, ticktext=labels),
        ),
    }  # fmt: skip


def _trace(frame: pd.DataFrame, kind: str, label: str, colour: str, symbol: str) -> dict[str, Any]:
    return {
        "type": kind,
        "mode": "markers",
        "name": label,
        "x": list(frame["at"]),
        "y": list(frame["seconds"]),
        "marker": {"color": colour, "size": 7, "symbol": symbol, "opacity": 0.75},
        "customdata": [list(row) for row in zip(frame["address"], map(theme.safe, frame["hover"]), strict=True)],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }  # fmt: skip
