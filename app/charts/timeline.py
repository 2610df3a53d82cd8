"""Buckets that do not hold their whole hour, day or week: the running one, and one that the period cuts short. They are
drawn hatched or dashed, never left out, so that a chart adds up to its key figure and shows what happens now.

The jobs of an attempt, or the steps of a job, on a common clock.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from app.charts import theme
from app.frames.trends import SO_FAR

_HATCH = {"shape": "/", "size": 5, "solidity": 0.35}


def with_none(column: "pd.Series[Any]") -> list[Any]:
    """Nulls as None: Plotly leaves a gap there."""
    return [None if pd.isna(value) else value for value in column.tolist()]


def partial_mask(frame: pd.DataFrame) -> list[bool]:
    """Which rows are unfinished buckets; frames without the column have none."""
    return [bool(value) for value in frame["partial"]] if "partial" in frame else [False] * len(frame)


def hover_notes(frame: pd.DataFrame) -> list[str]:
    """What is added to the hover of each row: ` · so far`, ` · from 10:19 on`, or nothing."""
    return (
        [f" · {theme.escape_label(note)}" if note else "" for note in frame["note"]]
        if "note" in frame
        else [""] * len(frame)
    )


def lines(
    frame: pd.DataFrame, values: Sequence[Any], trace: dict[str, Any], *, legend: bool = True
) -> list[dict[str, Any]]:
    """`trace` is a line without x and y. Unfinished buckets leave it: a dashed line leads to an open circle for each of
    them. Whole buckets alone are joined by the solid line."""
    at, partial = list(frame["at"]), partial_mask(frame)
    solid = [None if cut else value for value, cut in zip(values, partial, strict=True)]
    whole = {**trace, "x": at, "y": solid}
    open_ones = [row for row, cut in enumerate(partial) if cut and values[row] is not None]
    if not open_ones:
        return [whole]
    colour, told = trace["line"]["color"], hover_notes(frame)
    x, y = _connections(at, values, open_ones)
    dashed = {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip", "showlegend": False,
        "line": {"color": colour, "width": trace["line"]["width"], "dash": "dash"}, "connectgaps": False,
    }  # fmt: skip
    circles = {
        "type": "scatter", "mode": "markers", "name": SO_FAR, "legendgroup": SO_FAR,
        "showlegend": legend and any(told[row] == f" · {SO_FAR}" for row in open_ones),
        # A rate of 100 % lies on the edge of the chart.
        "cliponaxis": False,
        "x": [at[row] for row in open_ones], "y": [values[row] for row in open_ones],
        "marker": {"size": 7, "symbol": "circle-open", "color": colour, "line": {"width": 2}},
        "customdata": [trace["customdata"][row] for row in open_ones], "text": [told[row] for row in open_ones],
        "hovertemplate": trace["hovertemplate"].replace("<extra>", "%{text}<extra>"),
    }  # fmt: skip
    return [whole, dashed, circles]


def bars(frame: pd.DataFrame, values: Sequence[Any], trace: dict[str, Any]) -> list[dict[str, Any]]:
    """`trace` is a bar without x and y. Unfinished buckets become a hatched one of the same name beside it: the legend
    shows the pattern of a trace's first bar, whichever that is."""
    at, partial, told = list(frame["at"]), partial_mask(frame), hover_notes(frame)
    if not any(partial):
        return [{**trace, "x": at, "y": list(values)}]
    whole, cut = ([row for row, each in enumerate(partial) if each is wanted] for wanted in (False, True))
    parts = []
    for rows, hatched in ((whole, False), (cut, True)):
        part = {**trace, "x": [at[row] for row in rows], "y": [values[row] for row in rows]}
        if "customdata" in trace:
            part["customdata"] = [trace["customdata"][row] for row in rows]
        if hatched:
            part |= {
                "marker": {**trace["marker"], "pattern": _HATCH}, "text": [told[row] for row in rows],
                "textposition": "none", "showlegend": not whole,
                "hovertemplate": trace["hovertemplate"].replace("<extra>", "%{text}<extra>"),
            }  # fmt: skip
        parts.append(part)
    return [part for part in parts if part["x"]]


def legend_entry(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """An empty bar that says in the legend what hatching means; none where no bucket is running."""
    if not _has_running(frame):
        return []
    return [
        {
            "type": "bar", "name": SO_FAR, "x": [list(frame["at"])[-1]], "y": [None], "hoverinfo": "skip",
            "marker": {"color": theme.CANCELLED, "pattern": _HATCH, "line": {"width": 0}},
        }
    ]  # fmt: skip


def _has_running(frame: pd.DataFrame) -> bool:
    return "note" in frame and SO_FAR in set(frame["note"])


def _connections(at: Sequence[Any], values: Sequence[Any], rows: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """Each unfinished bucket joined with its finished neighbour; nothing where that is empty."""
    x: list[Any] = []
    y: list[Any] = []
    for row in rows:
        near = row - 1 if row else row + 1
        if 0 <= near < len(at) and values[near] is not None:
            x += [at[near], at[row], at[row]]
            y += [values[near], values[row], None]
    return x, y


ROW = 26


def timeline(frame: pd.DataFrame) -> dict[str, Any]:
    """Columns: name, queue_start, start, end (seconds from the start of the attempt; start and end null where it did
    not run, end alone where it is unknown), outcome, written (its duration), hover,
    critical (outlined). One row a bar, the first one on top."""
    names = [
        theme.escape_label(str(name)[:60]) + mark
        for name, mark in zip(frame["name"], _row_labels(len(frame)), strict=True)
    ]
    ran = [not pd.isna(value) for value in frame["start"]]
    starts = [float(value) if ok else 0.0 for value, ok in zip(frame["start"], ran, strict=True)]
    ends = [start if pd.isna(value) else float(value) for value, start in zip(frame["end"], starts, strict=True)]
    queued = [0.0 if pd.isna(value) else float(value) for value in frame["queue_start"]]
    hovers = [theme.escape_label(text) for text in frame["hover"]]
    waits = {
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
            "color": [theme.colour_of(outcome) for outcome in frame["outcome"]],
            "cornerradius": 3,
            "line": {"color": theme.CRITICAL_PATH, "width": [2 if on else 0 for on in frame["critical"]]},
        },
        "text": list(frame["written"]),
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": hovers,
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    longest = max([*ends, 1.0])
    ticks, labels = _ticks(longest)
    return {
        "data": [waits, runs],
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
    """Two jobs may have one name, and Plotly draws bars of one name in one row. The number of the row, in invisible
    characters for binary digits, keeps them apart; its length grows with the logarithm of the rows."""
    digits = str.maketrans("01", "\u200b\u200c")
    width = max(rows - 1, 1).bit_length()
    return [format(row, f"0{width}b").translate(digits) for row in range(rows)]


def _ticks(max_seconds: float) -> tuple[list[int], list[str]]:
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
    step = next((each for each in steps if max_seconds / each <= 6), 43200)
    values = list(range(0, int(max_seconds) + 1, step))
    return values, [f"+{value // 60}m {value % 60:02d}s" if value else "0s" for value in values]
