"""Charts of one workflow: success rate and duration by branch, and runs as points."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from app.charts import partial_buckets, theme
from app.charts.links import OWN_LINKS, trace_query
from app.charts.trends import change_markers, duration_ticks
from app.status_style import CANCELLED, FAILURE, OTHER, SUCCESS

# Two names beside each other on phones: with one a line, the legend would take the space of the chart.
_MAX_LEGEND = 20
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def rates(frame: pd.DataFrame, since: str, until: str, *, dark: bool = False) -> dict[str, Any]:
    """Columns: at, name, rate (a share; null without completed runs, a gap), rate_written, partial, note."""
    return _lines(frame, "rate", (since, until), theme.axis(range=[0, 1.005], tickformat=".0%"), dark)


def durations(frame: pd.DataFrame, since: str, until: str, *, dark: bool = False) -> dict[str, Any]:
    """Columns: at, name, p50 (seconds; null: a gap), p50_written, partial, note."""
    values = frame["p50"].dropna()
    highest = float(values.max()) if len(values) else 60.0
    ticks, labels = duration_ticks(highest)
    yaxis = theme.axis(range=[0, highest * 1.08], tickvals=ticks, ticktext=labels)
    return _lines(frame, "p50", (since, until), yaxis, dark)


def _named(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in frame.groupby("name", sort=False)]


def _lines(
    frame: pd.DataFrame, column: str, span: tuple[str, str], yaxis: dict[str, Any], dark: bool
) -> dict[str, Any]:
    if not frame[column].notna().any():
        return theme.empty("No branch has completed runs in this period")
    branches = _named(frame)
    labels = _legend_names([name for name, _ in branches])
    traces = [
        trace
        for index, (name, part) in enumerate(branches)
        for trace in partial_buckets.lines(
            part,
            partial_buckets.with_none(part[column]),
            _line(name, labels[index], part, column, index, dark=dark),
            legend=not index,
        )
    ]
    return {
        "data": traces,
        "layout": theme.layout(
            showlegend=True,
            xaxis=theme.time_axis(*span, "%a %d %b %Y UTC"),
            yaxis=yaxis,
        ),
    }


def _legend_names(branches: Sequence[str]) -> list[str]:
    """The names in the legend, which differ: the legend hides lines by their name, and branches of one tool often have
    a long common beginning (`dependabot/npm_and_yarn/…`)."""
    names: list[str] = []
    for branch in branches:
        name, number = _short(branch, _MAX_LEGEND), 1
        while name in names:
            number += 1
            name = f"{_short(branch, _MAX_LEGEND - 4)} ({number})"
        names.append(name)
    return names


def _short(branch: str, length: int) -> str:
    """Without the middle if it is longer."""
    end = (length - 1) // 2
    return branch if len(branch) <= length else f"{branch[: length - 1 - end]}…{branch[-end:]}"


def _line(name: str, label: str, part: pd.DataFrame, column: str, index: int, *, dark: bool) -> dict[str, Any]:
    colours = theme.SERIES[dark]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": theme.escape_label(label),
        "line": {"color": colours[index % len(colours)], "width": 2, "dash": _DASHES[index % len(_DASHES)]},
        "marker": {"size": 5},
        "meta": trace_query(("branch", name)),
        "customdata": list(part[f"{column}_written"]),
        "hovertemplate": f"%{{customdata}} {theme.escape_label(name[:40])}<extra></extra>",
        "connectgaps": False,
    }


_KINDS = (
    ("success", "Success", SUCCESS, "circle"),
    ("failure", "Failed", FAILURE, "x"),
    ("cancelled", "Cancelled", CANCELLED, "diamond"),
    ("other", "Other", OTHER, "square"),
)
# SVG is fast up to about this many points; more are drawn on a canvas.
_SVG_UP_TO = 1_000


def runs(
    frame: pd.DataFrame, since: str, until: str, *, zone: str = "UTC", markers: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Columns: at, seconds, kind (success, failure, cancelled, other), address (the link of a click), hover. Symbols
    differ too, so that colour is never the only sign. `markers`: as in app.charts.trends."""
    if not len(frame):
        return theme.empty("No completed runs with a known duration in this period")
    highest = float(frame["seconds"].max())
    ticks, labels = duration_ticks(highest)
    kind = "scatter" if len(frame) <= _SVG_UP_TO else "scattergl"
    lines, notes = change_markers(markers)
    hover = f"%a %d %b %Y, %H:%M {zone}"
    return {
        "data": [
            _trace(frame[frame["kind"] == name], kind, label, colour, symbol)
            for name, label, colour, symbol in _KINDS
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
    }


def _trace(frame: pd.DataFrame, kind: str, label: str, colour: str, symbol: str) -> dict[str, Any]:
    return {
        "type": kind,
        "mode": "markers",
        "name": label,
        "meta": OWN_LINKS,
        "x": list(frame["at"]),
        "y": list(frame["seconds"]),
        "marker": {"color": colour, "size": 7, "symbol": symbol, "opacity": 0.75},
        "customdata": [
            list(row) for row in zip(frame["address"], map(theme.escape_label, frame["hover"]), strict=True)
        ],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }
