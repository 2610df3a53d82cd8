"""The parts of the page of one log."""

from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from app import data
from app.components import cells
from app.components.text import html, markdown, short
from app.data import RunDetail
from app.marks import colour_group, word
from db.metrics import units
from db.queries.logs import JobLogRow
from db.queries.runs import JobSummary, RunRow

# More are not sent to the browser; the page of the run has a table of all jobs.
_MOST_CHOICES = 300


@dataclass(frozen=True)
class FoundLog:
    """`others` are the logs of the same attempt, itself included, as they are listed."""

    row: JobLogRow
    job: JobSummary | None
    attempt: int
    others: list[JobLogRow]


def find(newest: RunDetail, version: int) -> FoundLog | None:
    """The log that the address names; without a job, the first failed one of the attempt."""
    wanted, attempt = _number("job_id"), _number("attempt")
    known = [each.attempt for each in newest.attempts] or [newest.run.attempt]
    for number in [attempt] if attempt in known else sorted(known, reverse=True):
        detail = data.attempt_detail(newest, number, version)
        rows = data.run_logs(newest.run.id, number, version) if detail else []
        row = next((each for each in rows if wanted in (None, each.job_id)), None)
        if detail and row:
            job = next((each for each in detail.jobs if each.id == row.job_id), None)
            return FoundLog(row, job, number, rows)
    return None


def _number(name: str) -> int | None:
    given = st.query_params.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 else None


def no_log(run: RunRow) -> None:
    with st.container(border=True, key="state-no-log"):
        st.markdown("### :material/search_off: No such log")
        st.markdown(f"Run {run.id} has no job of this number with a log of its own.")
        st.page_link(
            "views/run.py", label="Go to the run", icon=":material/timeline:", query_params={"run_id": str(run.id)}
        )


def header(run: RunRow, found: FoundLog, zone: ZoneInfo) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="log-head"):
        st.html(_head(run, found, zone), width="stretch")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            if len(found.others) > 1:
                _choose(found)
            url = found.job.html_url if found.job else None
            if url and url.startswith("https://"):
                st.link_button("View on GitHub", url, icon=":material/open_in_new:")


def _choose(found: FoundLog) -> None:
    """Another job of the same attempt."""
    listed = found.others[:_MOST_CHOICES]
    listed += [] if found.row in listed else [found.row]
    names = {each.job_id: f"{word(each.conclusion or 'in_progress')} · {short(each.name)}" for each in listed}
    if len(found.others) > _MOST_CHOICES:
        st.caption(f"{units.count(len(names))} of {units.count(len(found.others))} logs to choose from")
    chosen = st.selectbox(
        "Log of", list(names), index=list(names).index(found.row.job_id), key=f"job-of-{found.row.job_id}", width=260,
        format_func=lambda job_id: markdown(names[job_id]), label_visibility="collapsed",
    )  # fmt: skip
    if chosen != found.row.job_id:
        st.query_params.from_dict({"run_id": st.query_params["run_id"], "job_id": str(chosen)})
        st.rerun()


def _head(run: RunRow, found: FoundLog, zone: ZoneInfo) -> str:
    state = found.row.shown_state
    back = f"run?{urlencode({'run_id': run.id, 'attempt': found.attempt})}"
    of = f"runs?{urlencode({'repo': run.repo, 'workflow': run.workflow})}"
    took = f"<span>{units.duration(found.job.duration_seconds)}</span>" if found.job else ""
    attempt = f"<span>attempt {found.attempt}</span>" if run.attempt > 1 else ""
    return (
        f'<div class="ph-crumb"><a href="runs" target="_self">Runs</a> / {html(run.repo)} / '
        f'<a href="{html(of)}" target="_self">{html(run.workflow)}</a> / '
        f'<a href="{html(back)}" target="_self">#{run.run_number} {html(run.headline[:80])}</a></div>'
        f'<h2 class="ph-title">{html(found.row.name)}</h2>'
        f'<div class="ph-meta"><span class="ph-pill ph-{colour_group(state)}">{html(word(state))}</span>{took}{attempt}'
        f"<span>{cells.when(found.job.started_at if found.job else None, zone).html}</span></div>"
    )
