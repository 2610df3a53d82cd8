"""Why a run failed: the failure cause of each job, how often the cause occurred, since when the branch fails, and what
the attempts of a re-run did."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import run_links
from app.components.cause_rows import cause_row, listed_failures
from app.components.cause_triage import TriagedCause, triage_button
from app.components.run import has_many_jobs
from app.data import causes, findings
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
from health.insights.causes.attempt_causes import JobEvidence
from health.insights.flaky_cases import AttemptEvidence
from health.metrics.workflows import ChangesSinceGreen

_MAX_ATTEMPTS = 12
_MAX_LINE = 500


def why_failed(
    detail: RunWithJobs,
    logs: Sequence[JobLogRow],
    attempt: int,
    now: datetime,
    changes: ChangesSinceGreen | None,
    zone: ZoneInfo,
    version: int,
) -> None:
    """The failure cause of each job, linked to its log and to the page of the cause, with its class and what is known
    about it, and the history of the branch. Nothing for an attempt that did not fail."""
    listed, left = listed_failures(logs, merged=has_many_jobs(detail.jobs))
    evidence = findings.attempt_causes(detail.run, attempt, [(job.row, job.others) for job in listed], now, version)
    known = causes.known_causes(about.fingerprint for about in evidence.values())
    rows, lines = "", dict[str, str]()
    for job in listed:
        about = evidence.get(job.row.job_id)
        fingerprint = (about.fingerprint if about else None) or ""
        rows += cause_row(job, detail.run.id, attempt, about, known.get(fingerprint), zone)
        if fingerprint:
            lines.setdefault(fingerprint, job.row.error_line or "")
    if left:
        rows += f'<div class="ph-need"><b class="ph-sign"></b><div>and {pluralize(left, "more error")}</div></div>'
    did_fail = _has_failed(detail, attempt)
    if did_fail and not rows:
        sign = '<b class="ph-sign" aria-hidden="true">✕</b>'
        rows = f'<div class="ph-need ph-red">{sign}<div>{_no_cause(detail)}</div></div>'
    if not rows:
        return
    history = _cause_history(next(iter(lines)), now, version) if lines and _is_repeated(evidence) else ""
    facts = [history] if history else []
    if did_fail and changes:
        facts += _branch_history(detail.run, changes, zone, run_links.github_repositories().get(detail.run.repo))
    below = "".join(f"<div>{fact}</div>" for fact in facts)
    spread = f'<div class="ph-meta ph-spread ph-history">{below}</div>' if below else ""
    st.html(f'<div class="ph-attention" role="region" aria-label="Why it failed">{rows}{spread}</div>')
    triage_button([TriagedCause(name, line, known.get(name)) for name, line in lines.items()])


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
            else '<span class="ph-dim">without a cause</span>',
        )
        for job in attempt.jobs
    ]


def _attempt(attempt: AttemptEvidence, run_id: int) -> str:
    jobs = " · ".join(f"{name}: {line}" for name, line in failed_jobs(attempt, run_id))
    more = f' <span class="ph-dim">and {pluralize(attempt.more_jobs, "more job")}</span>' if attempt.more_jobs else ""
    return f"{attempt_text(attempt, run_id)} {jobs}{more}"


def _no_cause(detail: RunWithJobs) -> str:
    if not [job for job in detail.jobs if not job.phantom]:
        return "No failure cause is known: the run finished before any job started, or its jobs are not fetched yet."
    return "No error was extracted from the logs of this attempt."


def _has_failed(detail: RunWithJobs, attempt: int) -> bool:
    shown = next((row for row in detail.attempts if row.attempt == attempt), None)
    status, conclusion = (shown.status, shown.conclusion) if shown else (detail.run.status, detail.run.conclusion)
    return outcome_of(status, conclusion) is Outcome.FAILURE


def _is_repeated(evidence: Mapping[int, JobEvidence]) -> bool:
    """Whether another run has the cause of the job that decided the attempt, which is the first one."""
    first = next((about for about in evidence.values() if about.fingerprint), None)
    return first is not None and first.first_at is not None and (first.spread is None or first.spread.runs > 1)


def _cause_history(fingerprint: str, now: datetime, version: int) -> str:
    """The runs with the cause that decided the attempt, by day; empty if counting them takes too long."""
    by_day = findings.cause_by_day(fingerprint, now, version)
    if not by_day:
        return ""
    label = f"Runs with this line by day, the last {len(by_day)} days"
    shown = column_sparkline(by_day)
    return f'<span>runs with this line by day</span><img class="ph-image" src="{shown}" alt="{label}" title="{label}">'


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
