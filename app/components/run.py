"""The parts of the Run page: heading, attempts, key figures, failure causes, jobs and steps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import streamlit as st

from app import frames, session
from app.data.connection import utc_now
from app.data.runs import RunWithJobs, job_steps
from app.status_style import colour_group, outcome_label
from app.widgets.cells import anchor, stamp
from app.widgets.table import paginate
from app.widgets.text import html, markdown, truncate
from core import formatting
from core.formatting import pluralize
from db.definitions.attempts import FAILED_CONCLUSIONS, outcome_of
from db.definitions.scope import Window
from db.enums import Conclusion, Outcome
from db.logs.log_queries import JobLogRow
from db.runs.job_queries import JobSummary, Steps
from db.runs.run_queries import RunRow
from health.insights.causes import RunCause

_MAX_ID = 2**63 - 1
_MAX_NAMES = 12
# Limits of one page: bars of the timeline, jobs with steps, open logs and failure causes.
MAX_BARS, _MAX_JOBS, _MAX_LOGS, _MAX_CAUSES = 100, 25, 8, 20
# With more steps in total, or more jobs, the steps of a job are read when its section is opened.
_MAX_STEPS = 500
_MAX_BUTTONS = 12


def requested_run_id() -> int | None:
    value = st.query_params.get("run_id", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= _MAX_ID else None


def no_run_selected() -> None:
    with st.container(border=True, key="state-no-run"):
        st.markdown("### :material/ads_click: No run selected")
        st.markdown("Open a run from the list, or add `?run_id=` and the run ID to the URL.")
        st.page_link("views/runs.py", label="View all runs", icon=":material/list:")


def unknown_run(run_id: int) -> None:
    with st.container(border=True, key="state-unknown-run"):
        st.markdown(f"### :material/search_off: Run {run_id} not found")
        st.markdown("It may be older than the stored history, or belong to a repository that is not monitored.")
        st.page_link("views/runs.py", label="View all runs", icon=":material/list:")


def header(run: RunRow) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="run-head"):
        st.html(_head(run), width="stretch")
        if run.html_url.startswith("https://"):
            st.link_button("View on GitHub", run.html_url, icon=":material/open_in_new:")


def _head(run: RunRow) -> str:
    state = run.conclusion or run.status
    flaky = '<span class="ph-pill ph-orange">↻ Flaky: failed, then passed</span>' if run.flaky else ""
    by = f"<span>commit by <b>{html(run.commit_author)}</b></span>" if run.commit_author else ""
    started = f"<span>started by <b>{html(run.actor)}</b></span>" if run.actor else ""
    rerun = f"<span>attempt {run.attempt} by <b>{html(run.rerun_by)}</b></span>" if run.rerun_by else ""
    branch = f"<span>on <b>{html(run.branch)}</b></span>" if run.branch else ""
    repo = anchor(run.repo, "", [("repo", run.repo)])
    workflow = anchor(run.workflow, "workflow", [("id", run.workflow_id)])
    return (
        f'<div class="ph-crumb">{repo} / {workflow} / #{run.run_number}</div>'
        f'<h2 class="ph-title">{html(run.headline)}</h2>'
        f'<div class="ph-meta"><span class="ph-pill ph-{colour_group(state)}">{html(outcome_label(state))}</span>'
        f"{flaky}"
        f"<code>{html(run.head_sha[:7])}</code>{branch}<span>{html(run.event)}</span>{by}{started}{rerun}"
        f"<span>{stamp(run.created_at, session.zone())}</span></div>"
    )


def attempt_choice(newest: RunWithJobs) -> int:
    numbers = [row.attempt for row in newest.attempts] or [newest.run.attempt]
    if len(numbers) == 1:
        return numbers[0]
    labels = {
        row.attempt: f"Attempt {row.attempt} {outcome_label(row.conclusion or row.status)}" for row in newest.attempts
    }
    value = st.query_params.get("attempt", "")
    requested = int(value) if value.isascii() and value.isdigit() and len(value) < 6 else numbers[-1]
    chosen = _attempt_control(newest.run.id, labels, requested if requested in numbers else numbers[-1])
    if chosen != requested:
        st.query_params["attempt"] = str(chosen)
    return chosen if chosen in numbers else numbers[-1]


def _attempt_control(run_id: int, labels: Mapping[int, str], selected: int) -> int:
    """The choice of the attempt. Streamlit's binding is not used: it would write the label into the URL."""
    key = f"attempt-{run_id}"
    if len(labels) <= _MAX_BUTTONS:
        return st.segmented_control(
            "Attempt",
            list(labels),
            default=selected,
            required=True,
            key=key,
            format_func=labels.__getitem__,
            label_visibility="collapsed",
        )
    newest_first = list(labels)[::-1]
    return st.selectbox(
        f"Attempt ({formatting.count(len(labels))} in total)",
        newest_first,
        index=newest_first.index(selected),
        key=key,
        format_func=labels.__getitem__,
        width=330,
    )


