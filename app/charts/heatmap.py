"""Heat maps: failure rate by weekday and hour, and queue time by runner and hour of the day."""

import math
from typing import Any

import pandas as pd

from app.charts import theme
from app.charts.links import OWN_LINKS
from app.charts.trends import duration_ticks

_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
# The space of the chart menu, below which the labels of the colours would be hidden.
_TOP = 28


def failure_rate(frame: pd.DataFrame, *, dark: bool = False) -> dict[str, Any]:
    """Columns: weekday (0 is Monday), hour, rate (null with too few completed runs), hover, query (of the link of the
    cell); all in one time zone."""
    if not frame["rate"].notna().any():
        return theme.empty("No hour of the week has 5 completed runs in this period")
    rates: list[list[float | None]] = [[None] * 24 for _ in _DAYS]
    hovers, queries = ([[""] * 24 for _ in _DAYS] for _ in range(2))
    columns = (frame[name] for name in ("weekday", "hour", "rate", "hover", "query"))
    for weekday, hour, rate, hover, query in zip(*columns, strict=True):
        rates[weekday][hour] = None if pd.isna(rate) else float(rate)
        hovers[weekday][hour], queries[weekday][hour] = theme.escape_label(hover), query
    colours = theme.HEAT_DARK if dark else theme.HEAT
    steps = [[index / (len(colours) - 1), colour] for index, colour in enumerate(colours)]
    trace = {
        "type": "heatmap",
        "z": rates,
        "x": list(range(24)),
        "y": _DAYS,
        "colorscale": steps,
        # Plotly ignores zmin without zmax.
        "zmin": 0,
        "zmax": float(frame["rate"].max()) or 1.0,
        "xgap": 2,
        "ygap": 2,
        "text": hovers,
        "customdata": queries,
        "meta": OWN_LINKS,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "colorbar": {"thickness": 8, "outlinewidth": 0, "tickformat": ".0%", "nticks": 4, "len": 1, "x": 1.01},
    }
    return {
        "data": [trace],
        "layout": theme.layout(
            hovermode="closest",
            margin=theme.margin(l=36, t=_TOP, b=22),
            xaxis=theme.axis(showgrid=False, range=[-0.5, 23.5], tickvals=list(range(0, 24, 3)), nticks=9),
            yaxis=theme.axis(showgrid=False, autorange="reversed", nticks=8),
        ),
    }


def queues(frame: pd.DataFrame, labels: list[str], *, dark: bool = False) -> dict[str, Any]:
    """Columns: label, hour, p95 (seconds; null with too few jobs), hover, query (of the link of the cell). One row of
    cells per label, in the given order."""
    if not frame["p95"].notna().any():
        return theme.empty("No runner has 5 jobs in any hour of the day in this period")
    waits: list[list[float | None]] = [[None] * 24 for _ in labels]
    hovers, queries = ([[""] * 24 for _ in labels] for _ in range(2))
    columns = (frame[name] for name in ("label", "hour", "p95", "hover", "query"))
    for label, hour, p95, hover, query in zip(*columns, strict=True):
        row = labels.index(label)
        # A linear scale of colours would show nothing but the longest queue time.
        waits[row][hour] = None if pd.isna(p95) else math.sqrt(p95)
        hovers[row][hour], queries[row][hour] = theme.escape_label(hover), query
    highest = float(frame["p95"].max())
    ticks, tick_labels = duration_ticks(highest)
    colours = theme.HEAT_DARK if dark else theme.HEAT
    trace = {
        "type": "heatmap",
        "z": waits,
        "x": list(range(24)),
        "y": [theme.escape_label(label[:40]) for label in labels],
        "colorscale": [[index / (len(colours) - 1), colour] for index, colour in enumerate(colours)],
        "zmin": 0,
        "zmax": math.sqrt(highest) or 1.0,
        "xgap": 2,
        "ygap": 2,
        "text": hovers,
        "customdata": queries,
        "meta": OWN_LINKS,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "colorbar": {
            "thickness": 8,
            "outlinewidth": 0,
            "tickvals": [math.sqrt(seconds) for seconds in ticks],
            "ticktext": tick_labels,
            "len": 1,
            "x": 1.01,
        },
    }
    return {
        "data": [trace],
        "layout": theme.layout(
            height=max(60 + 30 * len(labels), theme.HEIGHT),
            hovermode="closest",
            margin=theme.margin(l=0, t=_TOP, b=22),
            xaxis=theme.axis(showgrid=False, range=[-0.5, 23.5], tickvals=list(range(0, 24, 3)), nticks=9),
            yaxis=theme.axis(
                showgrid=False, autorange="reversed", type="category", nticks=len(labels) + 1, automargin=True
            ),
        ),
    }
