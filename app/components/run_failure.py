"""Why a run failed: the failure cause of each job, how often the cause occurred, since when the branch fails, and what
the attempts of a re-run did."""

from collections import Counter
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import run_links
from app.components.run import has_many_jobs
from app.data.connection import utc_now
from app.data.findings import CauseHistory
from app.data.runs import RunWithJobs
from app.status_style import colour_group, outcome_label
from app.widgets import cells
from app.widgets.cells import anchor
from app.widgets.github import GitHubRepository
from app.widgets.sparklines import column_sparkline
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from db.definitions.attempts import outcome_of
from db.enums import Outcome
from db.logs.log_queries import JobLogRow
from db.runs.run_queries import RunRow
from health.insights.flaky_cases import AttemptEvidence
from health.metrics.workflows import ChangesSinceGreen

_MAX_CAUSES, _MAX_ATTEMPTS = 20, 12
_MAX_LINE = 500
# Of a line that is searched for in all logs.
_MAX_SEARCH = 200


def why_failed(
    detail: RunWithJobs,
    logs: Sequence[JobLogRow],
    attempt: int,
    history: CauseHistory | None,
    changes: ChangesSinceGreen | None,
    zone: ZoneInfo,
) -> None:
    """The failure cause of each job, linked to its log, with the history of the cause and of the branch. In a run with
    many jobs, jobs with the same cause share a row. Nothing for an attempt that did not fail."""
    failed = [row for row in logs if row.error_line and row.conclusion not in ("success", None)]
    rows = _cause_rows(detail, failed, attempt)
    did_fail = _has_failed(detail, attempt)
    if did_fail and not rows:
        sign = '<b class="ph-sign" aria-hidden="true">✕</b>'
        rows = f'<div class="ph-need ph-red">{sign}<div>{_no_cause(detail)}</div></div>'
    if not rows:
        return
    facts = [_cause_history(history)] if history else []
    if did_fail and changes:
        facts += _branch_history(detail.run, changes, zone, run_links.github_repositories().get(detail.run.repo))
    below = "".join(f"<div>{fact}</div>" for fact in facts)
    spread = f'<div class="ph-meta ph-spread ph-history">{below}</div>' if below else ""
    st.html(f'<div class="ph-attention" role="region" aria-label="Why it failed">{rows}{spread}</div>')


def attempts(evidence: Sequence[AttemptEvidence], run: RunRow) -> None:
    """What happened in each attempt of a run with several attempts."""
    if len(evidence) < 2:
        return
    github = run_links.github_repositories().get(run.repo)
    shown = evidence[-_MAX_ATTEMPTS:]
    omitted = len(evidence) - len(shown)
    first = f'<li class="ph-dim">{pluralize(omitted, "earlier attempt")} not listed</li>' if omitted else ""
    rows = "".join(f"<li>{_attempt(attempt, run.id)}</li>" for attempt in shown)
    title = "Flaky: failed, then passed" if run.flaky else "Attempts"
    st.html(
        f'<div class="ph-commits ph-evidence" role="region" aria-label="Attempts"><b>{title}</b> '
        f'<span class="ph-dim">all attempts ran on commit</span> {run_links.commit_link(run, github)}'
        f"<ul>{first}{rows}</ul></div>"
    )


def attempt_text(attempt: AttemptEvidence, run_id: int) -> str:
    """The outcome of an attempt, linked to it, as HTML."""
    state = attempt.conclusion or "in_progress"
    label = f"Attempt {attempt.attempt} {outcome_label(state)}"
    link = anchor(label, "run", [("run_id", run_id), ("attempt", attempt.attempt)])
    return f'<span class="ph-{colour_group(state)}">{link}</span>'


def failed_jobs(attempt: AttemptEvidence, run_id: int) -> list[tuple[str, str]]:
    """The failed jobs of an attempt as HTML: (name linked to the log, matched log line)."""
    return [
        (
            anchor(
                truncate(job.name), "log", [("run_id", run_id), ("attempt", attempt.attempt), ("job_id", job.job_id)]
            ),
            f"<code>{html(truncate(job.line, _MAX_LINE))}</code>"
            if job.line
            else '<span class="ph-dim">no error extracted</span>',
        )
        for job in attempt.jobs
    ]


def _attempt(attempt: AttemptEvidence, run_id: int) -> str:
    jobs = " · ".join(f"{name}: {line}" for name, line in failed_jobs(attempt, run_id))
    more = f' <span class="ph-dim">and {pluralize(attempt.more_jobs, "more job")}</span>' if attempt.more_jobs else ""
    return f"{attempt_text(attempt, run_id)} {jobs}{more}"


