"""Time buckets of which only a part lies in the period: the current one, and those at the ends of the period. They are
drawn hatched or dashed, never omitted, so that a chart adds up to its key figure and includes the present."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from app.charts import theme
from app.frames.trends import SO_FAR
from app.status_style import CANCELLED

_HATCH = {"shape": "/", "size": 5, "solidity": 0.35}


def with_none(column: "pd.Series[Any]") -> list[Any]:
    """The values with nulls as None, where Plotly draws a gap."""
    return [None if pd.isna(value) else value for value in column.tolist()]


def partial_mask(frame: pd.DataFrame) -> list[bool]:
    """Which rows are partial buckets; all False for frames without the column."""
    return [bool(value) for value in frame["partial"]] if "partial" in frame else [False] * len(frame)


def hover_notes(frame: pd.DataFrame) -> list[str]:
    """The suffix of the hover of each row: ` · so far`, ` · from 10:19`, or an empty string."""
    return (
        [f" · {theme.escape_label(note)}" if note else "" for note in frame["note"]]
        if "note" in frame
        else [""] * len(frame)
    )


def lines(
    frame: pd.DataFrame, values: Sequence[Any], trace: dict[str, Any], *, legend: bool = True
) -> list[dict[str, Any]]:
    """`trace`: a line without x and y. Its solid line joins complete buckets only; a dashed line leads to an open
    circle for each partial bucket. `legend`: with an entry that explains the circles. The entry of the line toggles all
    of its parts."""
    trace = {"legendgroup": trace["name"], **trace}
    at, partial = list(frame["at"]), partial_mask(frame)
    solid = [None if cut else value for value, cut in zip(values, partial, strict=True)]
    complete = {**trace, "x": at, "y": solid}
    open_ones = [row for row, cut in enumerate(partial) if cut and values[row] is not None]
    if not open_ones:
        return [complete]
    colour, notes = trace["line"]["color"], hover_notes(frame)
    x, y = _connections(at, values, open_ones)
    dashed = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "hoverinfo": "skip",
        "legendgroup": trace["legendgroup"],
        "showlegend": False,
        "line": {"color": colour, "width": trace["line"]["width"], "dash": "dash"},
        "connectgaps": False,
    }
    links = {"meta": trace["meta"]} if "meta" in trace else {}
    circles = {
        **links,
        "type": "scatter",
        "mode": "markers",
        "name": SO_FAR,
        "legendgroup": trace["legendgroup"],
        "showlegend": False,
        # A rate of 100% lies on the edge of the chart.
        "cliponaxis": False,
        "x": [at[row] for row in open_ones],
        "y": [values[row] for row in open_ones],
        "marker": _circle(colour),
        "customdata": [trace["customdata"][row] for row in open_ones],
        "text": [notes[row] for row in open_ones],
        "hovertemplate": trace["hovertemplate"].replace("<extra>", "%{text}<extra>"),
    }
    has_running = any(notes[row] == f" · {SO_FAR}" for row in open_ones)
    return [complete, dashed, circles, *([_circle_entry(at[-1], colour)] if legend and has_running else [])]


def _circle(colour: str) -> dict[str, Any]:
    return {"size": 7, "symbol": "circle-open", "color": colour, "line": {"width": 2}}


def _circle_entry(at: Any, colour: str) -> dict[str, Any]:
    """An empty trace that explains the circles in the legend."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": SO_FAR,
        "x": [at],
        "y": [None],
        "hoverinfo": "skip",
        "showlegend": True,
        "marker": _circle(colour),
    }


def bars(frame: pd.DataFrame, values: Sequence[Any], trace: dict[str, Any]) -> list[dict[str, Any]]:
    """`trace`: a bar without x and y. Partial buckets get a hatched trace of the same name, as the legend shows the
    pattern of the first bar of a trace."""
    at, partial, notes = list(frame["at"]), partial_mask(frame), hover_notes(frame)
    if not any(partial):
        return [{**trace, "x": at, "y": list(values)}]
    complete, incomplete = (
        [row for row, is_partial in enumerate(partial) if is_partial is selected] for selected in (False, True)
    )
    parts = []
    for rows, hatched in ((complete, False), (incomplete, True)):
        part = {**trace, "x": [at[row] for row in rows], "y": [values[row] for row in rows]}
        if "customdata" in trace:
            part["customdata"] = [trace["customdata"][row] for row in rows]
        if hatched:
            part |= {
                "marker": {**trace["marker"], "pattern": _HATCH},
                "text": [notes[row] for row in rows],
                "textposition": "none",
                "showlegend": not complete,
                "hovertemplate": trace["hovertemplate"].replace("<extra>", "%{text}<extra>"),
            }
        parts.append(part)
    return [part for part in parts if part["x"]]


def legend_entry(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """An empty bar that explains hatching in the legend; no trace without a current bucket."""
    if not _has_running(frame):
        return []
    return [
        {
            "type": "bar",
            "name": SO_FAR,
            "x": [list(frame["at"])[-1]],
            "y": [None],
            "hoverinfo": "skip",
            "marker": {"color": CANCELLED, "pattern": _HATCH, "line": {"width": 0}},
        }
    ]


def _has_running(frame: pd.DataFrame) -> bool:
    return "note" in frame and SO_FAR in set(frame["note"])


def _connections(at: Sequence[Any], values: Sequence[Any], rows: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """The lines from each partial bucket to its complete neighbour, unless that has no value."""
    x: list[Any] = []
    y: list[Any] = []
    for row in rows:
        near = row - 1 if row else row + 1
        if 0 <= near < len(at) and values[near] is not None:
            x += [at[near], at[row], at[row]]
            y += [values[near], values[row], None]
    return x, y
