"""Success rate, durations, outcomes and compute minutes over time. Frames have one row per time bucket, in order, with
its position on the axis in `at`. `zone`: the time zone of the axis."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from app.charts import partial_buckets, theme
from app.charts.links import trace_query
from app.charts.partial_buckets import with_none as _plain
from app.status_style import CANCELLED, FAILURE, OTHER, RUNNING, SKIPPED, SUCCESS, TIMED_OUT
from db.definitions.attempts import conclusions_of
from db.enums import Outcome

# Ticks of more minutes are abbreviated.
_MAX_MINUTES_IN_FULL = 100_000


def success_rate(
    frame: pd.DataFrame,
    since: str,
    until: str,
    *,
    dark: bool = False,
    zone: str = "UTC",
    markers: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Columns: at, success_rate (null without completed runs), written, decided, remaining_rate (without infrastructure
    failures), remaining_written, infrastructure (their number), before_rate, before_rate_written, partial, note (see
    app.charts.partial_buckets). `markers`: at, label and tone of each regression."""
    rates = [value for value in _plain(frame["success_rate"]) if value is not None]
    earlier = [value for value in _plain(frame["before_rate"]) if value is not None]
    if not rates:
        return theme.empty("No completed runs in this period")
    floor = max(0.0, (int(min([*rates, *earlier]) * 20) - 1) / 20)
    hover_values = zip(frame["written"], _plain(frame["decided"]), strict=True)
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "success rate",
        "line": {"color": SUCCESS, "width": 2},
        "marker": {"size": 4},
        "fill": "tozeroy",
        "fillcolor": theme.SUCCESS_FAINT,
        "customdata": [list(row) for row in hover_values],
        "hovertemplate": "%{customdata[0]} of %{customdata[1]} completed runs<extra></extra>",
        "connectgaps": False,
    }
    # Below the line of all runs, with which it coincides where no run failed by infrastructure.
    remaining = _remaining_traces(frame, theme.P50[dark]) if frame["infrastructure"].sum() else []
    traces = [*remaining, *partial_buckets.lines(frame, _plain(frame["success_rate"]), line)]
    lines, notes = change_markers(markers)
    return {
        "data": [*_previous_trace(frame, "before_rate", earlier), *traces],
        "layout": theme.layout(
            showlegend=len(traces) > 1 or bool(earlier),
            xaxis=_time_axis(since, until, zone),
            yaxis=theme.axis(range=[floor, 1.005], tickformat=".0%"),
            shapes=lines,
            annotations=notes,
        ),
    }


def _remaining_traces(frame: pd.DataFrame, colour: str) -> list[dict[str, Any]]:
    """The success rate without infrastructure failures."""
    hover_values = zip(frame["remaining_written"], frame["infrastructure"].tolist(), strict=True)
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "without infrastructure failures",
        "legendrank": 1001,
        "line": {"color": colour, "width": 2},
        "customdata": [list(row) for row in hover_values],
        "hovertemplate": "%{customdata[0]} without %{customdata[1]} infrastructure failures<extra></extra>",
        "connectgaps": False,
    }
    return partial_buckets.lines(frame, _plain(frame["remaining_rate"]), trace, legend=False)


