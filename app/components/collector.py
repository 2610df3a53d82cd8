"""The completeness ledger: the answer in a sentence, who is collecting, and every repository line by line.

What the stored data takes, table by table, and what is deleted next.
"""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app import data
from app.status_style import ledger_colours, ledger_label
from app.widgets import cells
from app.widgets.panel import panel
from app.widgets.table import Column, paginate, table
from app.widgets.text import html, markdown
from core import formatting
from db.enums import LedgerState
from db.repositories.repository_queries import TargetRow
from db.storage import TableSize
from health.completeness.descriptions import ServiceFact, service_facts
from health.completeness.gaps import RepositoryCompleteness, backfill_progress_text
from health.completeness.status import Tone, completeness_entries, incomplete_repositories

_REFRESH_SECONDS = 5
_SIGNS = {Tone.GOOD: ("✓", "green"), Tone.BUSY: ("◌", "blue"), Tone.BAD: ("✕", "red"), Tone.NOTE: ("–", "gray")}
_LABELS = {Tone.GOOD: "Complete", Tone.BUSY: "On its way", Tone.BAD: "Missing", Tone.NOTE: "For information"}


@st.fragment(run_every=_REFRESH_SECONDS)
def live_status() -> None:
    """Renews itself while it is looked at."""
    found = load_collection()
    said = found.completeness
    sign, colour = _SIGNS[said.tone]
    st.html(
        f'<div class="ph-verdict ph-{colour}" role="status"><span aria-hidden="true">{sign}</span>'
        f"<div><b>{html(said.headline)}</b><p>{html(said.detail)}</p></div></div>"
    )
    if found.backfill:
        line = backfill_progress_text(found.backfill.done, found.backfill.expected, found.backfill.seconds_left)
        st.progress(found.backfill.share, text=markdown(line))
    fact_grid(service_facts(found.service, found.at, is_stale=found.heartbeat_stale, stall_text=found.stall))
    if found.ledgers or found.unresolved:
        with panel("Repositories", "what is known to be complete · worst first · times in UTC"):
            every: list[RepositoryLedger | TargetRow] = [*found.unresolved, *incomplete_first(found.ledgers)]
            repository_table(ledger_frame(paginate(every, "ledger", "repositories"), found.at))


@st.fragment(run_every=_REFRESH_SECONDS)
def repository_ledger(repo: str) -> None:
    """The ledger of one repository."""
    found = load_collection()
    chosen = next((each for each in found.ledgers if each.repo == repo), None)
    if chosen is None:
        st.info(f"{markdown(repo)} is not monitored any more.", icon=":material/info:")
        return
    rows = "".join(
        f'<li class="ph-{_SIGNS[each.tone][1]}"><span title="{_LABELS[each.tone]}">{_SIGNS[each.tone][0]}</span>'
        f"<div><span>{html(each.text)}</span><p>{html(each.remedy)}</p></div></li>"
        for each in completeness_entries(chosen, missing_numbers(chosen.id), found.at)
    )
    st.html(f'<ul class="ph-ledger">{rows}</ul>')


def incomplete_first(ledgers: Sequence[RepositoryCompleteness]) -> list[RepositoryCompleteness]:
    bad = incomplete_repositories(ledgers)
    return [*bad, *(each for each in ledgers if each.is_complete)]


_ROW_HEIGHT = 34
_MAX_VISIBLE_ROWS = 22


def ledger_frame(entries: Sequence[RepositoryLedger | TargetRow], now: datetime) -> pd.DataFrame:
    """A row for each repository, and for each name of GITHUB_REPOS that led to none."""
    rows = [
        {"state": [ledger_label(LedgerState.FAILING)], "repo": each.name, "error": each.error or ""}
        if isinstance(each, TargetRow)
        else {
            "state": [ledger_label(each.state)],
            "repo": each.repo,
            "since": each.complete_since,
            "looked": _ago(each.synced_at, now),
            "deep": _ago(each.rescanned_deep_at, now),
            "runs": each.runs,
            "gaps": len(each.gaps),
            "jobs": each.runs_without_jobs,
            "expired": each.logs.lost,
            "error": each.error or "",
        }
        for each in entries
    ]
    return pd.DataFrame(
        rows, columns=["state", "repo", "since", "looked", "deep", "runs", "gaps", "jobs", "expired", "error"]
    )


def _ago(moment: datetime | None, now: datetime) -> str:
    return formatting.relative((now - moment).total_seconds()) if moment else formatting.NO_DATA


def repository_table(frame: pd.DataFrame) -> None:
    column = st.column_config
    colours = ledger_colours()
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=(min(len(frame), _MAX_VISIBLE_ROWS) + 1) * _ROW_HEIGHT + 3,
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


_COLUMNS = (
    Column("Table", fluid=True),
    Column("Rows", align="right", help="About so many: not counted, estimated by the database"),
    Column("Data", align="right", help="With what is stored beside the rows, as logs are"),
    Column("Indexes", align="right"),
)
_MAX_TABLES = 8


def storage_panel() -> None:
    found = storage_overview()
    with panel("Storage", "what is kept, and for how long · renewed every minute", key="storage"):
        fact_grid(found.facts)
        rows = [_row(each) for each in found.storage.largest(_MAX_TABLES)]
        if rows:
            table("storage", _COLUMNS, rows, caption="Size of the tables of the database")


def fact_grid(facts: Sequence[ServiceFact]) -> None:
    listed = "".join(
        f"<div><small>{html(each.label)}</small><b>{html(each.value)}</b><p>{html(each.note)}</p></div>"
        for each in facts
    )
    st.html(f'<div class="ph-facts">{listed}</div>')


def _row(table_size: TableSize) -> list[cells.Cell]:
    return [
        cells.text(table_size.name, mono=True),
        cells.approximate_count(table_size.rows),
        cells.size(table_size.table_bytes),
        cells.size(table_size.index_bytes),
    ]
