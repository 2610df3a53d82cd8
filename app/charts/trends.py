"""Success rate, durations and outcomes over time. Frames have one row a bucket: start, …, in order."""

from typing import Any

import pandas as pd

from app.charts import theme

_TARGET = 0.9


def success_rate(frame: pd.DataFrame, since: str, until: str) -> dict[str, Any]:
    """Columns: start, success_rate (null: nothing decided), written, decided."""
    rates = [value for value in _plain(frame["success_rate"]) if value is not None]
    low = min([*rates, _TARGET], default=0.0)
    floor = max(0.0, (int(low * 20) - 1) / 20)
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": _times(frame),
        "y": _plain(frame["success_rate"]),
        "line": {"color": theme.SUCCESS, "width": 2},
        "marker": {"size": 4},
        "fill": "tozeroy",
        "fillcolor": "rgba(8,166,158,0.10)",
        "customdata": [list(row) for row in zip(frame["written"], _plain(frame["decided"]), strict=True)],
        "hovertemplate": "%{customdata[0]} of %{customdata[1]} decided runs<extra></extra>",
        "connectgaps": False,
    }
    target = {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": _TARGET, "y1": _TARGET,
        "line": {"color": theme.REFERENCE, "width": 1, "dash": "dash"},
    }  # fmt: skip
    return {
        "data": [line],
        "layout": theme.layout(
            xaxis=_time_axis(since, until),
            yaxis=theme.axis(range=[floor, 1.005], tickformat=".0%"),
            shapes=[target],
            margin=theme.margin(t=8),
        ),
    }


def durations(frame: pd.DataFrame, since: str, until: str, *, dark: bool = False) -> dict[str, Any]:
    """Columns: start, p50, p95 (seconds, null without runs), p50_written, p95_written."""
    highest = max((value for value in _plain(frame["p95"]) if value is not None), default=60.0)
    ticks, labels = _duration_ticks(highest)
    traces = [
        _duration_trace(frame, "p95", "p95", theme.P95[dark], "dot"),
        _duration_trace(frame, "p50", "median", theme.P50[dark], "solid"),
    ]
    return {
        "data": traces,
        "layout": theme.layout(
            showlegend=True,
            xaxis=_time_axis(since, until),
            yaxis=theme.axis(range=[0, highest * 1.08], tickvals=ticks, ticktext=labels),
        ),
    }


def outcomes(frame: pd.DataFrame, since: str, until: str) -> dict[str, Any]:
    """Columns: start, success, failure, cancelled, skipped, other."""
    shown = (
        ("success", "Success", theme.SUCCESS_SOFT),
        ("failure", "Failed", theme.FAILURE),
        ("cancelled", "Cancelled", theme.CANCELLED),
        ("skipped", "Skipped", theme.SKIPPED),
        ("other", "Other", theme.OTHER),
    )
    traces = [
        {
            "type": "bar",
            "name": label,
            "x": _times(frame),
            "y": _plain(frame[column]),
            "marker": {"color": colour, "line": {"width": 0}},
            "hovertemplate": f"%{{y:,}} {label.lower()}<extra></extra>",
        }
        for column, label, colour in shown
        if frame[column].sum() > 0 or column in ("success", "failure")
    ]
    return {
        "data": traces,
        "layout": theme.layout(barmode="stack", bargap=0.12, showlegend=True, xaxis=_time_axis(since, until)),
    }


def _duration_trace(frame: pd.DataFrame, column: str, name: str, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": _times(frame),
        "y": _plain(frame[column]),
        "line": {"color": colour, "width": 2, "dash": dash},
        "customdata": list(frame[f"{column}_written"]),
        "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
        "connectgaps": False,
    }


def _duration_ticks(highest: float) -> tuple[list[float], list[str]]:
    """At most five round ones: seconds, minutes or hours."""
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
    step = next((each for each in steps if highest / each <= 5), 86400 * 2)
    values = [float(value) for value in range(0, int(highest * 1.08) + 1, step)]
    return values, [_clock(value) for value in values]


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m" if not rest else f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h" if not minutes % 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def _time_axis(since: str, until: str) -> dict[str, Any]:
    return theme.axis(showgrid=False, type="date", range=[since, until], hoverformat="%a %d %b %Y, %H:%M UTC")


def _times(frame: pd.DataFrame) -> list[str]:
    return list(frame["start"].dt.strftime("%Y-%m-%dT%H:%M:%S"))


def _plain(column: "pd.Series[Any]") -> list[Any]:
    """Nulls as None: Plotly leaves a gap there."""
    return [None if pd.isna(value) else value for value in column.tolist()]