def durations(
    frame: pd.DataFrame,
    since: str,
    until: str,
    *,
    dark: bool = False,
    zone: str = "UTC",
    markers: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Columns: at, p50, p95 (seconds, null without runs), p50_written, p95_written, before_p50, before_p50_written,
    partial, note."""
    earlier = [value for value in _plain(frame["before_p50"]) if value is not None]
    values = [value for value in (*_plain(frame["p95"]), *_plain(frame["p50"])) if value is not None]
    if not values:
        return theme.empty("No completed runs with a known duration in this period")
    highest = max([*values, *earlier])
    ticks, labels = duration_ticks(highest)
    lines, notes = change_markers(markers)
    traces = [
        *_previous_trace(frame, "before_p50", earlier),
        *_duration_traces(frame, "p95", "p95", theme.P95[dark], "dot", legend=False),
        *_duration_traces(frame, "p50", "median", theme.P50[dark], "solid"),
    ]
    return {
        "data": traces,
        "layout": theme.layout(
            showlegend=True,
            xaxis=_time_axis(since, until, zone),
            yaxis=theme.axis(range=[0, highest * 1.08], tickvals=ticks, ticktext=labels),
            shapes=lines,
            annotations=notes,
        ),
    }


def outcomes(frame: pd.DataFrame, since: str, until: str, *, zone: str = "UTC") -> dict[str, Any]:
    """Columns: at, success, failure, cancelled, skipped, other, running, partial, note. The outcomes add up to all runs
    of the period."""
    outcomes = (
        ("success", "Success", theme.SUCCESS_SOFT, Outcome.SUCCESS),
        ("failure", "Failed", FAILURE, Outcome.FAILURE),
        ("cancelled", "Cancelled", CANCELLED, Outcome.CANCELLED),
        ("skipped", "Skipped", SKIPPED, Outcome.SKIPPED),
        ("other", "Other", OTHER, Outcome.OTHER),
        ("running", "Running", RUNNING, Outcome.IN_PROGRESS),
    )
    if not any(frame[column].sum() for column, *_ in outcomes):
        return theme.empty("No runs in this period")
    traces = [
        trace
        for column, label, colour, outcome in outcomes
        if frame[column].sum() > 0 or column in ("success", "failure")
        for trace in partial_buckets.bars(frame, _plain(frame[column]), _bar(label, colour, outcome))
    ]
    highest = float(frame[[column for column, *_ in outcomes]].sum(axis=1).max())
    return {
        "data": [*traces, *partial_buckets.legend_entry(frame)],
        "layout": theme.layout(
            barmode="stack",
            bargap=0.12,
            showlegend=True,
            xaxis=_time_axis(since, until, zone),
            # Numbers of runs are integers, so there are no ticks between them.
            yaxis=theme.axis(tickformat=",", **({"dtick": 1} if highest <= 5 else {})),
        ),
    }


def compute_minutes(frame: pd.DataFrame, since: str, until: str, *, zone: str = "UTC") -> dict[str, Any]:
    """Columns: at; used, defect, wasted (minutes); used_written, defect_written, wasted_written; partial, note."""
    if not frame[["used", "defect", "wasted"]].to_numpy().sum():
        return theme.empty("No jobs ran in this period")
    parts = (
        ("used", "Used", theme.USED_MINUTES),
        ("defect", "Genuine failures", CANCELLED),
        ("wasted", "Waste", TIMED_OUT),
    )
    traces = [
        trace
        for column, label, colour in parts
        for trace in partial_buckets.bars(
            frame,
            list(frame[column]),
            {
                "type": "bar",
                "name": label,
                "legendgroup": label,
                "marker": {"color": colour, "line": {"width": 0}},
                "customdata": list(frame[f"{column}_written"]),
                "hovertemplate": f"{label.lower()}: %{{customdata}}<extra></extra>",
            },
        )
    ]
    xaxis = theme.time_axis(since, until, f"%a %d %b %Y, %H:%M {zone}")
    # "150k min" instead of "150,000 min", which the margin would cut.
    highest = float(frame[["used", "defect", "wasted"]].sum(axis=1).max())
    yaxis = theme.axis(ticksuffix=" min", tickformat="," if highest < _MAX_MINUTES_IN_FULL else "~s")
    return {
        "data": [*traces, *partial_buckets.legend_entry(frame)],
        "layout": theme.layout(
            barmode="stack", bargap=0.12, showlegend=True, xaxis=xaxis, yaxis=yaxis, margin=theme.margin(l=66)
        ),
    }


def _bar(label: str, colour: str, outcome: Outcome) -> dict[str, Any]:
    """A click on a bar opens the runs with the outcome: by their conclusions or status, which are filters of the page;
    other conclusions include those that this version does not know."""
    query: Sequence[tuple[str, object]] = [("conclusion", name) for name in conclusions_of(outcome)]
    if outcome is Outcome.IN_PROGRESS:
        query = [("status", name) for name in ("running", "queued")]
    elif outcome is Outcome.OTHER:
        query = [("outcome", Outcome.OTHER)]
    return {
        "type": "bar",
        "name": label,
        "legendgroup": label,
        "meta": trace_query(*query),
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": f"%{{y:,}} {label.lower()}<extra></extra>",
    }


def _previous_trace(frame: pd.DataFrame, column: str, hover: list[Any]) -> list[dict[str, Any]]:
    """The buckets of the previous period as a thin grey line; no trace if that period has no data."""
    if not hover:
        return []
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "previous period",
            "x": list(frame["at"]),
            "y": _plain(frame[column]),
            "line": {"color": theme.PREVIOUS_PERIOD, "width": 1.5},
            "customdata": list(frame[f"{column}_written"]),
            "hovertemplate": "%{customdata} in the previous period<extra></extra>",
            "connectgaps": False,
        }
    ]


def change_markers(markers: pd.DataFrame | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A dotted line and a sign for each regression, with the description in the hover."""
    if markers is None or not len(markers):
        return [], []
    lines, notes = [], []
    for mark in markers.to_dict("records"):
        colour = theme.MARKER_COLOURS.get(mark["tone"], theme.REFERENCE)
        lines.append(
            {
                "type": "line",
                "yref": "paper",
                "x0": mark["at"],
                "x1": mark["at"],
                "y0": 0,
                "y1": 1,
                "line": {"color": colour, "width": 1, "dash": "dot"},
            }
        )
        notes.append(
            {
                "x": mark["at"],
                "y": 1.0,
                "yref": "paper",
                "yanchor": "bottom",
                "showarrow": False,
                "text": "▼",
                "font": {"size": 11, "color": colour},
                "hovertext": theme.escape_label(mark["label"]),
                "captureevents": True,
            }
        )
    return lines, notes


def _duration_traces(
    frame: pd.DataFrame, column: str, name: str, colour: str, dash: str, *, legend: bool = True
) -> list[dict[str, Any]]:
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "line": {"color": colour, "width": 2, "dash": dash},
        "customdata": list(frame[f"{column}_written"]),
        "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
        "connectgaps": False,
    }
    return partial_buckets.lines(frame, _plain(frame[column]), trace, legend=legend)


def duration_ticks(highest: float) -> tuple[list[float], list[str]]:
    """At most six round values in seconds from 0 to `highest`, and their labels."""
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
    step = next((length for length in steps if highest / length <= 5), 86400 * 2)
    values = [float(value) for value in range(0, int(highest * 1.08) + 1, step)]
    return values, [_duration_label(value) for value in values]


def _duration_label(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m" if not rest else f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h" if not minutes % 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def _time_axis(since: str, until: str, zone: str) -> dict[str, Any]:
    return theme.time_axis(since, until, f"%a %d %b %Y, %H:%M {zone}")