def window_of(run: RunRow) -> Window:
    """The window that contains only this run: gaps elsewhere do not affect its page."""
    return Window(run.created_at, run.created_at + timedelta(seconds=1))


def started_at(detail: RunWithJobs, attempt: int) -> datetime | None:
    return next((row.started_at for row in detail.attempts if row.attempt == attempt), None)


def facts(run: RunRow, detail: RunWithJobs, attempt: int) -> None:
    shown = next((row for row in detail.attempts if row.attempt == attempt), None)
    duration = shown.duration_seconds if shown else run.duration_seconds
    queue = shown.queue_seconds if shown else run.queue_seconds
    began = shown.started_at if shown else run.started_at
    jobs = [job for job in detail.jobs if not job.copied and not job.phantom]
    fact_row(
        ("Duration", formatting.duration(duration), "Until the last job finished"),
        ("Queue", formatting.duration(queue), "Time to first job start"),
        ("Jobs", formatting.count(len(jobs)) if jobs else formatting.NO_DATA, "Jobs run in this attempt"),
        ("Started", _ago(began), formatting.timestamp(began)),
    )


def fact_row(*shown: tuple[str, str, str]) -> None:
    """Cards of (label, value, meaning); the meaning is the tooltip."""
    cards = "".join(
        f'<div class="ph-tile" title="{html(meaning)}"><span class="ph-label">{html(label)}</span><b>{html(value)}</b>'
        "</div>"
        for label, value, meaning in shown
    )
    st.html(f'<div class="ph-tiles ph-facts-row">{cards}</div>')


def causes(detail: RunWithJobs, logs: Sequence[JobLogRow], attempt: int, shared: RunCause | None) -> None:
    """The failure cause of each job, linked to its log; in a run with many jobs, jobs with the same cause share a row.
    `shared`: the number of runs that failed with the same cause, linked to them."""
    failed = [row for row in logs if row.error_line and row.conclusion not in ("success", None)]
    same = Counter(row.error_line for row in failed) if has_many_jobs(detail.jobs) else Counter()
    listed = list({row.error_line: row for row in reversed(failed)}.values())[::-1] if same else failed
    rows = "".join(_cause(row, detail.run.id, attempt, same[row.error_line] - 1) for row in listed[:_MAX_CAUSES])
    if len(listed) > _MAX_CAUSES:
        left = pluralize(len(listed) - _MAX_CAUSES, "more error")
        rows += f'<div class="ph-need"><b class="ph-sign"></b><div>and {left}</div></div>'
    if rows:
        more = _shared_causes(shared) if shared else ""
        st.html(f'<div class="ph-attention" role="region" aria-label="Why it failed">{rows}{more}</div>')
    elif _failed_jobs(detail, attempt) and not [job for job in detail.jobs if not job.phantom]:
        st.caption(
            "No failure cause is known: the run finished before any job started, or its jobs are not fetched yet."
        )