def _cause_rows(detail: RunWithJobs, failed: Sequence[JobLogRow], attempt: int) -> str:
    same = Counter(row.error_line for row in failed) if has_many_jobs(detail.jobs) else Counter()
    listed = list({row.error_line: row for row in reversed(failed)}.values())[::-1] if same else failed
    rows = "".join(_cause(row, detail.run.id, attempt, same[row.error_line] - 1) for row in listed[:_MAX_CAUSES])
    if len(listed) > _MAX_CAUSES:
        left = pluralize(len(listed) - _MAX_CAUSES, "more error")
        rows += f'<div class="ph-need"><b class="ph-sign"></b><div>and {left}</div></div>'
    return rows


def _cause(row: JobLogRow, run_id: int, attempt: int, same_cause_jobs: int) -> str:
    """`same_cause_jobs`: the number of other jobs that failed with the same line."""
    log = anchor(truncate(row.name), "log", [("run_id", run_id), ("attempt", attempt), ("job_id", row.job_id)])
    more = f' <span class="ph-dim">and {pluralize(same_cause_jobs, "more job")}</span>' if same_cause_jobs > 0 else ""
    line = row.error_line or ""
    search = anchor("Search all logs", "search", [("text", line.strip()[:_MAX_SEARCH])], hover="Logs with this line")
    return (
        f'<div class="ph-need ph-red"><b class="ph-sign" aria-hidden="true">✕</b><div>{log}{more}'
        f'<div class="ph-why"><code>{html(truncate(line, _MAX_LINE))}</code> {search}</div></div></div>'
    )


def _no_cause(detail: RunWithJobs) -> str:
    if not [job for job in detail.jobs if not job.phantom]:
        return "No failure cause is known: the run finished before any job started, or its jobs are not fetched yet."
    return "No error was extracted from the logs of this attempt."


def _has_failed(detail: RunWithJobs, attempt: int) -> bool:
    shown = next((row for row in detail.attempts if row.attempt == attempt), None)
    status, conclusion = (shown.status, shown.conclusion) if shown else (detail.run.status, detail.run.conclusion)
    return outcome_of(status, conclusion) is Outcome.FAILURE


def _cause_history(history: CauseHistory) -> str:
    """The link contains the dates to which the counts refer."""
    cause = history.cause
    if cause.runs == 1:
        return "<span>No other stored run failed with this error.</span>"
    where = f"{pluralize(cause.runs, 'run')} in {pluralize(cause.workflows, 'workflow')}"
    text = f"{where} failed with this error since {cause.first_at:%d %b %Y}"
    days = f"{cause.first_at:%Y-%m-%d}..{utc_now():%Y-%m-%d}"
    link = anchor(text, "failures", [("cause", cause.fingerprint), ("dates", days)])
    label = f"Runs with this error by day, the last {len(history.by_day)} days"
    chart = (
        f'<img class="ph-image" src="{column_sparkline(history.by_day)}" alt="{label}" title="{label}">'
        if history.by_day
        else ""
    )
    return f"<span>{link}</span>{chart}"


def _branch_history(
    run: RunRow, changes: ChangesSinceGreen, zone: ZoneInfo, github: GitHubRepository | None
) -> list[str]:
    """The first failed run since the last success with its commit, and the comparison with the last success. The commit
    is the first one with a failed run: pushes without a run of this workflow are not stored."""
    success, first = changes.last_success, changes.first_failure
    if success is None:
        return ["<span>No earlier successful run of this workflow is stored.</span>"]
    parts = []
    if first:
        number = anchor(f"#{first.run_number}", "run", [("run_id", first.id)])
        when = cells.stamp(first.created_at, zone)
        if first.head_sha == success.head_sha:
            commit = f"on the commit of the last success {run_links.commit_link(first, github)}"
        else:
            commit = f"first bad commit {run_links.commit_text(first, github)}"
        parts.append(f"<span>failing since {number}, {when}</span><span>{commit}</span>")
    link = anchor(f"#{success.run_number}", "run", [("run_id", success.id)])
    on = html(success.branch or formatting.NO_DATA)
    both = anchor("Compare with the last success", "compare", [("runs", f"{success.id},{run.id}")])
    last = f"<span>last success {link} on {on}, {cells.stamp(success.created_at, zone)}</span>"
    return [*parts, f'{last}<span class="ph-strong">{both}</span>']
