"""The parts of the page of one run."""

from datetime import datetime

import streamlit as st

from app import frames
from app.components import tables
from app.components.text import markdown
from app.data import RunDetail
from app.marks import colour_group, word
from db.metrics import units
from db.queries.runs import RunRow

_BIGGEST = 2**63 - 1


def wanted_run() -> int | None:
    given = st.query_params.get("run_id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= _BIGGEST else None


def nothing_chosen() -> None:
    with st.container(border=True, key="state-no-run"):
        st.markdown("### :material/ads_click: No run chosen")
        st.markdown("Open one from the list of runs, or add `?run_id=` and its number to the address.")
        st.page_link("views/runs.py", label="Go to the runs", icon=":material/list:")


def unknown(run_id: int) -> None:
    with st.container(border=True, key="state-unknown-run"):
        st.markdown(f"### :material/search_off: Run {run_id} is not known")
        st.markdown("It may be older than the history that was read, or belong to a repository that is not monitored.")
        st.page_link("views/runs.py", label="Go to the runs", icon=":material/list:")


def header(run: RunRow) -> None:
    state = run.conclusion or run.status
    st.markdown(f"## {markdown(run.title[:200])}")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(word(state), color=colour_group(state))  # type: ignore[arg-type]
        if run.flaky:
            st.badge("flaky: failed, then passed", color="orange")
        parts = [run.repo, f"{run.workflow} #{run.run_number}", run.branch or "no branch", run.event]
        st.markdown(" · ".join(markdown(part) for part in parts))
        st.markdown(f"`{run.head_sha[:7]}`" + (f" by **{markdown(run.actor)}**" if run.actor else ""))
        if run.html_url.startswith("https://"):
            st.link_button("GitHub", run.html_url, icon=":material/open_in_new:", type="tertiary")


def choose_attempt(newest: RunDetail) -> int:
    numbers = [each.attempt for each in newest.attempts] or [newest.run.attempt]
    if len(numbers) == 1:
        return numbers[0]
    written = {
        each.attempt: f"Attempt {each.attempt} {word(each.conclusion or each.status)}" for each in newest.attempts
    }
    chosen = st.segmented_control(
        "Attempt", numbers, default=numbers[-1], required=True, key="attempt", bind="query-params",
        format_func=lambda number: written[number], label_visibility="collapsed",
    )  # fmt: skip
    return chosen if chosen in numbers else numbers[-1]


def started_at(found: RunDetail, attempt: int) -> datetime | None:
    return next((each.started_at for each in found.attempts if each.attempt == attempt), None)


def facts(run: RunRow, found: RunDetail, attempt: int) -> None:
    shown = next((each for each in found.attempts if each.attempt == attempt), None)
    duration = shown.duration_seconds if shown else run.duration_seconds
    queue = shown.queue_seconds if shown else run.queue_seconds
    own = [job for job in found.jobs if not job.copied and not job.phantom]
    with st.grid(4, min_column_width=150, gap="small", key="run-facts"):
        st.metric("Duration", units.duration(duration), border=True, help="To the end of the last own job")
        st.metric("Queue", units.duration(queue), border=True, help="Until the first job of the attempt started")
        st.metric("Jobs", units.count(len(own)), border=True)
        st.metric("Started", _moment(shown.started_at if shown else run.started_at), border=True)


def left_out(found: RunDetail) -> None:
    """Says what is not in the timeline, so that nothing seems to be missing."""
    kinds = (
        (sum(job.copied for job in found.jobs), "carried over from an earlier attempt"),
        (sum(job.phantom for job in found.jobs), "reports without a runner"),
        (sum(job.conclusion == "skipped" for job in found.jobs if not job.copied), "skipped"),
    )
    told = [f"{number} {what}" for number, what in kinds if number]
    if told:
        st.caption("Not shown and not counted: " + ", ".join(told) + ".")


def steps(found: RunDetail) -> None:
    for job in found.jobs:
        if job.steps and not job.copied:
            state = job.conclusion or job.status
            label = (
                f"{markdown(job.name)} · :{colour_group(state)}[{word(state)}] · {units.duration(job.duration_seconds)}"
            )
            with st.expander(label, expanded=False):
                where = ", ".join(job.labels) or "no label"
                st.caption(f"Runner {markdown(job.runner or 'unknown')} · {markdown(where)} · "
                           f"queued {units.duration(job.queue_seconds)}")  # fmt: skip
                tables.steps(frames.steps(job))


def _moment(moment: datetime | None) -> str:
    return f"{moment:%d %b %H:%M}" if moment else units.NO_DATA
