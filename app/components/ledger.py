"""The completeness ledger: the answer in a sentence, who is collecting, and every repository line by line."""

from collections.abc import Sequence

import streamlit as st

from app import data, frames
from app.components import tables
from app.components.paging import paged
from app.components.panel import panel
from app.components.storage import fact_grid
from app.components.text import html, markdown
from db.metrics.ledger import RepositoryLedger
from db.metrics.ledger_entries import entries
from db.metrics.ledger_totals import troubled
from db.metrics.ledger_words import reading_line
from db.metrics.service_words import service_facts
from db.metrics.verdict import Tone
from db.queries.repositories import TargetRow

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
            tables.ledger(frames.ledger(paged(every, "ledger", "repositories"), found.at))


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
