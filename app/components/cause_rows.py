"""Failure causes of failed jobs as rows: class, job, line, its place in the log, and what is known about the cause."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.components import cause_marks
from app.filters import view_state
from app.widgets import cells
from app.widgets.cells import anchor
from app.widgets.panel import section_html
from app.widgets.text import html, truncate
from core.formatting import pluralize
from db.logs.log_queries import JobLogRow
from health.insights.causes.attempt_causes import JobEvidence, StoredCause
from health.insights.causes.job_causes import MAX_JOB_CAUSES
from health.insights.causes.model import CauseClass
from health.insights.causes.triage import Triage

MAX_ROWS = 20
_MAX_LINE, _MAX_SUBJECT = 500, 120
# Of the other causes of a job that are listed.
_MAX_OTHERS = MAX_JOB_CAUSES
# Of a line that is searched for in all logs.
_MAX_SEARCH = 200
_NOUNS: dict[str, str] = {
    CauseClass.TEST: "failed test",
    CauseClass.COMPILE: "compile error",
    CauseClass.LINT: "lint error",
    CauseClass.DEPENDENCY: "dependency error",
}


@dataclass(frozen=True)
class ListedFailure:
    """A failed job with an error line, and the names of other jobs with the same line and cause that it stands for."""

    row: JobLogRow
    others: tuple[str, ...] = ()


def listed_failures(logs: Sequence[JobLogRow], *, merged: bool) -> tuple[list[ListedFailure], int]:
    """The first failed jobs of an attempt, and the number of those that are not listed. `merged`: jobs with the same
    error line and cause share a row."""
    failed = [row for row in logs if row.error_line and row.conclusion not in ("success", None)]
    same: dict[Hashable, list[JobLogRow]] = defaultdict(list)
    for row in failed:
        same[(row.error_line, row.fingerprint) if merged else row.job_id].append(row)
    rows = list(same.values())
    listed = [ListedFailure(first, tuple(row.name for row in others)) for first, *others in rows[:MAX_ROWS]]
    return listed, len(rows) - len(listed)


def cause_row(
    job: ListedFailure, run_id: int, attempt: int, evidence: JobEvidence | None, known: Triage | None, zone: ZoneInfo
) -> str:
    """A row of a job as HTML. `evidence`: null if nothing is stored; `known`: the mark of a known cause."""
    row = job.row
    log = [("run_id", run_id), ("attempt", attempt), ("job_id", row.job_id)]
    more = f' <span class="ph-dim">and {pluralize(len(job.others), "more job")}</span>' if job.others else ""
    name = f"{anchor(truncate(row.name), 'log', log)}{more}"
    query = [("text", (row.error_line or "").strip()[:_MAX_SEARCH])]
    search = anchor("Search all logs", "search", query, hover="Logs with this line")
    return _row(name, _text(row, run_id, log, evidence, known, zone, search), evidence)


def log_cause(row: JobLogRow, run_id: int, evidence: JobEvidence | None, known: Triage | None, zone: ZoneInfo) -> str:
    """The cause of one job for the page of its log, which has a search of its own, as HTML; empty without a cause."""
    if not row.error_line:
        return ""
    log = [("run_id", run_id), ("job_id", row.job_id)]
    shown = _row("", _text(row, run_id, log, evidence, known, zone), evidence)
    return f'<div class="ph-attention" role="region" aria-label="Failure cause">{shown}</div>'


def _row(name: str, text: str, evidence: JobEvidence | None) -> str:
    pill = cells.cause_class(evidence.causes[0].kind).html if evidence and evidence.causes else ""
    head = " ".join(part for part in (pill, name) if part)
    return f'<div class="ph-need ph-red"><b class="ph-sign" aria-hidden="true">✕</b><div>{head}{text}</div></div>'


def _text(
    row: JobLogRow,
    run_id: int,
    log: Sequence[tuple[str, object]],
    evidence: JobEvidence | None,
    known: Triage | None,
    zone: ZoneInfo,
    search: str = "",
) -> str:
    """The line and the facts of a cause as HTML. `log`: query parameters of the log; `search`: the last fact."""
    line = row.error_line or ""
    first = evidence.causes[0] if evidence and evidence.causes else None
    facts = [cause_marks.known_mark(known, zone, with_comment=True), _subject(first, line), _place(first, log)]
    if evidence:
        verdict = cause_marks.verdict_mark(evidence, run_id)
        facts += [verdict, f"<span>{cause_marks.spread_link(evidence, zone)}</span>"]
    shown = "".join(fact for fact in (*facts, f"<span>{search}</span>") if fact and fact != "<span></span>")
    others = _others(row.job_id, evidence.causes[1:], log) if evidence else ""
    return (
        f'<div class="ph-why"><code>{html(truncate(line, _MAX_LINE))}</code></div>'
        f'<div class="ph-why ph-cause-facts">{shown}</div>{others}'
    )


def _subject(cause: StoredCause | None, line: str) -> str:
    """The subject of a cause whose line does not name it: a line above it did. The tool is part of it."""
    if cause is None or not cause.subject or cause.subject in line:
        return ""
    if all(part in line for part in cause.subject.split()):
        return ""
    tool = f"{html(cause.tool)}: " if cause.tool else ""
    return f"<span>{tool}<b>{html(truncate(cause.subject, _MAX_SUBJECT))}</b></span>"


def _place(cause: StoredCause | None, log: Sequence[tuple[str, object]]) -> str:
    if cause is None or cause.line_number is None:
        return ""
    number = cause.line_number
    return (
        f"<span>{anchor(f'line {number:,}', 'log', [*log, ('line', number)], hover='Open the log at this line')}</span>"
    )


def _others(job_id: int, causes: Sequence[StoredCause], log: Sequence[tuple[str, object]]) -> str:
    """The other causes of a job, folded."""
    if not causes:
        return ""
    kinds = {cause.kind for cause in causes}
    noun = _NOUNS.get(kinds.pop(), "cause") if len(kinds) == 1 else "cause"
    at_least = "at least " if len(causes) + 1 >= MAX_JOB_CAUSES else ""
    more = pluralize(len(causes), f"more {noun}")
    items = "".join(f"<li>{_other(cause, log)}</li>" for cause in causes[:_MAX_OTHERS])
    if len(causes) > _MAX_OTHERS:
        items += f'<li class="ph-dim">{len(causes) - _MAX_OTHERS} more are not listed</li>'
    name = f"causes-{job_id}"
    return section_html(name, f"and {at_least}{more}", f"<ul>{items}</ul>", is_open=view_state.is_open(name))


def _other(cause: StoredCause, log: Sequence[tuple[str, object]]) -> str:
    shown = f"<code>{html(truncate(cause.line, _MAX_LINE))}</code>"
    place = _place(cause, log)
    kind = cells.cause_class(cause.kind).html
    return f"{kind} {shown} {place}"
