"""The parts of the Run page: heading, attempts, key figures, failure causes, jobs and steps."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from app import frames, session
from app.components import run_links
from app.components.page_head import Crumb, breadcrumb, run_crumbs, set_title
from app.components.workflows import Query
from app.data.connection import utc_now
from app.data.runs import RunWithJobs, job_steps
from app.filters import view_state
from app.status_style import colour_group, event_label, outcome_label, outcome_name
from app.widgets.cells import anchor, stamp
from app.widgets.github import GitHubRepository
from app.widgets.table import paginate
from app.widgets.text import html, markdown, truncate
from core import formatting
from db.definitions.attempts import FAILED_CONCLUSIONS, outcome_of
from db.definitions.scope import Window
from db.enums import Conclusion, Outcome, Status
from db.logs.log_queries import JobLogRow
from db.runs.job_queries import JobSummary, Steps
from db.runs.run_queries import RunRow
from health.metrics.workflows import UsualDuration

_MAX_ID = 2**63 - 1
_MAX_NAMES = 12
# Limits of one page: bars of the timeline, jobs with steps, and open logs.
_MAX_JOBS, _MAX_LOGS = 25, 8
# Runs with more jobs have a timeline of the most important ones: a browser needs a second for a hundred bars.
_MAX_BARS, _BARS_OF_LARGE_RUNS = 100, 40
# With more steps in total, or more jobs, the steps of a job are read when its section is opened.
_MAX_STEPS = 500
_MAX_BUTTONS = 12
_LIVE_SECONDS = 5


def requested_run_id() -> int | None:
    value = st.query_params.get("run_id", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= _MAX_ID else None


def no_run_selected() -> None:
    set_title("No run selected")
    with st.container(border=True, key="state-no-run"):
        st.markdown("# :material/ads_click: No run selected")
        st.markdown("Open a run from the list, or add `?run_id=` and the run ID to the URL.")
        st.page_link("views/runs.py", label="View all runs", icon=":material/list:")


def unknown_run(run_id: int) -> None:
    set_title(f"Run {run_id} not found")
    with st.container(border=True, key="state-unknown-run"):
        st.markdown(f"# :material/search_off: Run {run_id} not found")
        st.markdown("It may be older than the stored history, or belong to a repository that is not monitored.")
        st.page_link("views/runs.py", label="View all runs", icon=":material/list:")


def header(newest: RunWithJobs, attempt: int) -> None:
    run = newest.run
    github = run_links.github_repositories().get(run.repo)
    set_title(run.repo, f"{run.workflow} #{run.run_number} {outcome_name(run.conclusion or run.status).lower()}")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="run-head"):
        st.html(_head(run, github), width="stretch")
        with st.container(horizontal=True, width="content", gap="small", key="run-actions"):
            if rerun := run_links.rerun_url(run, github, utc_now()):
                st.link_button(
                    "Re-run on GitHub",
                    rerun,
                    icon=":material/replay:",
                    help="Opens the run on GitHub, where its failed jobs can be re-run. This dashboard only reads.",
                )
            if url := github and _github_url(run, attempt, github):
                st.link_button("View on GitHub", url, icon=":material/open_in_new:")


def _github_url(run: RunRow, attempt: int, github: GitHubRepository) -> str | None:
    """The page of the selected attempt, which is also the page of the run for the latest one."""
    return github.stored(run.html_url) if attempt == run.attempt else github.attempt(run.html_url, attempt)


def _head(run: RunRow, github: GitHubRepository | None) -> str:
    state = run.conclusion or run.status
    flaky = '<span class="ph-pill ph-orange">↻ Flaky: failed, then passed</span>' if run.flaky else ""
    by = f"<span>commit by <b>{html(run.commit_author)}</b></span>" if run.commit_author else ""
    started = f"<span>started by {run_links.actor_link(run.actor, run, github)}</span>" if run.actor else ""
    rerun = (
        f"<span>attempt {run.attempt} by {run_links.actor_link(run.rerun_by, run, github)}</span>"
        if run.rerun_by
        else ""
    )
    branch = f"<span>on {run_links.branch_link(run, github)}</span>" if run.branch else ""
    crumbs = [*run_crumbs(run.repo, run.workflow, run.workflow_id), Crumb(f"#{run.run_number}")]
    return (
        f'{breadcrumb(crumbs)}<h1 class="ph-title">{html(run.headline)}</h1>'
        f'<div class="ph-meta"><span class="ph-pill ph-{colour_group(state)}">{html(outcome_label(state))}</span>'
        f"{flaky}<span>{run_links.commit_link(run, github)}</span>{branch}"
        f"<span>{html(event_label(run.event))}</span>{by}{started}{rerun}"
        f"<span>{stamp(run.created_at, session.zone())}</span></div>"
    )


def selected_attempt(newest: RunWithJobs) -> int:
    """The attempt that the URL or the control below the heading selects; the latest one without a valid number."""
    numbers = _attempt_numbers(newest)
    if len(numbers) == 1:
        return numbers[0]
    texts = {str(number): number for number in numbers}
    key = _attempt_key(newest.run)
    view_state.sync_widget("attempt", key, numbers[-1], texts.get)
    return int(st.session_state[key])


def _attempt_numbers(newest: RunWithJobs) -> list[int]:
    return [row.attempt for row in newest.attempts] or [newest.run.attempt]


def _attempt_key(run: RunRow) -> str:
    """With the latest attempt: a new one is shown unless the URL selects another."""
    return f"attempt-{run.id}-{run.attempt}"


def attempt_control(newest: RunWithJobs) -> None:
    """The choice of the attempt, whose value is that of `selected_attempt`. Streamlit's binding is not used: it would
    write the label into the URL."""
    labels = {
        row.attempt: f"Attempt {row.attempt} {outcome_label(row.conclusion or row.status)}" for row in newest.attempts
    }
    if len(labels) > _MAX_BUTTONS:
        st.selectbox(
            f"Attempt ({formatting.count(len(labels))} in total)",
            list(labels)[::-1],
            key=_attempt_key(newest.run),
            format_func=labels.__getitem__,
            width=330,
        )
    elif len(labels) > 1:
        st.segmented_control(
            "Attempt",
            list(labels),
            required=True,
            key=_attempt_key(newest.run),
            format_func=labels.__getitem__,
            label_visibility="collapsed",
        )


def window_of(run: RunRow) -> Window:
    """The window that contains only this run: gaps elsewhere do not affect its page."""
    return Window(run.created_at, run.created_at + timedelta(seconds=1))


def started_at(detail: RunWithJobs, attempt: int) -> datetime | None:
    return next((row.started_at for row in detail.attempts if row.attempt == attempt), None)


def facts(run: RunRow, detail: RunWithJobs, attempt: int, usual: UsualDuration | None) -> None:
    """Cards of the attempt; those of an unfinished one are refreshed every few seconds."""
    shown = next((row for row in detail.attempts if row.attempt == attempt), None)
    is_running = (shown.completed_at if shown else run.completed_at) is None and run.status != Status.COMPLETED
    draw = st.fragment(_facts, run_every=_LIVE_SECONDS) if is_running and attempt == run.attempt else _facts
    draw(run, detail, attempt, usual, is_running)


def _facts(run: RunRow, detail: RunWithJobs, attempt: int, usual: UsualDuration | None, is_running: bool) -> None:
    shown = next((row for row in detail.attempts if row.attempt == attempt), None)
    duration = shown.duration_seconds if shown else run.duration_seconds
    queue = shown.queue_seconds if shown else run.queue_seconds
    began = shown.started_at if shown else run.started_at
    jobs = [job for job in detail.jobs if not job.copied and not job.phantom]
    elapsed = max((utc_now() - began).total_seconds(), 0.0) if is_running and began else None
    value = formatting.duration(duration) if elapsed is None else f"{formatting.duration(elapsed)} so far"
    fact_row(
        ("Duration", value, "Until the last job finished", usual_text(usual, elapsed) if usual else ""),
        ("Queue", formatting.duration(queue), "Time to first job start", ""),
        ("Jobs", formatting.count(len(jobs)) if jobs else formatting.NO_DATA, "Jobs run in this attempt", ""),
        ("Started", _ago(began), formatting.timestamp(began), ""),
    )


def usual_text(usual: UsualDuration, elapsed: float | None) -> str:
    """The usual duration of the workflow; for a run that is `elapsed` seconds old, with the expected rest."""
    text = f"usually {formatting.duration(usual.p50)}, p95 {formatting.duration(usual.p95)}"
    if elapsed is None:
        return text
    if elapsed > usual.p95:
        return f"{text} · longer than 95% of runs"
    if elapsed > usual.p50:
        return f"{text} · longer than usual"
    return f"{text} · about {formatting.duration(usual.p50 - elapsed)} left"


def fact_row(*shown: tuple[str, str, str, str]) -> None:
    """Cards of (label, value, meaning, note); the meaning is the tooltip."""
    cards = "".join(
        f'<div class="ph-tile" title="{html(meaning)}"><span class="ph-label">{html(label)}</span><b>{html(value)}</b>'
        + (f'<span class="ph-change">{html(note)}</span>' if note else "")
        + "</div>"
        for label, value, meaning, note in shown
    )
    st.html(f'<div class="ph-tiles ph-facts-row">{cards}</div>')


def github_urls(run: RunRow, jobs: Sequence[JobSummary]) -> dict[int, str]:
    """The pages of the jobs on GitHub, with their logs, by job ID."""
    github = run_links.github_repositories().get(run.repo)
    known = ((job.id, github.stored(job.html_url) if github else None) for job in jobs)
    return {job_id: url for job_id, url in known if url}


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
    st.html(f'<div class="ph-commits"><b>Other job logs</b><ul class="ph-short-list">{links}</ul></div>')


def has_many_jobs(jobs: Sequence[JobSummary]) -> bool:
    """Whether the run has more jobs than the page can show one by one."""
    return len(jobs) > _MAX_JOBS


def bar_limit(jobs: Sequence[JobSummary]) -> int:
    """The maximum number of bars in the timeline of these drawable jobs."""
    return _MAX_BARS if len(jobs) <= _MAX_BARS else _BARS_OF_LARGE_RUNS


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
    """The steps of each job; the sections of failed jobs are open unless the URL differs. Of many jobs, the failed and
    then the longest ones, with all sections closed."""
    jobs = [job for job in detail.jobs if job.has_started and not job.copied and not job.phantom]
    shown = frames.select_jobs(jobs, utc_now(), _MAX_JOBS)
    if len(shown) < len(jobs):
        st.caption(
            f"Steps of {formatting.count(len(shown))} of {formatting.count(len(jobs))} jobs: failed jobs first, "
            "then the longest. All jobs are in the table above."
        )
    preloaded = _all_steps(detail.run.id, shown, version) if len(shown) == len(jobs) else None
    failed_jobs = 0
    for job in shown if preloaded is None else [job for job in shown if preloaded.get(job.id)]:
        failed = outcome_of(job.status, job.conclusion) is Outcome.FAILURE
        failed_jobs += failed
        key, by_default = f"job-{job.id}", failed and failed_jobs <= _MAX_LOGS and not has_many_jobs(detail.jobs)
        expanded = view_state.is_open(key, default=by_default)
        if preloaded is not None:
            with st.expander(_job_label(job), expanded=expanded, key=key):
                _steps_of(job, preloaded[job.id], detail.run.id)
            continue
        unfolded = st.expander(_job_label(job), expanded=expanded, on_change="rerun", key=key)
        if unfolded.open:
            with unfolded:
                _steps_of(job, job_steps(detail.run.id, (job.id,), version).get(job.id, []), detail.run.id)


def _all_steps(run_id: int, jobs: Sequence[JobSummary], version: int) -> Mapping[int, Steps] | None:
    """The steps by job ID, if they are few enough to send all of them to the browser; otherwise None."""
    listed = job_steps(run_id, tuple(job.id for job in jobs), version)
    return listed if sum(map(len, listed.values())) <= _MAX_STEPS else None


def _job_label(job: JobSummary) -> str:
    state = job.display_state
    name = markdown(truncate(job.name))
    return f"{name} · :{colour_group(state)}[{outcome_label(state)}] · {formatting.duration(job.duration_seconds)}"


def _steps_of(job: JobSummary, steps: Steps, run_id: int) -> None:
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
    log: Query = [("run_id", run_id), ("attempt", job.attempt), ("job_id", job.id)] if job.completed_at else ()
    st.html(steps_html(paginate(spans, f"steps-{job.id}", "steps", default=failed), log))


def steps_html(spans: Sequence[frames.StepSpan], log: Query = ()) -> str:
    """Rows of sign, name, outcome, position within the duration of the job, and duration, as HTML. `log`: the query of
    the job's log, to which the names of its steps are linked; empty without a log."""
    return '<div role="list">' + "".join(_step(span, log) for span in spans) + "</div>"


def _step(span: frames.StepSpan, log: Query) -> str:
    sign, _, name = outcome_label(span.state).partition(" ")
    colour = f"ph-{colour_group(span.state)}"
    bar = f'<i style="left:{span.left:.1f}%;width:{span.width:.1f}%"></i>' if span.width else ""
    return (
        f'<div class="ph-step" role="listitem"><span class="{colour}" aria-hidden="true">{sign}</span>'
        f'<span class="ph-name">{_step_name(span, log)}</span>'
        f'<span class="ph-word {colour}">{html(name)}</span>'
        f'<span class="ph-track {colour}" aria-hidden="true">{bar}</span>'
        f'<span class="ph-time">{span.duration}</span></div>'
    )


def _step_name(span: frames.StepSpan, log: Query) -> str:
    """Leads to the first line of the step in the log of its job."""
    name = truncate(span.name, 300)
    if not log or span.started_at is None:
        return html(name)
    at = span.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return anchor(name, "log", [*log, ("at", at)], hover="Open the log at this step")


def _ago(moment: datetime | None) -> str:
    return formatting.relative((utc_now() - moment).total_seconds()) if moment else formatting.NO_DATA
