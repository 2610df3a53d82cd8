"""Logs of jobs: selection and heading of the Log page, the viewer, and the reason why a log is not available.

The viewer requests only the visible lines of a log from the dashboard's server, so a log may have any length.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import cause_rows, run_links
from app.components.page_head import Crumb, breadcrumb, run_crumbs, set_title
from app.data import causes, findings
from app.data.connection import utc_now
from app.data.outages import Unavailable
from app.data.runs import RunWithJobs, attempt_detail, request_log, run_logs
from app.filters import view_state
from app.javascript import bundle, log_viewer_path
from app.logs.stored import LogUnavailable, load_log
from app.status_style import colour_group, outcome_label
from app.widgets import cells
from app.widgets.text import html, markdown, truncate
from core import formatting
from db.definitions.scope import parse_time
from db.enums import LogState
from db.logs.log_queries import JobLogRow
from db.runs.job_queries import JobSummary
from db.runs.run_queries import RunRow

# The limit of the list in the browser. The Run page has a table of all jobs.
_MAX_CHOICES = 300
# As parseLineRange in app/javascript/log_viewer/line_range.js.
_LINES = re.compile(r"[0-9]{1,9}(?:-[0-9]{1,9})?", re.ASCII)
_MAX_SEARCH = 200


@dataclass(frozen=True)
class SelectedLog:
    """A log with its job. `attempt_logs`: all logs of the same attempt, in the order of the list."""

    row: JobLogRow
    job: JobSummary | None
    attempt: int
    attempt_logs: list[JobLogRow]


def select_log(newest: RunWithJobs, version: int) -> SelectedLog | None:
    """The log that the URL selects; without `job_id`, the first one of the attempt, which is a failed one if any
    failed. Returns None if there is no such log."""
    job_id, attempt = _number("job_id"), _number("attempt")
    known = [attempt.attempt for attempt in newest.attempts] or [newest.run.attempt]
    for number in [attempt] if attempt in known else sorted(known, reverse=True):
        detail = attempt_detail(newest, number, version)
        rows = run_logs(newest.run.id, number, version) if detail else []
        row = next((log for log in rows if job_id in (None, log.job_id)), None)
        if detail and row:
            job = next((job for job in detail.jobs if job.id == row.job_id), None)
            return SelectedLog(row, job, number, rows)
    return None


def _number(name: str) -> int | None:
    value = st.query_params.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def requested_line(run_id: int, selected: SelectedLog) -> str:
    """The lines that the URL selects: `line`, or the first line at or after the time `at`; empty without either."""
    line, at = st.query_params.get("line", ""), st.query_params.get("at", "")
    if line and not _LINES.fullmatch(line):
        view_state.report(f"line={line[:60]} is invalid and ignored (expected a line or a range, such as 12 or 12-20).")
    if line or not at:
        return line
    try:
        moment = parse_time(at, utc_now())
    except ValueError as error:
        st.warning(markdown(f"at={error}. Showing the beginning of the log."), icon=":material/warning:")
        return ""
    try:
        number = load_log(run_id, selected.row.job_id).index.line_at(moment)
    except LogUnavailable:
        return ""
    return str(number or "")


def no_log(run: RunRow) -> None:
    set_title("Log not found")
    with st.container(border=True, key="state-no-log"):
        st.markdown("# :material/search_off: Log not found")
        st.markdown(f"Run {run.id} has no job with this ID that has a log.")
        st.page_link(
            "views/run.py", label="Open the run", icon=":material/timeline:", query_params={"run_id": str(run.id)}
        )


def header(run: RunRow, selected: SelectedLog, zone: ZoneInfo) -> None:
    set_title(run.repo, f"{run.workflow} #{run.run_number}", f"{selected.row.name} log")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="log-head"):
        st.html(_head(run, selected, zone), width="stretch")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            if len(selected.attempt_logs) > 1:
                _job_selector(selected)
            github = run_links.github_repositories().get(run.repo)
            if url := github and github.stored(selected.job.html_url if selected.job else None):
                st.link_button("View on GitHub", url, icon=":material/open_in_new:")


def failure_cause(run: RunRow, selected: SelectedLog, now: datetime, version: int, zone: ZoneInfo) -> None:
    """Why the job failed, above its log; nothing if it did not fail or no error was extracted."""
    failed, _ = cause_rows.listed_failures([selected.row], merged=False)
    if failed:
        evidence = findings.attempt_causes(run, selected.attempt, [(selected.row, ())], now, version)
        about = evidence.get(selected.row.job_id)
        known = causes.known_causes([about.fingerprint]) if about else {}
        mark = known.get((about.fingerprint if about else None) or "")
        st.html(cause_rows.log_cause(selected.row, run.id, about, mark, zone))


def _job_selector(selected: SelectedLog) -> None:
    """A list of the jobs of the same attempt."""
    listed = selected.attempt_logs[:_MAX_CHOICES]
    listed += [] if selected.row in listed else [selected.row]
    names = {row.job_id: f"{outcome_label(row.conclusion or 'in_progress')} · {truncate(row.name)}" for row in listed}
    if len(selected.attempt_logs) > _MAX_CHOICES:
        st.caption(f"{formatting.count(len(names))} of {formatting.count(len(selected.attempt_logs))} logs listed")
    chosen = st.selectbox(
        "Log of",
        list(names),
        index=list(names).index(selected.row.job_id),
        key=f"job-of-{selected.row.job_id}",
        width=260,
        format_func=lambda job_id: names[job_id],
        label_visibility="collapsed",
    )
    if chosen != selected.row.job_id:
        st.query_params.from_dict({"run_id": st.query_params["run_id"], "job_id": str(chosen)})
        st.rerun()


def _head(run: RunRow, selected: SelectedLog, zone: ZoneInfo) -> str:
    state = selected.row.display_state
    back = Crumb(f"#{run.run_number}", "run", [("run_id", run.id), ("attempt", selected.attempt)])
    crumbs = [*run_crumbs(run.repo, run.workflow, run.workflow_id), back, Crumb(selected.row.name)]
    took = f"<span>{formatting.duration(selected.job.duration_seconds)}</span>" if selected.job else ""
    attempt = f"<span>attempt {selected.attempt}</span>" if run.attempt > 1 else ""
    return (
        f'{breadcrumb(crumbs)}<h1 class="ph-title">{html(selected.row.name)}</h1>'
        f'<div class="ph-meta"><span class="ph-pill ph-{colour_group(state)}">{html(outcome_label(state))}</span>'
        f"{took}{attempt}"
        f"<span>{cells.timestamp(selected.job.started_at if selected.job else None, zone).html}</span></div>"
    )


_STATES = {
    LogState.PENDING: ":material/hourglass_empty: The log is being fetched. It will appear here automatically.",
    LogState.EXPIRED: ":material/delete_history: GitHub deleted this log before it could be fetched.",
    LogState.PRUNED: ":material/auto_delete: This log was deleted after LOG_RETENTION_DAYS. Its failure cause is kept.",
    LogState.MISSING: ":material/search_off: GitHub has no log for this job.",
}


def job_log(row: JobLogRow, run_id: int, html_url: str | None) -> None:
    """A log on the Run page, scrolled to the failure cause. `html_url`: the job on GitHub."""
    with st.container(border=True, key=f"log-{row.job_id}", gap="small"):
        _header(row, html_url)
        if row.error_line:
            st.html(f'<div class="ph-cause">{html(row.error_line)}</div>')
        if row.state == LogState.STORED:
            log_viewer(run_id, row.job_id, row.name, embedded=True)
        else:
            missing_log(row, run_id)


def missing_log(row: JobLogRow, run_id: int) -> None:
    """Explains why the log is not available, with a button to fetch it if GitHub may have it."""
    if row.end_unknown and row.state == LogState.MISSING:
        st.caption(":material/help: GitHub never finished this job, so its log is not available.")
    elif row.state:
        st.caption(_STATES.get(LogState(row.state), markdown(row.state)))
    elif not row.completed:
        st.caption(":material/hourglass_empty: The log is available when the job has finished.")
    else:
        _fetch_button(row, run_id)


def _header(row: JobLogRow, html_url: str | None) -> None:
    state = row.display_state
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.markdown(
            f"**Log · {markdown(row.name)}** &nbsp;:{colour_group(state)}[{outcome_label(state)}]", width="content"
        )
        if html_url:
            st.link_button("View on GitHub", html_url, icon=":material/open_in_new:", type="tertiary")


def _fetch_button(row: JobLogRow, run_id: int) -> None:
    st.caption("This log has not been downloaded yet. Only logs of failed jobs are downloaded automatically.")
    if not st.button("Fetch this log", key=f"fetch-{row.job_id}", icon=":material/download:"):
        return
    try:
        request_log(row, run_id)
    except Unavailable as error:
        st.error(markdown(error))
        return
    st.rerun()


_viewer = st.components.v2.component(
    "pipeline_health_log",
    html='<div class="ph-lv"></div>',
    js=bundle("log_viewer_loader"),
    # The dashboard's keyboard shortcuts and links need access to its elements.
    isolate_styles=False,
)


def log_viewer(run_id: int, job_id: int, name: str, *, embedded: bool, line: str = "", find: str = "") -> None:
    """The viewer of one log. `embedded`: of limited height and scrolled to the failure cause; otherwise as high as the
    window, with the selected lines in the URL. `line`: the first visible line or range, such as 12 or 12-20; `find`:
    the text to search for."""
    data = {
        "script": log_viewer_path(),
        "base": f"logs/{run_id}/{job_id}",
        "page": f"log?{urlencode({'run_id': run_id, 'job_id': job_id})}",
        "name": name,
        "embedded": embedded,
        "line": line,
        "find": find[:_MAX_SEARCH],
    }
    _viewer(data=data, key=f"log-viewer-{job_id}")