def _cause(row: JobLogRow, run_id: int, attempt: int, same_cause_jobs: int) -> str:
    """`same_cause_jobs`: the number of other jobs that failed with the same line."""
    log = anchor(truncate(row.name), "log", [("run_id", run_id), ("attempt", attempt), ("job_id", row.job_id)])
    more = f' <span class="ph-dim">and {pluralize(same_cause_jobs, "more job")}</span>' if same_cause_jobs > 0 else ""
    return (
        f'<div class="ph-need ph-red"><b class="ph-sign" aria-hidden="true">✕</b><div>{log}{more}'
        f'<div class="ph-why"><code>{html(truncate(row.error_line or "", 500))}</code></div></div></div>'
    )


def _failed_jobs(detail: RunWithJobs, attempt: int) -> bool:
    shown = next((row for row in detail.attempts if row.attempt == attempt), None)
    status, conclusion = (shown.status, shown.conclusion) if shown else (detail.run.status, detail.run.conclusion)
    return outcome_of(status, conclusion) is Outcome.FAILURE


def _shared_causes(shared: RunCause) -> str:
    """The link contains the dates to which the counts refer."""
    if shared.runs == 1:
        return '<div class="ph-meta ph-spread"><span>No other stored run failed with this error.</span></div>'
    where = f"{pluralize(shared.runs, 'run')} in {pluralize(shared.workflows, 'workflow')}"
    text = f"{where} failed with this error since {shared.first_at:%d %b %Y}"
    days = f"{shared.first_at:%Y-%m-%d}..{utc_now():%Y-%m-%d}"
    link = anchor(text, "failures", [("cause", shared.fingerprint), ("dates", days)])
    return f'<div class="ph-meta ph-spread"><span>{link}</span></div>'


def logs_in_view(rows: Sequence[JobLogRow]) -> tuple[list[JobLogRow], list[JobLogRow]]:
    """The logs that the page opens, those of the first unsuccessful jobs; and all other logs."""
    failing = [row for row in rows if row.conclusion not in ("success", None)][:_MAX_LOGS]
    shown = {row.job_id for row in failing}
    return failing, [row for row in rows if row.job_id not in shown]


def other_logs(rows: Sequence[JobLogRow], run_id: int, attempt: int) -> None:
    """Links to the logs. In a run with many jobs, the table of jobs has these links."""
    links = "".join(
        f'<li class="ph-{colour_group(row.display_state)}">'
        f"{html(outcome_label(row.display_state).partition(' ')[0])} "
        f"{anchor(truncate(row.name), 'log', [('run_id', run_id), ('attempt', attempt), ('job_id', row.job_id)])}</li>"
        for row in rows
    )
    st.html(f'<div class="ph-commits"><b>Other job logs</b><ul class="ph-columns">{links}</ul></div>')


def has_many_jobs(jobs: Sequence[JobSummary]) -> bool:
    """Whether the run has more jobs than the page can show one by one."""
    return len(jobs) > _MAX_JOBS


def timeline_subtitle(bars: int, total: int) -> str:
    """The legend of the timeline, and how many of its jobs are drawn."""
    legend = "light: queued · outlined: critical path"
    if bars >= total:
        return legend
    return f"{formatting.count(bars)} of {formatting.count(total)} jobs: failed jobs first, then the longest · {legend}"


def omitted_jobs_note(detail: RunWithJobs) -> None:
    """Lists the jobs that are not in the timeline, with the reason."""
    kinds = (
        ("Reused from an earlier attempt", [job for job in detail.jobs if job.copied]),
        ("Check runs from reporters", [job for job in detail.jobs if job.phantom]),
        (
            "Skipped",
            [job for job in detail.jobs if job.conclusion == Conclusion.SKIPPED and not job.copied and not job.phantom],
        ),
    )
    for what, jobs in kinds:
        if jobs:
            more = f" and {formatting.count(len(jobs) - _MAX_NAMES)} more" if len(jobs) > _MAX_NAMES else ""
            st.caption(f"{what}: " + ", ".join(_job_name(job) for job in jobs[:_MAX_NAMES]) + more + ".")


