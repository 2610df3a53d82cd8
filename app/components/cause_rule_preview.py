"""What an own rule would change: matching failures of the last 30 days, their causes now, classes before and after."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.data import cause_rules
from app.data.outages import Unavailable
from app.widgets import cells
from app.widgets.text import html, markdown, truncate
from core import formatting
from core.formatting import pluralize
from health.insights.causes.model import CauseClass
from health.insights.causes.preview import TIME_LIMIT, ClassChange, PreviewedCause, PreviewedLine, RulePreview
from health.insights.causes.rules import CauseRule

_MAX_LINE = 300


def preview(rule: CauseRule | None, now: datetime, zone: ZoneInfo) -> None:
    """`rule`: null if the form has no valid rule."""
    if rule is None:
        st.caption("Enter a valid rule to see which failures it matches.")
        return
    try:
        with st.spinner("Searching the logs of 30 days…", show_time=True):
            result = cause_rules.preview(rule, now.replace(second=0, microsecond=0))
    except Unavailable as error:
        st.warning(markdown(str(error)), icon=":material/hourglass_empty:")
        return
    st.html(preview_html(result, rule.name, zone))


def preview_html(result: RulePreview, name: str, zone: ZoneInfo) -> str:
    """`name`: that of the rule."""
    at_least = "At least " if result.is_partial else ""
    days = (result.window.until - result.window.since).days
    matches = f"{at_least}{pluralize(result.jobs, 'failed job')} in {pluralize(result.runs, 'run')}"
    head = f'<div class="ph-replay" role="status"><b>{matches if result.jobs else "No failed job"}</b> '
    head += f"{'match' if result.jobs != 1 and result.jobs else 'matches'} in the last {days} days</div>"
    older = ""
    if result.older_rules:
        older = f"<p>{pluralize(result.older_rules, 'job')} of these match an older rule, whose cause stays.</p>"
    parts = [_classes(result.classes), older, _causes(result, name), _lines(result.lines, zone)]
    body = "".join(part for part in parts if part)
    return f'{head}<div class="ph-preview">{body}<p class="ph-searched">{html(searched_text(result))}</p></div>'


def searched_text(result: RulePreview) -> str:
    """How many logs were searched, and which could not be."""
    sentences = []
    if result.is_partial:
        unread = f"at most {pluralize(result.unread, 'more log')} {'was' if result.unread == 1 else 'were'} not read"
        sentences.append(f"The preview stopped after {TIME_LIMIT:g} s: {unread}.")
    if result.searched is None:
        sentences.append("Counting the logs took too long, so their number is unknown.")
    else:
        sentences.append(f"{pluralize(result.searched, 'log')} of failed jobs in this scope searched.")
    if result.excerpts:
        jobs = pluralize(result.excerpts, "job")
        sentences.append(f"Of {jobs}, only an excerpt of the log is stored and was searched.")
    if result.without_log:
        sentences.append(f"{pluralize(result.without_log, 'failed job')} without a stored log can match or not.")
    return " ".join(sentences)


def _classes(changes: Sequence[ClassChange]) -> str:
    """`Test → Infrastructure 9`."""
    equal = [change for change in changes if change.before == change.after]
    changes = [change for change in changes if change.before != change.after]
    unchanged = "".join(
        f"<p>{pluralize(change.jobs, 'failed job')} {'keeps its' if change.jobs == 1 else 'keep their'} class: "
        f"{_pill(change.after)}</p>"
        for change in equal
    )
    if not changes:
        return unchanged
    rows = "".join(
        f"<tr><td>{_pill(change.before)}</td><td>→ {_pill(change.after)}</td>"
        f'<td class="ph-right">{formatting.count(change.jobs)}</td></tr>'
        for change in changes
    )
    return (
        '<table class="ph-table"><caption>Failed jobs by class before and with the rule</caption><thead><tr>'
        '<th class="ph-left">Class now</th><th class="ph-left">With the rule</th>'
        f'<th class="ph-right">Failed jobs</th></tr></thead><tbody>{rows}</tbody></table>{unchanged}'
    )


def _pill(kind: CauseClass | None) -> str:
    return cells.cause_class(kind).html if kind else '<span class="ph-dim">no cause</span>'


def _causes(result: RulePreview, name: str) -> str:
    """The causes that the matching jobs have now, and the one that they get."""
    if not result.causes:
        return ""
    items = "".join(f"<li>{_cause(cause)}</li>" for cause in result.causes)
    omitted = result.total_causes - len(result.causes)
    more = f'<li class="ph-dim">and {pluralize(omitted, "more cause")}</li>' if omitted > 0 else ""
    changed = f" → “{html(truncate(name))}” ({pluralize(result.jobs - result.older_rules, 'job')})"
    return f"<h3>{pluralize(result.total_causes, 'cause')} now{changed}</h3><ul>{items}{more}</ul>"


def _cause(cause: PreviewedCause) -> str:
    number = f"<b>{formatting.count(cause.jobs)}</b>"
    if cause.line is None:
        return f'{number} <span class="ph-dim">no cause</span>'
    line = html(truncate(cause.line, _MAX_LINE))
    return f"{number} {_pill(cause.kind)} <code>{line}</code>"


def _lines(lines: Sequence[PreviewedLine], zone: ZoneInfo) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{_line(line, zone)}</li>" for line in lines)
    return f"<h3>Newest matching lines</h3><ul>{items}</ul>"


def _line(line: PreviewedLine, zone: ZoneInfo) -> str:
    log = [("run_id", line.run_id), ("attempt", line.attempt), ("job_id", line.job_id), ("line", line.line_number)]
    attempt = f", attempt {line.attempt}" if line.attempt > 1 else ""
    job = cells.anchor(
        f"{truncate(line.job)} #{line.run_number}{attempt}", "log", log, hover="Open the log at this line"
    )
    where = f"{html(line.repo)} · {html(line.workflow)} · {cells.stamp(line.created_at, zone)}"
    return f'{job} <span class="ph-dim">{where}</span><br><code>{html(truncate(line.line, _MAX_LINE))}</code>'
