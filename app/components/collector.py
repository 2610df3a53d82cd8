"""The parts of the Collector page: completeness, state of the collector, each repository, and storage."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import streamlit as st

from app.data.collection import (
    Collection,
    load_collection,
    missing_numbers,
    repository_codeowners,
    storage_overview,
)
from app.filters import view_state
from app.status_style import completeness_colours, completeness_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.exports import SearchResult
from app.widgets.panel import panel
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html, markdown
from core import formatting
from core.formatting import pluralize
from db.enums import CompletenessState
from db.repositories.repository_queries import TargetRow
from db.storage import TableSize
from health.completeness.descriptions import CompletenessEntry, Tone, backfill_progress_text, completeness_entries
from health.completeness.repository_completeness import RepositoryCompleteness, incomplete_repositories
from health.completeness.service_facts import ServiceFact, service_facts
from health.teams.codeowners_report import CodeownersReport

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
    for problem in _team_problems(overview):
        st.warning(markdown(problem), icon=":material/group:")
    if overview.backfill:
        line = backfill_progress_text(
            overview.backfill.done, overview.backfill.expected, overview.backfill.seconds_left
        )
        st.progress(overview.backfill.share, text=markdown(line))
    fact_grid(
        service_facts(overview.service, overview.at, is_stale=overview.heartbeat_stale, stall_text=overview.stall)
    )
    if overview.repositories or overview.unresolved:
        entries: list[RepositoryCompleteness | TargetRow] = [
            *overview.unresolved,
            *incomplete_first(overview.repositories),
        ]
        rows = ("repositories", lambda: repositories_export(entries, overview.at))
        view_state.sync_widget("find", _SEARCH_KEY, "", str)
        search = str(st.session_state[_SEARCH_KEY]).strip()
        listed = _matching(entries, search)
        result = SearchResult(len(listed), lambda: repositories_export(listed, overview.at)) if search else None
        subtitle = "completeness · incomplete repositories first"
        with panel("Repositories", subtitle, export=rows, search=result):
            _repository_table(listed, search, overview.at)


def _team_problems(overview: Collection) -> Iterator[str]:
    """One line for each source of teams and owners that cannot be read."""
    heartbeat = overview.service.heartbeat
    if heartbeat and heartbeat.detail.teams_file_error:
        yield f"TEAMS_FILE: {heartbeat.detail.teams_file_error}. The teams of the last valid file remain."
    if heartbeat and heartbeat.detail.github_teams_error:
        yield f"Teams of GitHub: {heartbeat.detail.github_teams_error}. Teams that were read before remain."
    if overview.codeowners:
        first, files = overview.codeowners[0], pluralize(len(overview.codeowners), "CODEOWNERS file")
        yield (f"{files} cannot be read, so owners may be unknown or out of date. {first.repo}: {first.error}.")


@st.fragment(run_every=_REFRESH_SECONDS)
def repository_details(repo: str) -> None:
    """The completeness of one repository, line by line."""
    overview = load_collection()
    selected = next((repository for repository in overview.repositories if repository.repo == repo), None)
    if selected is None:
        st.info(f"{markdown(repo)} is no longer monitored.", icon=":material/info:")
        return
    entries = completeness_entries(selected, missing_numbers(selected.id), overview.at)
    rows = "".join(
        f'<li class="ph-{_SIGNS[entry.tone][1]}"><span title="{_LABELS[entry.tone]}">{_SIGNS[entry.tone][0]}</span>'
        f"<div><span>{html(entry.text)}</span><p>{html(entry.remedy)}</p></div></li>"
        for entry in [*entries, *_codeowners_entries(repository_codeowners(selected.id))]
    )
    st.html(f'<ul class="ph-ledger">{rows}</ul>')


def _codeowners_entries(report: CodeownersReport | None) -> Iterator[CompletenessEntry]:
    """Nothing where CODEOWNERS files are not read, because no team is defined."""
    if report is None:
        return
    if report.error:
        yield CompletenessEntry(Tone.BAD, report.text, "It is read again within an hour.")
    else:
        yield CompletenessEntry(Tone.NOTE, report.text, f"Read on {report.checked_at:%d %b %H:%M} UTC.")
    if report.problem_text:
        yield CompletenessEntry(Tone.NOTE, report.problem_text, "Correct these lines in the CODEOWNERS file.")


def incomplete_first(repositories: Sequence[RepositoryCompleteness]) -> list[RepositoryCompleteness]:
    bad = incomplete_repositories(repositories)
    return [*bad, *(repository for repository in repositories if repository.is_complete)]


_REPOSITORY_COLUMNS = (
    Column("State", width="112px"),
    Column("Repository"),
    Column("Complete since", show="wide_only", unit="UTC"),
    Column("Last sync", "right", "Last time the newest runs were fetched", "wide_only", unit="UTC"),
    Column(
        "Last full rescan",
        "right",
        "Last time all runs from the past 31 days were re-listed to catch re-runs and other late changes",
        "desk_only",
        unit="UTC",
    ),
    Column("Runs", "right"),
    Column("Gaps", "right", "Data known to be missing; listed in the details of the repository", "wide_only"),
    Column("Jobs pending", "right", "Runs whose jobs have not been fetched yet", "desk_only"),
    Column(
        "Logs unavailable",
        "right",
        "Logs that GitHub deleted before they could be fetched, or does not have",
        "desk_only",
    ),
    Column("Error", fluid=True, show="wide_only"),
)
_SEARCH_KEY = "collector-q"


def _matching(
    entries: Sequence[RepositoryCompleteness | TargetRow], search: str
) -> list[RepositoryCompleteness | TargetRow]:
    low = search.lower()
    return [entry for entry in entries if low in f"{_name(entry)} {entry.error or ''}".lower()]


def _repository_table(listed: Sequence[RepositoryCompleteness | TargetRow], search: str, now: datetime) -> None:
    """The repositories that a search matches, with the search, order and pages."""
    st.text_input(
        "Search repositories",
        key=_SEARCH_KEY,
        placeholder="Repository or error",
        icon=":material/search:",
        label_visibility="collapsed",
        max_chars=200,
        width=330,
    )
    if not listed:
        st.caption("No repository matches the search.")
        return
    long_table(
        "repositories",
        _REPOSITORY_COLUMNS,
        listed,
        lambda shown: repository_rows(shown, now),
        caption="Repositories, incomplete ones first",
        noun="repositories",
        reset_key=search,
    )


def repositories_export(
    entries: Sequence[RepositoryCompleteness | TargetRow], now: datetime
) -> tuple[Sequence[Column], list[Row]]:
    return _REPOSITORY_COLUMNS, repository_rows(entries, now)


def repository_rows(entries: Sequence[RepositoryCompleteness | TargetRow], now: datetime) -> list[Row]:
    """One row for each repository, and for each entry of GITHUB_REPOS that matches no repository."""
    return [_target_row(entry) if isinstance(entry, TargetRow) else _repository_row(entry, now) for entry in entries]


def _name(entry: RepositoryCompleteness | TargetRow) -> str:
    return entry.name if isinstance(entry, TargetRow) else entry.repo


def _target_row(entry: TargetRow) -> Row:
    unknown = cells.approximate_count(None)
    return (_state(CompletenessState.FAILING), cells.text(entry.name), *[unknown] * 7, _error(entry.error))


def _repository_row(entry: RepositoryCompleteness, now: datetime) -> Row:
    since = entry.complete_since
    day = formatting.NO_DATA if since is None else f"{since:%d %b %Y}"
    hover = f"Show the details of {entry.repo}"
    details = cells.anchor(entry.repo, "collector", [("of", entry.repo)], hover=hover)
    return (
        _state(entry.state),
        Cell(f'<span class="ph-clip">{details}</span>', entry.repo),
        Cell(f'<span class="ph-one">{day}</span>', since.isoformat() if since else None),
        cells.ago(entry.synced_at, now),
        cells.ago(entry.rescanned_deep_at, now),
        cells.count(entry.runs),
        cells.count(len(entry.gaps)),
        cells.count(entry.runs_without_jobs),
        cells.count(entry.logs.lost),
        _error(entry.error),
    )


def _state(state: CompletenessState) -> Cell:
    colour = completeness_colours()[completeness_label(state)]
    return Cell(f'<span class="ph-state ph-{colour}">{completeness_label(state)}</span>', state)


def _error(error: str | None) -> Cell:
    shown = html(error or "")
    return Cell(f'<span class="ph-clip" title="{shown}">{shown}</span>', error)


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
