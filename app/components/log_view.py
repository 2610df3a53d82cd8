"""Logs of jobs: the excerpt around the cause first, the whole text when asked for."""

import streamlit as st

from app import data
from app.components.text import html, markdown
from app.marks import colour_group, word
from db.queries.logs import JobLogRow
from db.vocabulary import LogState

# A browser stays quick with this many lines; all of them are in the download, on the API and on GitHub.
_LONGEST = 3_000
# What stands this far before the cause is folded away, so that the cause is in view.
_CONTEXT = 8
_STATES = {
    LogState.PENDING: ":material/hourglass_empty: The collector is fetching this log; it appears here by itself.",
    LogState.EXPIRED: ":material/delete_history: GitHub had deleted this log before it was read.",
    LogState.MISSING: ":material/search_off: GitHub has no log for this job.",
}


def job_log(row: JobLogRow, run_id: int, attempt: int, html_url: str | None) -> None:
    with st.container(border=True, key=f"log-{row.job_id}", gap="small"):
        whole = _header(row, html_url)
        if row.error_line and not whole:
            st.html(f'<div class="ph-cause">{html(row.error_line)}</div>')
        if row.state == LogState.STORED:
            _stored(row, run_id, attempt, whole=whole)
        elif row.state:
            st.caption(_STATES.get(LogState(row.state), markdown(row.state)))
        elif not row.completed:
            st.caption(":material/hourglass_empty: The log can be read once the job is over.")
        else:
            _offer(row, run_id)


def _header(row: JobLogRow, html_url: str | None) -> bool:
    """Who it is, and what can be done with it; true when the whole log is wanted."""
    state = row.conclusion or "in_progress"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.markdown(f"**Log · {markdown(row.name)}** &nbsp;:{colour_group(state)}[{word(state)}]", width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            stored = row.state == LogState.STORED
            whole = stored and st.toggle("Whole log", key=f"whole-{row.job_id}")
            if html_url and html_url.startswith("https://"):
                st.link_button("GitHub", html_url, icon=":material/open_in_new:", type="tertiary")
    return whole


def _offer(row: JobLogRow, run_id: int) -> None:
    if not st.button("Fetch this log", key=f"fetch-{row.job_id}", icon=":material/download:"):
        return
    try:
        data.ask_for_log(row, run_id)
    except data.Unavailable as error:
        st.error(markdown(error))
        return
    st.rerun()


def _stored(row: JobLogRow, run_id: int, attempt: int, *, whole: bool) -> None:
    if not whole:
        st.html(log_html(row.excerpt, row.excerpt_first_line or 1, row.error_line))
        return
    lines = data.log_lines(run_id, attempt, row.job_id)
    first = max(len(lines) - _LONGEST, 0)
    st.html(log_html(lines[first:], first + 1, row.error_line, tall=True))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button("Download", "\n".join(lines), f"job-{row.job_id}.log", "text/plain",
                           key=f"download-{row.job_id}", icon=":material/download:", on_click="ignore")  # fmt: skip
        cut = f"the last {_LONGEST:,} of {len(lines):,} lines" if first else f"{len(lines):,} lines"
        st.caption(cut + (" · GitHub's log was longer than what is stored" if row.truncated else ""))


def log_html(lines: list[str], first: int, error_line: str | None, *, tall: bool = False) -> str:
    """Numbered, escaped; the line of the cause is marked by a bar and a sign, not by colour alone."""
    focus = _focus(lines, error_line)
    rows = [_line(number, line, hit=index == focus and bool(error_line))
            for index, (number, line) in enumerate(enumerate(lines, start=first))]  # fmt: skip
    folded = max(focus - _CONTEXT, 0)
    lead = "".join(rows[:folded])
    if folded:
        lead = f'<details class="ph-fold"><summary>{folded:,} lines before</summary>{lead}</details>'
    kind = "ph-log ph-tall" if tall else "ph-log"
    return f'<div class="{kind}" tabindex="0" role="region" aria-label="Log">{lead}{"".join(rows[folded:])}</div>'


def _focus(lines: list[str], error_line: str | None) -> int:
    """Where to look first: the cause, else the runner's own error, else the end."""
    if error_line:
        for index, line in enumerate(lines):
            if _body(line).strip()[:500] == error_line:
                return index
    return next((index for index, line in enumerate(lines) if line.startswith("##[error]")), len(lines) - 1)


def _line(number: int, line: str, *, hit: bool) -> str:
    sign = '<span class="ph-here">▶</span>' if hit else ""
    kind = "ph-l ph-hit" if hit else f"ph-l {_kind(line)}"
    body = html(_body(line)) or "&nbsp;"
    return f'<div class="{kind}"><span class="ph-n">{sign}{number}</span><span>{body}</span></div>'


def _body(line: str) -> str:
    for mark in ("##[error]", "##[warning]", "##[group]", "##[endgroup]", "##[debug]", "##[command]"):
        line = line.removeprefix(mark)
    return line


def _kind(line: str) -> str:
    kinds = {"##[error]": "ph-err", "##[warning]": "ph-warn", "##[group]": "ph-group"}
    return next((kind for mark, kind in kinds.items() if line.startswith(mark)), "")
