"""The completeness ledger: the answer in a sentence, who is collecting, and every repository line by line.

What the stored data takes, table by table, and what is deleted next.
"""

from collections.abc import Sequence

import streamlit as st

from app import data, frames
from app.components import runs
from app.widgets import cells
from app.widgets.panel import panel
from app.widgets.table import Column, paged, table
from app.widgets.text import html, markdown
from db.repositories.repository_queries import TargetRow
from db.storage import TableSize
from health.completeness.descriptions import ServiceFact, service_facts
from health.completeness.gaps import RepositoryLedger, reading_line
from health.completeness.status import Tone, entries, troubled

_REFRESH_SECONDS = 5
_SIGNS = {Tone.GOOD: ("✓", "green"), Tone.BUSY: ("◌", "blue"), Tone.BAD: ("✕", "red"), Tone.NOTE: ("–", "gray")}
_WORDS = {Tone.GOOD: "Complete", Tone.BUSY: "On its way", Tone.BAD: "Missing", Tone.NOTE: "For information"}


@st.fragment(run_every=_REFRESH_SECONDS)
def standing() -> None:
    """Renews itself while it is looked at."""
    found = data.collection()
    said = found.verdict
    sign, colour = _SIGNS[said.tone]
    st.html(
        f'<div class="ph-verdict ph-{colour}" role="status"><span aria-hidden="true">{sign}</span>'
        f"<div><b>{html(said.headline)}</b><p>{html(said.more)}</p></div></div>"
    )
    if found.reading:
        line = reading_line(found.reading.done, found.reading.expected, found.reading.seconds_left)
        st.progress(found.reading.share, text=markdown(line))
    fact_grid(service_facts(found.service, found.at, silent=found.silent, stall=found.stall))
    if found.ledgers or found.unread:
        with panel("Repositories", "what is known to be complete · worst first · times in UTC"):
            every: list[RepositoryLedger | TargetRow] = [*found.unread, *worst_first(found.ledgers)]
            runs.ledger(frames.ledger(paged(every, "ledger", "repositories"), found.at))


@st.fragment(run_every=_REFRESH_SECONDS)
def of_one(repo: str) -> None:
    """The ledger of one repository."""
    found = data.collection()
    chosen = next((each for each in found.ledgers if each.repo == repo), None)
    if chosen is None:
        st.info(f"{markdown(repo)} is not monitored any more.", icon=":material/info:")
        return
    rows = "".join(
        f'<li class="ph-{_SIGNS[each.tone][1]}"><span title="{_WORDS[each.tone]}">{_SIGNS[each.tone][0]}</span>'
        f"<div><span>{html(each.text)}</span><p>{html(each.todo)}</p></div></li>"
        for each in entries(chosen, data.missing_numbers(chosen.id), found.at)
    )
    st.html(f'<ul class="ph-ledger">{rows}</ul>')


def worst_first(ledgers: Sequence[RepositoryLedger]) -> list[RepositoryLedger]:
    bad = troubled(ledgers)
    return [*bad, *(each for each in ledgers if each.complete)]


_COLUMNS = (
    Column("Table", fluid=True),
    Column("Rows", align="right", help="About so many: not counted, estimated by the database"),
    Column("Data", align="right", help="With what is stored beside the rows, as logs are"),
    Column("Indexes", align="right"),
)
_SHOWN = 8


def storage() -> None:
    found = data.stored()
    with panel("Storage", "what is kept, and for how long · renewed every minute", key="storage"):
        fact_grid(found.facts)
        rows = [_row(each) for each in found.storage.largest(_SHOWN)]
        if rows:
            table("storage", _COLUMNS, rows, caption="Size of the tables of the database")


def fact_grid(facts: Sequence[ServiceFact]) -> None:
    listed = "".join(
        f"<div><small>{html(each.label)}</small><b>{html(each.value)}</b><p>{html(each.more)}</p></div>"
        for each in facts
    )
    st.html(f'<div class="ph-facts">{listed}</div>')


def _row(each: TableSize) -> list[cells.Cell]:
    return [
        cells.text(each.name, mono=True),
        cells.about(each.rows),
        cells.size(each.table_bytes),
        cells.size(each.index_bytes),
    ]
