"""Search over all stored logs: the search form, results as excerpts of logs, and what was searched."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.cause_rules import new_rule_link
from app.data.log_search import ResultPage, Terms
from app.filters import controls, view_state
from app.widgets import cells
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from health.log_search.coverage import Coverage
from health.log_search.query import MAX_LINES, MatchingLine
from health.log_search.search import TIME_LIMIT, LogMatch, SkippedLog

TEXT, REGEX, CASE, JOB = "text", "regex", "case", "job"
_KEY = "log-search-{}"
_MAX_TEXT, _MAX_JOB = 500, 200
# Logs that could not be read and are listed one by one.
_MAX_NAMED = 5
_ABSENT = (
    ("expired", "deleted by GitHub before it was fetched"),
    ("pruned", "deleted because of its age (LOG_RETENTION_DAYS)"),
    ("missing", "missing on GitHub"),
    ("pending", "not fetched yet"),
    ("not_requested", "not collected (COLLECT_LOGS)"),
)


def search_form() -> tuple[Terms, tuple[str, ...], tuple[str, ...]]:
    """The terms, the jobs and the classes of failure causes, from the URL and the widgets."""
    for parameter, default in ((TEXT, ""), (JOB, "")):
        view_state.sync_widget(parameter, _KEY.format(parameter), default, lambda text: text)
    for parameter in (REGEX, CASE):
        view_state.sync_widget(parameter, _KEY.format(parameter), False, _flag, lambda value: "1" if value else "")
    with st.container(horizontal=True, vertical_alignment="center", key="log-search"):
        text = st.text_input(
            "Search the text of all logs",
            key=_KEY.format(TEXT),
            placeholder="Text of a line in any stored log",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=_MAX_TEXT,
            width=460,
        )
        job = st.text_input(
            "Job",
            key=_KEY.format(JOB),
            placeholder="Job",
            label_visibility="collapsed",
            max_chars=_MAX_JOB,
            width=170,
            help="Name of a job; `test` includes `test (3.11)`",
        )
        classes = controls.class_control()
        regex = st.toggle("Regular expression", key=_KEY.format(REGEX), help="RE2 syntax; matches within a line")
        case = st.toggle("Match case", key=_KEY.format(CASE))
    name = str(job or "").strip()
    return Terms(str(text or ""), bool(regex), bool(case)), (name,) if name else (), classes


def _flag(text: str) -> bool | None:
    return True if text == "1" else None


def rule_link(terms: Terms, jobs: Sequence[str], classes: Sequence[str]) -> None:
    """Leads to a new rule for failure causes with the text, the expression and the filters of the search."""
    text = terms.text if terms.regex else terms.text.strip()
    st.html(f'<span class="ph-meta">{new_rule_link(text, regex=terms.regex, jobs=jobs, classes=classes)}</span>')


def hits(page: ResultPage, zone: ZoneInfo) -> None:
    """The logs with matches, each with its first matching lines."""
    items = "".join(_hit(match, zone) for match in page.items)
    st.html(f'<ol class="ph-hits" aria-label="Logs with matches, newest run first">{items}</ol>')


def _hit(match: LogMatch, zone: ZoneInfo) -> str:
    page: list[tuple[str, object]] = [("run_id", match.run_id)]
    if match.attempt != match.latest_attempt:
        page.append(("attempt", match.attempt))
    log = [*page, ("job_id", match.job_id)]
    title = cells.anchor(truncate(match.title or "(no title)", 80), "run", page, hover=match.title)
    facts = [
        f'<span title="{html(match.repo)}">{html(match.repo)}</span>',
        html(match.workflow),
        cells.anchor(truncate(match.job), "log", log, hover=match.job),
        html(match.branch) if match.branch else "",
        cells.stamp(match.created_at, zone),
    ]
    details = "".join(f"<span>{fact}</span>" for fact in facts if fact)
    number = f'<small class="ph-dim">#{match.run_number}</small>'
    state = cells.state(match.job_conclusion or "in_progress").html
    return (
        f'<li class="ph-hit"><div class="ph-hit-head">{state}<b>{title}</b> {number}'
        f'<div class="ph-meta">{details}</div></div>{_lines(match, log)}</li>'
    )


def _lines(match: LogMatch, log: list[tuple[str, object]]) -> str:
    rows, last = list[str](), 0
    for line in match.matches.lines:
        first = line.number - len(line.before)
        if last and first > last + 1:
            rows.append('<div class="ph-hit-gap" aria-hidden="true">⋯</div>')
        rows += [_context(number, text) for number, text in enumerate(line.before, start=first) if number > last]
        rows.append(_matching(line, log))
        last = line.number
        # A following match repeats these lines as its own.
        matching = {other.number for other in match.matches.lines}
        for number, text in enumerate(line.after, start=line.number + 1):
            if number in matching:
                break
            rows.append(_context(number, text))
            last = number
    listed, matches = len(match.matches.lines), match.matches
    if matches.count > listed:
        at_least = "at least " if matches.count >= MAX_LINES or not matches.is_complete else ""
        more = f"{at_least}{pluralize(matches.count - listed, 'more matching line')}"
        rows.append(
            f'<div class="ph-hit-more">{cells.anchor(more, "log", [*log, ("line", matches.lines[-1].number)])}</div>'
        )
    return f'<div class="ph-hit-lines">{"".join(rows)}</div>'


def _context(number: int, text: str) -> str:
    return f'<div class="ph-hit-line ph-dim"><i>{number}</i><code>{html(text)}</code></div>'


def _matching(line: MatchingLine, log: list[tuple[str, object]]) -> str:
    address = html(cells.address("log", [*log, ("line", line.number)]))
    return (
        f'<a class="ph-hit-line" href="{address}" target="_self"><i>{line.number}</i>'
        f"<code>{'…' if line.offset else ''}{marked(line.text, line.spans)}</code></a>"
    )


def marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text as HTML with its spans, which do not overlap, marked."""
    parts, end = list[str](), 0
    for first, last in spans:
        parts += [html(text[end:first]), f"<mark>{html(text[first:last])}</mark>"]
        end = last
    return "".join([*parts, html(text[end:])])


