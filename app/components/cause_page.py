"""The page of one failure cause: its head, its first and last run, what distinguishes its runs, and the runs."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app import session
from app.components import run_links
from app.components.failure_causes import more_names
from app.components.page_head import Crumb, breadcrumb, set_title
from app.components.workflows import Query, workflow_link
from app.status_style import event_label, outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.columns import Column, Row
from app.widgets.table import table
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from core.terminal import rendered_line
from db.runs.run_queries import RunRow
from health.insights.causes.cause_context import CauseContext
from health.insights.causes.distinctions import MIN_RUNS, Distinction, Feature
from health.insights.causes.queries import Cause, CauseRuns
from health.metrics.branch_status import Streak

_RUNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="desk_only"),
    Column("Job", show="wide_only"),
    Column("Branch", show="wide_only"),
    Column(
        "Matched log line", show="wide_only", help="If the line differs from that of the cause, the part that differs"
    ),
    Column("Created", "right", unit="UTC"),
)
_DISTINCTIONS = (
    Column("Feature", show="wide_only"),
    Column("Value", fluid=True),
    Column(
        "Runs with this cause",
        "right",
        "Runs with this cause and this value, of those with this cause whose value is known",
        unit="share",
    ),
    Column("Other runs", "right", "Share of the other runs of these workflows with this value", unit="share"),
)
_MAX_NAMES, _MAX_VALUES, _MAX_SUBJECT, _MAX_STREAKS = 3, 6, 500, 5
# Of a line that is searched for in all logs.
_MAX_SEARCH = 200
FEATURES = "repository, workflow, job, branch, event, hour of the day, matrix value, runner, runner group or label"


def cause_head(cause_runs: CauseRuns, time: Query) -> None:
    cause = cause_runs.cause
    set_title(cause.line, "Failures")
    at_least = "at least " if cause_runs.truncated else ""
    open_now = '<span class="ph-pill ph-red">✕ Failing now</span>' if cause.open else ""
    st.html(
        f"{breadcrumb((Crumb('Failures', 'failures', time), Crumb(cause.line)))}"
        f'<h1 class="ph-line">{html(cause.line)}</h1>{_named(cause)}<div class="ph-meta">{open_now}'
        f"<span>{at_least}{pluralize(cause.runs, 'run')}, {pluralize(cause.jobs, 'job')}</span>"
        f"<span>{html(', '.join(cause.repos[:_MAX_NAMES]))}{more_names(cause.repos, _MAX_NAMES)}</span>"
        f"<span>{_search_link(cause.line, time)}</span></div>"
        f"{_first_and_last(cause_runs)}"
    )


def _named(cause: Cause) -> str:
    """The class, tool and subject of the cause, and its message where the line is not the message."""
    parts = [cells.cause_class(cause.kind).html]
    parts += [f"<span>Tool <b>{html(cause.tool)}</b></span>"] if cause.tool else []
    if cause.subject:
        parts.append(f"<span>Subject <code>{html(truncate(cause.subject, _MAX_SUBJECT))}</code></span>")
    if cause.message and cause.message not in cause.line:
        parts.append(f"<span>Message <code>{html(truncate(cause.message, _MAX_SUBJECT))}</code></span>")
    return f'<div class="ph-meta ph-cause-named">{"".join(parts)}</div>'


def _search_link(line: str, time: Query) -> str:
    text = line.strip()[:_MAX_SEARCH]
    return cells.anchor("Search all logs", "search", [("text", text), *time], hover="Logs with this line")


def _first_and_last(cause_runs: CauseRuns) -> str:
    """The first stored run with the cause and the last one of the period, with their commits; and since when default
    branches fail that fail with it now."""
    newest = cause_runs.runs[0][0] if cause_runs.runs else None
    runs = [("First run", cause_runs.first_run), ("Last run", newest)]
    if cause_runs.first_run and newest and cause_runs.first_run.id == newest.id:
        runs = [("Only run" if cause_runs.cause.runs == 1 else "First run", newest)]
    rows = "".join(f"<dt>{label}</dt><dd>{_run(run)}</dd>" for label, run in runs if run)
    rows += "".join(f"<dt>Failing since</dt><dd>{_streak(streak)}</dd>" for streak in cause_runs.streaks[:_MAX_STREAKS])
    if (omitted := len(cause_runs.streaks) - _MAX_STREAKS) > 0:
        rows += f"<dt></dt><dd>and {pluralize(omitted, 'more workflow')}</dd>"
    return f'<dl class="ph-cause-runs">{rows}</dl>' if rows else ""


def _run(run: RunRow) -> str:
    github = run_links.github_repositories().get(run.repo)
    branch = f" on {run_links.branch_link(run, None)}" if run.branch else ""
    when = cells.stamp(run.created_at, session.zone())
    return f"{when}{branch}, commit {run_links.commit_text(run, github)}"


def _streak(streak: Streak) -> str:
    """Since when a workflow fails on the default branch, whatever the causes of its other runs are."""
    first, github = streak.first_failure, run_links.github_repositories().get(streak.repo)
    workflow = cells.anchor(f"{streak.repo} / {streak.workflow}", "workflow", [("id", streak.workflow_id)])
    number = pluralize(streak.length, "failure") + (" in a row" if streak.length > 1 else "")
    when = cells.stamp(first.created_at, session.zone())
    commit = run_links.commit_text(first, github)
    return f"{when}: {workflow} on {html(streak.branch)}, {number}, first bad commit {commit}"


def distinction_text(context: CauseContext, cause_runs: CauseRuns) -> str:
    """What was compared, for the subtitle of the panel."""
    workflows = pluralize(len(cause_runs.cause.workflows), "workflow")
    text = f"compared with the other failed and passed runs of {workflows}"
    if context.since is None:
        return text
    since = context.since.astimezone(session.zone())
    return f"{text} · latest {formatting.count(context.jobs)} jobs, since {since:%d %b, %H:%M}"


def distinction_table(context: CauseContext, cause_runs: CauseRuns, time: Query) -> None:
    if context.distinctions:
        table(
            "distinctions",
            _DISTINCTIONS,
            distinction_rows(context.distinctions, cause_runs, time),
            caption="What distinguishes the runs with this cause, most significant first",
        )
    elif context.runs < MIN_RUNS:
        runs = "of the compared runs" if context.since else "runs"
        st.caption(f"Fewer than {MIN_RUNS} {runs} have this cause: too few for a comparison.")
    else:
        st.caption(f"No {FEATURES} is significantly more frequent among the runs with this cause.")


def distinctions_export(
    context: CauseContext, cause_runs: CauseRuns, time: Query
) -> tuple[Sequence[Column], list[Row]]:
    return _DISTINCTIONS, distinction_rows(context.distinctions, cause_runs, time)


def distinction_rows(items: Sequence[Distinction], cause_runs: CauseRuns, time: Query) -> list[Row]:
    return [
        (
            cells.text(item.feature.capitalize()),
            _value(item, cause_runs, time),
            _share(item),
            Cell(
                f'<span class="ph-dim" title="of {pluralize(item.others, "run")}">'
                f"{formatting.percent(item.others_share)}</span>",
                item.others_share,
            ),
        )
        for item in items
    ]


def _share(item: Distinction) -> Cell:
    share = item.runs / item.known
    return Cell(
        f'<span class="ph-one"><b>{formatting.percent(share)}</b> '
        f'<span class="ph-dim">{formatting.count(item.runs)} of {formatting.count(item.known)}</span></span>',
        share,
    )


def _value(item: Distinction, cause_runs: CauseRuns, time: Query) -> Cell:
    """The values; a repository, branch or event leads to its runs in the period."""
    texts = [_value_text(item.feature, value) for value in item.values]
    shown = " · ".join(f"<code>{html(truncate(text))}</code>" for text in texts[:_MAX_VALUES])
    if item.feature is Feature.REPOSITORY:
        query = [("repo", item.values[0]), *time]
        shown = cells.anchor(truncate(texts[0]), "runs", query, hover="Runs of this period")
    elif item.feature in (Feature.BRANCH, Feature.EVENT):
        repos = [("repo", repo) for repo in cause_runs.cause.repos[:_MAX_NAMES]]
        query = [(item.feature.value, item.values[0]), *repos, *time]
        shown = cells.anchor(truncate(texts[0]), "runs", query, hover="Runs of this period")
        if (total := len(cause_runs.cause.repos)) > len(repos):
            limit = f"runs of the first {len(repos)} of {formatting.count(total)} repositories"
            shown += f' <span class="ph-dim">{limit}</span>'
    omitted = len(texts) - _MAX_VALUES
    more = f' <span class="ph-dim">+ {omitted}</span>' if omitted > 0 else ""
    name = f'<small class="ph-narrow">{html(item.feature)}</small>'
    return Cell(f'<span class="ph-value">{shown}{more}{name}</span>', ", ".join(texts))


def _value_text(feature: Feature, value: str) -> str:
    if feature is Feature.EVENT:
        return event_label(value)
    if feature is Feature.HOUR:
        return f"{value}:00 to {(int(value) + 1) % 24:02d}:00 {session.zone()}"
    return value


def run_list(cause_runs: CauseRuns, zone: ZoneInfo) -> None:
    table("cause-runs", _RUNS, runs_rows(cause_runs, zone), caption="Runs with this cause, newest first")
    if cause_runs.cause.runs > len(cause_runs.runs):
        st.caption(
            f"Latest {formatting.count(len(cause_runs.runs))} of {formatting.count(cause_runs.cause.runs)} runs."
        )


def runs_export(cause_runs: CauseRuns, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _RUNS, runs_rows(cause_runs, zone)


def unknown_cause(period: str, *, is_stored: bool) -> None:
    """`is_stored`: whether any job has the cause."""
    title = "No runs with this cause" if is_stored else "Unknown cause"
    set_title(title, "Failures")
    with st.container(border=True, key="state-no-cause"):
        st.markdown(f"# :material/search_off: {title}")
        if is_stored:
            st.markdown(f"No failed job in {period} has this cause and matches the filters.")
        else:
            st.markdown("No stored job has this cause: the address is incomplete, or the runs are deleted.")
        st.page_link("views/failures.py", label="All causes", icon=":material/bug_report:")


def runs_rows(cause_runs: CauseRuns, zone: ZoneInfo) -> list[Row]:
    rows: list[Row] = []
    for run, job in cause_runs.runs:
        attempt = cause_runs.attempts.get(job.job_id, run.attempt)
        page = [("run_id", run.id), *([("attempt", attempt)] if attempt != run.attempt else [])]
        title = cells.anchor(run.headline or "(no title)", "run", page, hover=run.headline)
        log = [*page, ("job_id", job.job_id), *([("line", job.line_number)] if job.line_number else [])]
        later = (
            f" · attempt {attempt}, {html(outcome_label(run.conclusion or run.status))} later" if len(page) > 1 else ""
        )
        rows.append(
            (
                cells.state("failure" if later else run.conclusion or run.status),
                Cell(
                    f'<span class="ph-two"><span class="ph-clip">{title}</span><small>#{run.run_number}{later}</small>'
                    "</span>",
                    run.headline,
                ),
                workflow_link(run.repo, run.workflow, run.workflow_id, ()),
                _job(cause_runs.job_names.get(job.job_id, ""), log),
                _branch(run),
                _line(job.line, cause_runs.cause.line, log),
                cells.timestamp(run.created_at, zone),
            )
        )
    return rows


def _job(name: str, log: Query) -> Cell:
    link = cells.anchor(truncate(name), "log", log, hover=name) if name else formatting.NO_DATA
    return Cell(f'<span class="ph-clip ph-name">{link}</span>', name or None)


def _branch(run: RunRow) -> Cell:
    return Cell(f'<span class="ph-clip ph-short">{run_links.branch_link(run, None)}</span>', run.branch)


def _line(line: str, reference: str, log: Query) -> Cell:
    """The part of the line that differs from the line of the cause, which the page shows once."""
    part = differing_part(rendered_line(line), reference)
    link = cells.anchor(part or "same line", "log", log, hover=line)
    shown = f"<code>{link}</code>" if part else link
    return Cell(f'<span class="ph-clip">{shown}</span>', line)


def differing_part(line: str, reference: str) -> str:
    """The words of the line between its common start and its common end with another line, without the directories of a
    path that both have; empty if both are equal."""
    words, others = line.split(), reference.split()
    limit = min(len(words), len(others))
    start = next((at for at in range(limit) if words[at] != others[at]), limit)
    rest = limit - start
    tail = next((at for at in range(rest) if words[-1 - at] != others[-1 - at]), rest)
    if len(words) == len(others) == start:
        return ""
    part = " ".join(words[max(start - 1, 0) : len(words) - tail])
    if start < limit and (cut := _common_path(words[start], others[start])):
        # Only the position differs in the last file of a long path.
        part, start = words[start][cut:] + part.partition(words[start])[2], 2
    return f"{'… ' if start > 1 else ''}{part}{' …' if tail else ''}"


def _common_path(word: str, other: str) -> int:
    """The length of the directories with which both words begin."""
    equal = next((at for at, (one, two) in enumerate(zip(word, other, strict=False)) if one != two), 0)
    return word[:equal].rfind("/") + 1
