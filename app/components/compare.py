"""The comparison of runs, and of a failed run with the last successful one."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import run_links
from app.components.page_head import Crumb, breadcrumb, run_crumbs, set_title
from app.components.run_links import Repositories
from app.data.runs import changes_since_success
from app.filters import view_state
from app.status_style import colour_group, outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.exports import ExportBuilder
from app.widgets.github import GitHubRepository, external_link
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html, truncate, url_key
from core import formatting
from db.enums import Conclusion
from db.runs.run_queries import RunRow
from health.metrics.definitions.step_comparison import StepState
from health.metrics.workflows import (
    ChangesSinceGreen,
    Commit,
    ComparedJob,
    ComparedJobState,
    ComparedRun,
    RunComparison,
)

_MAX_COMMITS = 12
# The cell of a run that has no such job or step.
UNKNOWN_STATE = Cell(f'<span class="ph-dim">{formatting.NO_DATA}</span>', None)
# The jobs of a run with more jobs are compared with those of the last success on demand.
MAX_INLINE_JOBS = 1_000


def requested_run_ids() -> tuple[int, ...]:
    """The run IDs of `?runs=1,2`, without duplicates. Values that are not numbers are ignored."""
    parts = st.query_params.get("runs", "").split(",")
    return tuple(dict.fromkeys(int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 19))


def nothing_to_compare(reason: str) -> None:
    set_title("Nothing to compare")
    with st.container(border=True, key="state-no-comparison"):
        st.markdown("# :material/compare_arrows: Nothing to compare")
        st.markdown(reason)
        st.page_link("views/runs.py", label="Select two to five runs", icon=":material/list:")


def header(compared: Sequence[ComparedRun]) -> None:
    runs = [item.run for item in compared]
    title = f"Compare {', '.join(f'#{run.run_number}' for run in runs)}"
    repos, workflows = {run.repo for run in runs}, {run.workflow_id for run in runs}
    crumbs = run_crumbs(runs[0].repo, runs[0].workflow, runs[0].workflow_id)
    # Runs of several workflows or repositories have only the beginning of the path in common.
    shared = crumbs[: 1 if len(repos) > 1 else 2 if len(workflows) > 1 else 3]
    set_title(title, *(crumb.label for crumb in shared[1:]))
    st.html(f'{breadcrumb([*shared, Crumb(title)])}<h1 class="ph-title">Compare runs</h1>')


def run_heads(compared: Sequence[ComparedRun], zone: ZoneInfo) -> None:
    github = run_links.github_repositories()
    cards = "".join(_head(run, compared[0].run, zone, github) for run in compared)
    st.html(f'<div class="ph-tiles">{cards}</div>')


def job_table(comparison: RunComparison, name: str) -> None:
    run_ids = [compared.run.id for compared in comparison.runs]
    long_table(
        name,
        _columns(comparison),
        comparison.jobs,
        lambda jobs: job_rows(jobs, run_ids),
        caption="Jobs of the compared runs, largest change first",
        noun="jobs",
        reset_key=tuple(run_ids),
    )


def jobs_export(comparison: RunComparison) -> tuple[Sequence[Column], list[Row]]:
    return _columns(comparison), job_rows(comparison.jobs)


def job_rows(jobs: Sequence[ComparedJob], run_ids: Sequence[int] = ()) -> list[Row]:
    """`run_ids`: the compared runs, for links to the logs and to their differences."""
    return [(_name(job, run_ids), *_states(job, run_ids), change_cell(job.states)) for job in jobs]


def since_green(changes: ChangesSinceGreen, zone: ZoneInfo) -> None:
    """The last successful run, the commits since then, and the jobs compared with it."""
    if changes.last_success is None or changes.comparison is None:
        st.caption("No earlier successful run of this workflow is stored.")
        return
    last_success, latest = changes.last_success, changes.comparison.runs[-1]
    github = run_links.github_repositories().get(latest.run.repo)
    before, after = formatting.duration(last_success.duration_seconds), formatting.duration(latest.run.duration_seconds)
    link = cells.anchor(f"#{last_success.run_number}", "run", [("run_id", last_success.id)])
    both = cells.anchor("Compare", "compare", [("runs", f"{last_success.id},{latest.run.id}")])
    st.html(
        f'<div class="ph-meta"><span>last success {link} on <b>{html(last_success.branch or formatting.NO_DATA)}</b>, '
        f"{cells.stamp(last_success.created_at, zone)}</span>"
        f"<span>duration {before} → {after}{duration_delta(latest, last_success)}</span><span>{both}</span></div>"
    )
    _commits(changes, github, latest)
    if changes.comparison.jobs:
        job_table(changes.comparison, "since-green")


@st.fragment
def deferred_jobs(run_id: int, version: int) -> None:
    """The jobs compared with those of the last success, read when the section is opened."""
    key = f"since-green-{run_id}"
    expanded = view_state.is_open(key)
    unfolded = st.expander("Jobs compared with the last success", expanded=expanded, on_change="rerun", key=key)
    if unfolded.open:
        changes = changes_since_success(run_id, version)
        with unfolded:
            if changes and changes.comparison:
                job_table(changes.comparison, "since-green")


def since_green_export(changes: ChangesSinceGreen, run_id: int, version: int) -> tuple[str, ExportBuilder] | None:
    """The file name and the rows of the CSV export of all jobs; None without an earlier success."""
    return ("since-success", lambda: _all_jobs(run_id, version)) if changes.comparison else None


def _all_jobs(run_id: int, version: int) -> tuple[Sequence[Column], list[Row]]:
    changes = changes_since_success(run_id, version)
    return jobs_export(changes.comparison) if changes and changes.comparison else ((), [])


def _commits(changes: ChangesSinceGreen, github: GitHubRepository | None, latest: ComparedRun) -> None:
    commits, first_bad, more = changes.commits, changes.first_failure, changes.has_more_commits
    shown = named_commits(commits, first_bad.head_sha if first_bad else None)
    rows = [_commit(commit, first_bad, latest.run.repo, github) for commit in shown]
    others = len(commits) - len(shown)
    if others:
        # The first bad commit follows the omitted ones if it is older than the commits that are listed.
        rows.insert(_MAX_COMMITS, f'<li class="ph-dim">{others}{" or more" if more else ""} more</li>')
    compare_url = github.stored(latest.compare_url) if github else None
    outside = (
        f' <a href="{html(compare_url)}" target="_blank" rel="noopener noreferrer">View all changes on GitHub</a>'
        if compare_url
        else ""
    )
    count = "1 commit" if len(commits) == 1 else f"{len(commits)}{'+' if more else ''} commits"
    st.html(
        f'<div class="ph-commits"><b>{count} with runs since the last success</b>{outside}'
        f"<ul>{''.join(rows)}</ul></div>"
    )


def _author(commit: Commit) -> str:
    """The author of the commit; if unknown, the user who started its first run."""
    return commit.author or (f"run started by {commit.actor}" if commit.actor else "")


def named_commits(commits: Sequence[Commit], first_bad_sha: str | None) -> list[Commit]:
    """The newest twelve commits, and the first bad one if it is older than these."""
    shown = list(commits[:_MAX_COMMITS])
    return [*shown, *(commit for commit in commits[_MAX_COMMITS:] if commit.sha == first_bad_sha)]


def _commit(commit: Commit, first_bad: RunRow | None, repo: str, github: GitHubRepository | None) -> str:
    bad = first_bad is not None and commit.sha == first_bad.head_sha
    mark = ' <b class="ph-red">first bad commit</b>' if bad else ""
    query = [("q", commit.sha), ("repo", repo), *run_links.time_query(commit.created_at)]
    link = cells.anchor(commit.sha[:7], "runs", query, hover=f"Runs of commit {commit.sha}")
    outside = external_link(github.commit(commit.sha) if github else None, f"Commit {commit.sha[:7]}")
    return (
        f"<li><code>{link}</code> {outside} {html(commit.title[:120])} "
        f'<span class="ph-dim">{html(_author(commit))}</span>{mark}</li>'
    )


def _columns(comparison: RunComparison) -> Sequence[Column]:
    return [Column("Job"), *run_columns(comparison)]


def run_columns(comparison: RunComparison) -> list[Column]:
    """A column a run and the change. Their keys are the positions of the runs: run numbers of several workflows may be
    equal, and an order or a choice of columns applies to any comparison."""
    runs = [
        Column(f"#{compared.run.run_number}", "right", compared.run.headline, unit="s", name=f"run-{position}")
        for position, compared in enumerate(comparison.runs, 1)
    ]
    return [*runs, Column("Change", "right", "Last run vs. first run", unit="s")]


def _head(compared: ComparedRun, first: RunRow, zone: ZoneInfo, repositories: Repositories) -> str:
    run, github = compared.run, repositories.get(compared.run.repo)
    repo = cells.anchor(run.repo, "", [("repo", run.repo)])
    workflow = cells.anchor(run.workflow, "workflow", [("id", run.workflow_id)])
    title = cells.anchor(run.headline or "(no title)", "run", [("run_id", run.id)], hover=run.headline)
    state = run.conclusion or run.status
    return (
        f'<div class="ph-tile"><span class="ph-label">#{run.run_number} · {repo} / {workflow}'
        f'</span><span class="ph-clip">{title}</span>'
        f"<b>{formatting.duration(run.duration_seconds)}{duration_delta(compared, first)}</b>"
        f'<span class="ph-change"><span class="ph-{colour_group(state)}">{html(outcome_label(state))}</span>'
        f"<span>{run_links.commit_link(run, github)}</span><span>{run_links.branch_link(run, github)}</span>"
        f"{cells.stamp(run.created_at, zone)}</span></div>"
    )


def _name(job: ComparedJob, run_ids: Sequence[int]) -> Cell:
    marks = (
        (job.appeared, "new"),
        (job.disappeared, "removed"),
        (job.labels_changed, "runner changed"),
        (job.conclusion_changed, "result changed"),
    )
    notes = [mark for is_so, mark in marks if is_so]
    if run_ids and job.states[0] and job.states[-1]:
        query = [("runs", ",".join(map(str, run_ids))), ("job", url_key(job.name))]
        notes.append(cells.anchor("compare logs", "compare", query, hover=f"Differences of the logs of {job.name}"))
    small = f"<small>{' · '.join(notes)}</small>" if notes else ""
    clipped = f'<span class="ph-clip" title="{html(job.name)}"><b>{html(truncate(job.name))}</b></span>'
    return Cell(f'<span class="ph-two">{clipped}{small}</span>', job.name)


def _states(job: ComparedJob, run_ids: Sequence[int]) -> list[Cell]:
    runs: Sequence[int | None] = run_ids or [None] * len(job.states)
    return [_state(state, run_id) for state, run_id in zip(job.states, runs, strict=True)]


def _state(state: ComparedJobState | None, run_id: int | None) -> Cell:
    if state is None:
        return UNKNOWN_STATE
    written = formatting.duration(state.duration_seconds)
    if run_id is not None and state.conclusion not in (None, Conclusion.SKIPPED):
        query = [("run_id", run_id), ("attempt", state.attempt), ("job_id", state.job_id)]
        written = cells.anchor(written, "log", query, hover="Open the log")
    name = state.conclusion or ("end_unknown" if state.end_unknown else "in_progress")
    return Cell(f"{state_sign(name)} {written}", state.duration_seconds)


def state_sign(name: str) -> str:
    """The sign of an outcome as HTML, with its name as tooltip."""
    label = html(outcome_label(name))
    return f'<span class="ph-{colour_group(name)}" title="{label}">{label.partition(" ")[0]}</span>'


def change_cell(states: Sequence[ComparedJobState | None] | Sequence[StepState | None]) -> Cell:
    """The change in seconds from the first to the last run of a job or a step."""
    first, last = states[0], states[-1]
    seconds = last.delta_seconds if last else None
    passed = all(state is not None and state.conclusion == Conclusion.SUCCESS for state in (first, last))
    return Cell(signed_duration(seconds, coloured=passed).strip() or formatting.NO_DATA, seconds)


def duration_delta(compared: ComparedRun, first: RunRow) -> str:
    """The difference to the duration of the first run, as HTML; coloured if both runs succeeded."""
    passed = all(run.conclusion == Conclusion.SUCCESS for run in (compared.run, first))
    return signed_duration(compared.delta_seconds, coloured=passed)


def signed_duration(seconds: float | None, *, coloured: bool) -> str:
    """The difference with its sign. A run that did not succeed ended early or hung, so that its difference says nothing
    about speed and has no colour."""
    if seconds is None or round(seconds) == 0:
        return ""
    tone, sign = ("red", "+") if seconds > 0 else ("green", "−")
    return f' <small class="ph-{tone if coloured else "dim"}">{sign}{formatting.duration(abs(seconds))}</small>'