def _job_name(job: JobSummary) -> str:
    """The name, and the outcome of a failed or cancelled job: a reused failure is the reason why such an attempt
    failed."""
    bad = outcome_of(job.status, job.conclusion) in (Outcome.FAILURE, Outcome.CANCELLED)
    state = job.display_state
    name = markdown(truncate(job.name))
    return f"{name} :{colour_group(state)}[{outcome_label(state)}]" if bad else name


@st.fragment
def steps(detail: RunWithJobs, attempt: int, version: int) -> None:
    """The steps of each job; the sections of failed jobs are open. Of many jobs, the failed and then the longest ones,
    with all sections closed."""
    jobs = [job for job in detail.jobs if job.has_started and not job.copied and not job.phantom]
    shown = frames.select_jobs(jobs, utc_now(), _MAX_JOBS)
    if len(shown) < len(jobs):
        st.caption(
            f"Steps of {formatting.count(len(shown))} of {formatting.count(len(jobs))} jobs: failed jobs first, "
            "then the longest. All jobs are in the table above."
        )
    preloaded = _all_steps(detail.run.id, shown, version) if len(shown) == len(jobs) else None
    opened = 0
    for job in shown if preloaded is None else [job for job in shown if preloaded.get(job.id)]:
        failed = outcome_of(job.status, job.conclusion) is Outcome.FAILURE
        opened += failed
        expanded = failed and opened <= _MAX_LOGS and not has_many_jobs(detail.jobs)
        if preloaded is not None:
            with st.expander(_job_label(job), expanded=expanded):
                _steps_of(job, preloaded[job.id])
            continue
        unfolded = st.expander(_job_label(job), expanded=expanded, on_change="rerun", key=f"steps-{attempt}-{job.id}")
        if unfolded.open:
            with unfolded:
                _steps_of(job, job_steps(detail.run.id, (job.id,), version).get(job.id, []))


def _all_steps(run_id: int, jobs: Sequence[JobSummary], version: int) -> Mapping[int, Steps] | None:
    """The steps by job ID, if they are few enough to send all of them to the browser; otherwise None."""
    listed = job_steps(run_id, tuple(job.id for job in jobs), version)
    return listed if sum(map(len, listed.values())) <= _MAX_STEPS else None


def _job_label(job: JobSummary) -> str:
    state = job.display_state
    name = markdown(truncate(job.name))
    return f"{name} · :{colour_group(state)}[{outcome_label(state)}] · {formatting.duration(job.duration_seconds)}"


def _steps_of(job: JobSummary, steps: Steps) -> None:
    where = ", ".join(job.labels) or "no label"
    st.caption(
        f"Runner {markdown(job.runner or 'unknown')} · {markdown(where)} · "
        f"queued {formatting.duration(job.queue_seconds)}"
    )
    spans = frames.steps(job, steps)
    if not spans:
        st.caption("No steps are stored for this job.")
        return
    failed = next((index for index, span in enumerate(spans) if span.state in FAILED_CONCLUSIONS), 0)
    st.html(steps_html(paginate(spans, f"steps-{job.id}", "steps", default=failed)))


def steps_html(spans: Sequence[frames.StepSpan]) -> str:
    """Rows of sign, name, outcome, position within the duration of the job, and duration, as HTML."""
    return '<div role="list">' + "".join(map(_step, spans)) + "</div>"


def _step(span: frames.StepSpan) -> str:
    sign, _, name = outcome_label(span.state).partition(" ")
    colour = f"ph-{colour_group(span.state)}"
    bar = f'<i style="left:{span.left:.1f}%;width:{span.width:.1f}%"></i>' if span.width else ""
    return (
        f'<div class="ph-step" role="listitem"><span class="{colour}" aria-hidden="true">{sign}</span>'
        f'<span class="ph-name">{html(truncate(span.name, 300))}</span>'
        f'<span class="ph-word {colour}">{html(name)}</span>'
        f'<span class="ph-track {colour}" aria-hidden="true">{bar}</span>'
        f'<span class="ph-time">{span.duration}</span></div>'
    )


def _ago(moment: datetime | None) -> str:
    return formatting.relative((utc_now() - moment).total_seconds()) if moment else formatting.NO_DATA
