"""Tables with the columns set."""

import pandas as pd
import streamlit as st

from app.marks import STATES, colour_group, ledger_colours, word

_ROW = 34
_HIGHEST = 22


def workflows(frame: pd.DataFrame) -> None:
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW,
        height=min(len(frame), _HIGHEST) * _ROW + 40,
        key="workflows",
        column_order=["repo", "workflow", "state", "success_rate", "recent", "trend", "runs", "failed", "p50", "p95",
                      "queue", "last"],
        column_config={
            "repo": column.TextColumn("Repository", width=130),
            "workflow": column.LinkColumn("Workflow", display_text="#(.*)$", help="Opens its runs", width=105),
            "state": column.TextColumn("Default branch", help="Broken: the last decided run there failed", width=100),
            "success_rate": column.ProgressColumn(
                "Success rate", format="%.1f%%", min_value=0, max_value=100, color="green", width=140
            ),
            "recent": column.ImageColumn("Last 20 runs", width=145, help="Oldest left; full bars failed"),
            "trend": column.LineChartColumn("Success trend", y_min=0, y_max=1, width=95),
            "runs": column.NumberColumn("Runs", format="localized", width=55),
            "failed": column.NumberColumn("Failed", format="localized", width=60),
            "p50": column.TextColumn("Median", width=75),
            "p95": column.TextColumn("p95", width=75),
            "queue": column.TextColumn("p95 queue", width=75),
            "last": column.TextColumn("Last run", width=80),
        },
    )  # fmt: skip


def runs(frame: pd.DataFrame) -> None:
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW,
        height=len(frame) * _ROW + 40,
        key="runs",
        column_order=[
            "link",
            "state",
            "title",
            "repo",
            "workflow",
            "branch",
            "actor",
            "duration",
            "queue",
            "created",
            "event",
            "attempt",
            "commit",
        ],
        column_config={
            "link": column.LinkColumn("Run", display_text=r"(#\d+)$", width=65),
            "state": _state_column("Status", 118),
            "title": column.TextColumn("Title", width=250),
            "repo": column.TextColumn("Repository", width=125),
            "workflow": column.TextColumn("Workflow", width=95),
            "branch": column.TextColumn("Branch", width=120),
            "commit": column.TextColumn("Commit", width=80),
            "actor": column.TextColumn("Actor", width=95),
            "event": column.TextColumn("Event", width=100),
            "attempt": column.NumberColumn("Attempt", width=70),
            "duration": column.TextColumn("Duration", width=92),
            "queue": column.TextColumn("Queue", width=60),
            "created": column.DatetimeColumn("Created", format="DD MMM, HH:mm", width=115),
        },
    )


def ledger(frame: pd.DataFrame) -> None:
    column = st.column_config
    colours = ledger_colours()
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW,
        height=(min(len(frame), _HIGHEST) + 1) * _ROW + 3,
        key="ledger",
        column_config={
            "state": column.MultiselectColumn("State", width=150, options=list(colours), color=list(colours.values())),
            "repo": column.TextColumn("Repository", width=200),
            "since": column.DatetimeColumn("Complete since", format="DD MMM YYYY", width=120),
            "looked": column.TextColumn("Last look", width=95, help="At its newest runs"),
            "deep": column.TextColumn("Last full look", width=105, help="Through all runs of 31 days, for re-runs"),
            "runs": column.NumberColumn("Runs", format="localized", width=75),
            "gaps": column.NumberColumn("Gaps", width=60, help="Things known to be missing; below, line by line"),
            "jobs": column.NumberColumn("Without jobs", format="localized", width=100, help="Runs still without jobs"),
            "expired": column.NumberColumn(
                "Lost logs", format="localized", width=85, help="GitHub had deleted them, or has none"
            ),
            "error": column.TextColumn("Error", width="large"),
        },
    )


def _state_column(label: str, width: int):  # type: ignore[no-untyped-def]
    return st.column_config.MultiselectColumn(
        label,
        width=width,
        options=[word(state) for state in STATES],
        color=[colour_group(state) for state in STATES],
    )