def result_subtitle(page: ResultPage, period: str) -> str:
    logs = pluralize(len(page.items), "log") if page.items else "No log"
    more = " on this page" if page.next else ""
    return f"{logs} with matches{more}, newest run first · {period}"


def searched(page: ResultPage, covered: Coverage | None) -> None:
    """What was searched and what could not be."""
    sentences = []
    if page.is_partial:
        sentences.append(
            f"The search stopped after {TIME_LIMIT:g} s. {_at_most(page.unread)} can also match and "
            f"{'was' if page.unread == 1 else 'were'} not read; the next page continues."
        )
    elif page.unread:
        sentences.append(f"{_at_most(page.unread)} can also match; the next page continues.")
    if covered is None:
        sentences.append("Counting the logs of this selection took too long, so their number is unknown.")
    else:
        stored = f"{pluralize(covered.stored, 'stored log')} in this selection"
        sentences.append(f"{stored}." if page.unread else f"{stored}, all of them searched.")
        if covered.without_log:
            reasons = ", ".join(
                f"{formatting.count(getattr(covered, name))} {text}" for name, text in _ABSENT if getattr(covered, name)
            )
            sentences.append(f"{pluralize(covered.without_log, 'failed job')} without a stored log: {reasons}.")
        if covered.unclassified:
            logs = f"{pluralize(covered.unclassified, 'log')} of failed jobs"
            sentences.append(f"{logs} {'has' if covered.unclassified == 1 else 'have'} no class yet: not searched.")
    if page.unindexed:
        sentences.append(f"{pluralize(page.unindexed, 'log')} not indexed yet; a search reads such logs.")
    if page.unreadable:
        sentences.append(f"{pluralize(len(page.unreadable), 'log')} cannot be read: {_named(page.unreadable)}.")
    if page.unfinished:
        sentences.append(
            f"{pluralize(len(page.unfinished), 'log')} not searched to the end, because that takes more than "
            f"{TIME_LIMIT:g} s: {_named(page.unfinished)}."
        )
    st.html(f'<p class="ph-searched" role="status">{html(" ".join(sentences))}</p>')


def _named(logs: Sequence[SkippedLog]) -> str:
    """The first logs, by repository, run and job."""
    names = [f"{log.repo}, run {log.run_id}, job {log.job_id}" for log in logs[:_MAX_NAMED]]
    more = [f"and {len(logs) - _MAX_NAMED} more"] if len(logs) > _MAX_NAMED else []
    return "; ".join([*names, *more])


def _at_most(number: int) -> str:
    return f"At most {pluralize(number, 'more log')}"


def empty_form() -> None:
    with st.container(border=True, key="state-log-search"):
        st.markdown("## :material/manage_search: Search all stored logs")
        st.markdown(
            "Enter a text that a line contains. Times at the start of lines and colours are not searched. "
            "The filters above apply to the runs of the logs."
        )
