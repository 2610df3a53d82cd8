"""Logs of jobs: the excerpt around the cause first, the whole text when asked for."""

import streamlit as st

from app import data
from app.components.text import html, markdown
from app.marks import colour_group, word
from db.queries.logs import JobLogRow
from db.vocabulary import LogState

# A browser stays quick with this many lines; the whole log is on the API and on GitHub.
_LONGEST = 3_000
_STATES = {
    LogState.PENDING: ":material/hourglass_empty: The collector is fetching this log; it appears here by itself.",
    LogState.EXPIRED: ":material/delete_history: GitHub had deleted this log before it was read.",
    LogState.MISSING: ":material/search_off: GitHub has no log for this job.",
}


def job_log(row: JobLogRow, run_id: int, attempt: int, html_url: str | None) -> None:
    state = row.conclusion or "in_progress"
    with st.container(border=True, key=f"log-{row.job_id}"):
        st.markdown(f"**{markdown(row.name)}** &nbsp; :{colour_group(state)}[{word(state)}]")
        if row.error_line:
            st.html(f'<div class="ph-cause">{html(row.error_line)}</div>')
        if row.state == LogState.STORED:
            _stored(row, run_id, attempt)
        elif row.state:
            st.caption(_STATES[LogState(row.state)])
        elif not row.completed:
            st.caption(":material/hourglass_empty: The log can be read once the job is over.")
        else:
            st.button("Fetch this log", key=f"fetch-{row.job_id}", on_click=data.ask_for_log, args=(row, run_id),
                      icon=":material/download:")  # fmt: skip
        if html_url:
            st.caption(f"[Open on GitHub]({html_url})")


def _stored(row: JobLogRow, run_id: int, attempt: int) -> None:
    whole = st.toggle("Whole log", key=f"whole-{row.job_id}")
    if not whole:
        st.html(_lines(row.excerpt, row.excerpt_first_line or 1, row.error_line))
        return
    text = data.log_text(run_id, attempt, row.job_id) or ""
    lines = data.plain_lines(text)
    if len(lines) > _LONGEST:
        st.caption(f"The last {_LONGEST:,} of {len(lines):,} lines; the API gives all of them.")
    first = max(len(lines) - _LONGEST, 0)
    st.html(_lines(lines[first:], first + 1, row.error_line, tall=True))


def _lines(lines: list[str], first: int, error_line: str | None, *, tall: bool = False) -> str:
    """Numbered, escaped; the line of the cause is marked by a bar and a sign, not by colour alone."""
    rows = "".join(_line(number, line, error_line) for number, line in enumerate(lines, start=first))
    return f'<div class="ph-log{" ph-tall" if tall else ""}" tabindex="0" role="log">{rows}</div>'


def _line(number: int, line: str, error_line: str | None) -> str:
    body = line.removeprefix("##[error]")
    cause = bool(error_line) and error_line == body.strip()[:500]
    kind = "ph-hit" if cause else "ph-err" if line.startswith("##[error]") else _kind(line)
    sign = "▶" if cause else ""
    shown = body.removeprefix("##[group]").removeprefix("##[warning]")
    return (
        f'<div class="ph-l {kind}"><span class="ph-n">{sign}{number}</span><span>{html(shown) or "&nbsp;"}</span></div>'
    )


def _kind(line: str) -> str:
    if line.startswith("##[group]"):
        return "ph-group"
    return "ph-warn" if line.startswith("##[warning]") else ""
