"""Logs of jobs: the log itself where it is stored, else why there is none and what can be done."""

import streamlit as st

from app import data
from app.components.log_viewer import log_viewer
from app.components.text import html, markdown
from app.marks import colour_group, word
from db.queries.logs import JobLogRow
from db.vocabulary import LogState

_STATES = {
    LogState.PENDING: ":material/hourglass_empty: The collector is fetching this log; it appears here by itself.",
    LogState.EXPIRED: ":material/delete_history: GitHub had deleted this log before it was read.",
    LogState.PRUNED: ":material/auto_delete: This log was deleted for its age (LOG_RETENTION_DAYS); its cause is kept.",
    LogState.MISSING: ":material/search_off: GitHub has no log for this job.",
}


def job_log(row: JobLogRow, run_id: int, attempt: int, html_url: str | None) -> None:
    """On the page of a run: the cause in view."""
    with st.container(border=True, key=f"log-{row.job_id}", gap="small"):
        _header(row, html_url)
        if row.error_line:
            st.html(f'<div class="ph-cause">{html(row.error_line)}</div>')
        if row.state == LogState.STORED:
            log_viewer(run_id, row.job_id, row.name, embedded=True)
        else:
            absent(row, run_id)


def absent(row: JobLogRow, run_id: int) -> None:
    """Why there is no log to read, and what can be done."""
    if row.end_unknown and row.state == LogState.MISSING:
        st.caption(":material/help: GitHub never closed this job, so its log cannot be had.")
    elif row.state:
        st.caption(_STATES.get(LogState(row.state), markdown(row.state)))
    elif not row.completed:
        st.caption(":material/hourglass_empty: The log can be read once the job is over.")
    else:
        _offer(row, run_id)


def _header(row: JobLogRow, html_url: str | None) -> None:
    state = row.shown_state
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.markdown(f"**Log · {markdown(row.name)}** &nbsp;:{colour_group(state)}[{word(state)}]", width="content")
        if html_url and html_url.startswith("https://"):
            st.link_button("GitHub", html_url, icon=":material/open_in_new:", type="tertiary")


def _offer(row: JobLogRow, run_id: int) -> None:
    if not st.button("Fetch this log", key=f"fetch-{row.job_id}", icon=":material/download:"):
        return
    try:
        data.ask_for_log(row, run_id)
    except data.Unavailable as error:
        st.error(markdown(error))
        return
    st.rerun()
