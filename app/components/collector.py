"""The parts of the Collector page: completeness, state of the collector, each repository, and storage."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app.data.collection import load_collection, missing_numbers, storage_overview
from app.status_style import completeness_colours, completeness_label
from app.widgets import cells
from app.widgets.panel import panel
from app.widgets.table import Column, paginate, table
from app.widgets.text import html, markdown
from core import formatting
from db.enums import CompletenessState
from db.repositories.repository_queries import TargetRow
from db.storage import TableSize
from health.completeness.descriptions import Tone, backfill_progress_text, completeness_entries
from health.completeness.repository_completeness import RepositoryCompleteness, incomplete_repositories
from health.completeness.service_facts import ServiceFact, service_facts

_REFRESH_SECONDS = 5
_SIGNS = {Tone.GOOD: ("✓", "green"), Tone.BUSY: ("◌", "blue"), Tone.BAD: ("✕", "red"), Tone.NOTE: ("–", "gray")}
_LABELS = {Tone.GOOD: "Complete", Tone.BUSY: "In progress", Tone.BAD: "Missing", Tone.NOTE: "Information"}


@st.fragment(run_every=_REFRESH_SECONDS)
def live_status() -> None:
    """Completeness in one sentence, backfill progress, state of the collector and the table of repositories."""
    overview = load_collection()
    status = overview.completeness
    sign, colour = _SIGNS[status.tone]
    st.html(
        f'<div class="ph-verdict ph-{colour}" role="status"><span aria-hidden="true">{sign}</span>'
        f"<div><b>{html(status.headline)}</b><p>{html(status.detail)}</p></div></div>"
    )
    if overview.backfill:
        line = backfill_progress_text(
            overview.backfill.done, overview.backfill.expected, overview.backfill.seconds_left
        )
        st.progress(overview.backfill.share, text=markdown(line))
    fact_grid(
        service_facts(overview.service, overview.at, is_stale=overview.heartbeat_stale, stall_text=overview.stall)
    )
    if overview.repositories or overview.unresolved:
        with panel("Repositories", "completeness · incomplete repositories first · times in UTC"):
            entries: list[RepositoryCompleteness | TargetRow] = [
                *overview.unresolved,
                *incomplete_first(overview.repositories),
            ]
            repository_table(completeness_frame(paginate(entries, "ledger", "repositories"), overview.at))


@st.fragment(run_every=_REFRESH_SECONDS)
def repository_details(repo: str) -> None:
    """The completeness of one repository, line by line."""
    overview = load_collection()
    selected = next((repository for repository in overview.repositories if repository.repo == repo), None)
    if selected is None:
        st.info(f"{markdown(repo)} is no longer monitored.", icon=":material/info:")
        return
    rows = "".join(
        f'<li class="ph-{_SIGNS[entry.tone][1]}"><span title="{_LABELS[entry.tone]}">{_SIGNS[entry.tone][0]}</span>'
        f"<div><span>{html(entry.text)}</span><p>{html(entry.remedy)}</p></div></li>"
        for entry in completeness_entries(selected, missing_numbers(selected.id), overview.at)
    )
    st.html(f'<ul class="ph-ledger">{rows}</ul>')


def incomplete_first(repositories: Sequence[RepositoryCompleteness]) -> list[RepositoryCompleteness]:
    bad = incomplete_repositories(repositories)
    return [*bad, *(repository for repository in repositories if repository.is_complete)]


_ROW_HEIGHT = 34
_MAX_VISIBLE_ROWS = 22


def completeness_frame(entries: Sequence[RepositoryCompleteness | TargetRow], now: datetime) -> pd.DataFrame:
    """One row for each repository, and for each entry of GITHUB_REPOS that matches no repository."""
    rows = [
        {"state": [completeness_label(CompletenessState.FAILING)], "repo": entry.name, "error": entry.error or ""}
        if isinstance(entry, TargetRow)
        else {
            "state": [completeness_label(entry.state)],
            "repo": entry.repo,
            "since": entry.complete_since,
            "looked": _ago(entry.synced_at, now),
            "deep": _ago(entry.rescanned_deep_at, now),
            "runs": entry.runs,
            "gaps": len(entry.gaps),
            "jobs": entry.runs_without_jobs,
            "expired": entry.logs.lost,
            "error": entry.error or "",
        }
        for entry in entries
    ]
    return pd.DataFrame(
        rows, columns=["state", "repo", "since", "looked", "deep", "runs", "gaps", "jobs", "expired", "error"]
    )


def _ago(moment: datetime | None, now: datetime) -> str:
    return formatting.relative((now - moment).total_seconds()) if moment else formatting.NO_DATA


def repository_table(frame: pd.DataFrame) -> None:
    column = st.column_config
    colours = completeness_colours()
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
            "looked": column.TextColumn("Last sync", width=95, help="Last time the newest runs were fetched"),
            "deep": column.TextColumn(
                "Last full rescan",
                width=115,
                help="Last time all runs from the past 31 days were re-listed to catch re-runs and other late changes",
            ),
            "runs": column.NumberColumn("Runs", format="localized", width=75),
            "gaps": column.NumberColumn(
                "Gaps", width=60, help="Data known to be missing; listed below for the selected repository"
            ),
            "jobs": column.NumberColumn(
                "Jobs pending", format="localized", width=100, help="Runs whose jobs have not been fetched yet"
            ),
            "expired": column.NumberColumn(
                "Logs unavailable",
                format="localized",
                width=110,
                help="Logs that GitHub deleted before they could be fetched, or does not have",
            ),
            "error": column.TextColumn("Error", width="large"),
        },
    )


_COLUMNS = (
    Column("Table", fluid=True),
    Column("Rows", align="right", help="Estimate by the database, not a count"),
    Column("Data", align="right", help="Including values stored outside the rows, such as logs"),
    Column("Indexes", align="right"),
)
_MAX_TABLES = 8


def storage_panel() -> None:
    overview = storage_overview()
    with panel("Storage", "table sizes and retention · refreshed every minute", key="storage"):
        fact_grid(overview.facts)
        rows = [_row(size) for size in overview.storage.largest(_MAX_TABLES)]
        if rows:
            table("storage", _COLUMNS, rows, caption="Sizes of the largest tables of the database")


def fact_grid(facts: Sequence[ServiceFact]) -> None:
    items = "".join(
        f"<div><small>{html(fact.label)}</small><b>{html(fact.value)}</b><p>{html(fact.note)}</p></div>"
        for fact in facts
    )
    st.html(f'<div class="ph-facts">{items}</div>')


def _row(table_size: TableSize) -> list[cells.Cell]:
    return [
        cells.text(table_size.name, mono=True),
        cells.approximate_count(table_size.rows),
        cells.size(table_size.table_bytes),
        cells.size(table_size.index_bytes),
    ]
