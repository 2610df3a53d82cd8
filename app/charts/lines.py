"""Several lines over time, one a name."""

from typing import Any

import pandas as pd

from app.charts import theme, unfinished
from app.charts.trends import duration_ticks

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def rates(frame: pd.DataFrame, since: str, until: str, *, dark: bool = False) -> dict[str, Any]:
    """Columns: at, name, rate (a share; null: nothing decided, a gap), rate_written, partial, note."""
    return _lines(frame, "rate", (since, until), theme.axis(range=[0, 1.005], tickformat=".0%"), dark)


def durations(frame: pd.DataFrame, since: str, until: str, *, dark: bool = False) -> dict[str, Any]:
    """Columns: at, name, p50 (seconds; null: a gap), p50_written, partial, note."""
    known = frame["p50"].dropna()
    highest = float(known.max()) if len(known) else 60.0
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
    traces = [
        drawn
        for place, (name, part) in enumerate(_named(frame))
        for drawn in unfinished.lines(part, unfinished.plain(part[column]), _line(name, part, column, place, dark=dark),
                                      legend=not place)
    ]  # fmt: skip
    return {
        "data": traces,
        "layout": theme.layout(
            showlegend=True,
            xaxis=theme.time_axis(*span, "%a %d %b %Y UTC"),
            yaxis=yaxis,
        ),
    }


def _line(name: str, part: pd.DataFrame, column: str, place: int, *, dark: bool) -> dict[str, Any]:
    colours = theme.SERIES[dark]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": theme.safe(name[:28]),
        "line": {"color": colours[place % len(colours)], "width": 2, "dash": _DASHES[place % len(_DASHES)]},
        "marker": {"size": 5},
        "customdata": list(part[f"{column}_written"]),
        "hovertemplate": f"%{{customdata}} {theme.safe(name[:40])}<extra></extra>",
        "connectgaps": False,
    }
