"""Failed runs over time by the class of their causes."""

from typing import Any

import pandas as pd

from app.charts import partial_buckets, theme
from app.charts.links import trace_query
from app.status_style import CANCELLED, FAILURE, OTHER, RUNNING, SKIPPED, TIMED_OUT, cause_class_label
from health.insights.causes.model import CauseClass

_, _, _PINK, _TEAL, _BROWN, _ = theme.SERIES[False]
_COLOURS = {
    CauseClass.TEST: FAILURE,
    CauseClass.COMPILE: TIMED_OUT,
    CauseClass.LINT: _BROWN,
    CauseClass.DEPENDENCY: _PINK,
    CauseClass.INFRASTRUCTURE: RUNNING,
    CauseClass.TIMEOUT: _TEAL,
    CauseClass.RESOURCES: theme.HEAT[3],
    CauseClass.CONFIGURATION: OTHER,
    CauseClass.CANCELLED: CANCELLED,
    CauseClass.UNKNOWN: SKIPPED,
}
_EXTRA = ("at", "partial", "note")


def runs_by_class(
    frame: pd.DataFrame, since: str, until: str, *, zone: str = "UTC", of_one_cause: bool = False
) -> dict[str, Any]:
    """Columns: those of `frames.runs_by_class`. A bar opens the causes of its bucket and class; with `of_one_cause`,
    the bucket alone, as the class is that of the cause."""
    kinds = [name for name in frame.columns if name not in _EXTRA]
    if not kinds:
        return theme.empty("No failed runs with a cause in this period")
    traces = [
        trace
        for kind in kinds
        for trace in partial_buckets.bars(
            frame, [value or None for value in frame[kind]], _bar(kind, linked=not of_one_cause)
        )
    ]
    highest = float(frame[kinds].sum(axis=1).max())
    return {
        "data": [*traces, *partial_buckets.legend_entry(frame)],
        "layout": theme.layout(
            barmode="stack",
            bargap=0.12,
            showlegend=True,
            xaxis=theme.time_axis(since, until, f"%a %d %b %Y, %H:%M {zone}"),
            yaxis=theme.axis(tickformat=",", **({"dtick": 1} if highest <= 5 else {})),
        ),
    }


def _counts(frame: pd.DataFrame, kind: str) -> list[int | None]:
    """Zeros as None: a hover lists the classes that occur in its bucket."""
    return [int(value) or None for value in frame[kind]]


def _bar(kind: str, *, linked: bool) -> dict[str, Any]:
    label = theme.escape_label(cause_class_label(kind))
    links = {"meta": trace_query(("class", kind))} if linked else {}
    colour = _COLOURS[CauseClass(kind)] if kind in _COLOURS else OTHER
    return links | {
        "type": "bar",
        "name": label,
        "legendgroup": label,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": f"{label.lower()}: %{{y:,}}<extra></extra>",
    }
