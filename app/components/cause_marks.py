"""What is known about a failure cause, as HTML: its triage, the verdict about a failure, and where else it occurs."""

from datetime import datetime
from zoneinfo import ZoneInfo

from app.data.connection import utc_now
from app.widgets.cells import anchor
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from health.insights.causes.attempt_causes import JobEvidence, Verdict
from health.insights.causes.evidence_queries import RunReference
from health.insights.causes.triage import Triage

_MAX_TICKET, _MAX_OWNER, _MAX_COMMENT = 60, 60, 300


def known_mark(triage: Triage | None, zone: ZoneInfo, *, with_comment: bool = False) -> str:
    """`known: OPS-123 · owner · until 12 Dec`; empty for a cause that is not known. `with_comment`: with the comment
    beside it, which is in the tooltip otherwise."""
    if triage is None:
        return ""
    parts = [_ticket(triage), html(truncate(triage.owner or "", _MAX_OWNER))]
    if triage.until:
        parts.append(f'<time title="{formatting.timestamp(triage.until)}">until {day(triage.until, zone)}</time>')
    detail = " · ".join(part for part in parts if part)
    comment = html(truncate(triage.comment or "", _MAX_COMMENT))
    title = f' title="{comment}"' if comment and not with_comment else ""
    mark = f'<span class="ph-known"{title}>✓ known{": " if detail else ""}{detail}</span>'
    return f"{mark}<span>{comment}</span>" if comment and with_comment else mark


def day(moment: datetime, zone: ZoneInfo) -> str:
    """The day in the zone of the viewer, `5 Oct`; with the year if it is not the current one."""
    local = moment.astimezone(zone)
    year = "" if local.year == utc_now().astimezone(zone).year else f" {local.year}"
    return f"{local.day} {local:%b}{year}"


def _ticket(triage: Triage) -> str:
    """The ticket; a link only for an http or https address."""
    label = html(truncate(triage.label, _MAX_TICKET))
    url = triage.url
    if url is None or not url.startswith(("https://", "http://")):
        return label
    return (
        f'<a href="{html(url)}" target="_blank" rel="noopener noreferrer" title="{html(url)}">{label}'
        '<span aria-hidden="true"> ↗</span></a>'
    )


_VERDICTS = {
    Verdict.FLAKY: ("↻ flaky", "orange"),
    Verdict.DEFAULT_BRANCH: ("! failing on the default branch, too", "gray"),
    Verdict.NEW: ("＋ new: first seen in this run", "red"),
    Verdict.FIRST_STORED: ("no earlier stored run", "gray"),
    Verdict.SEEN: ("↺ seen before", "gray"),
}


def verdict_mark(evidence: JobEvidence, run_id: int) -> str:
    """The verdict about a failure of the run, with a link to its evidence; empty without evidence."""
    verdict = evidence.verdict
    passed = f"{_passed(evidence, run_id)} on the same commit" if evidence.passed else ""
    some = f"<span>{passed}</span>" if passed and verdict is not Verdict.FLAKY else ""
    if verdict is None:
        return some
    text, colour = _VERDICTS[verdict]
    shown = html(text)
    if verdict is Verdict.FLAKY:
        shown += f": {passed}"
    elif verdict is Verdict.DEFAULT_BRANCH and evidence.failing:
        shown += f": {_run_link(evidence.failing, f'#{evidence.failing.run_number}')}"
    return f'<span class="ph-cause-verdict ph-{colour}">{shown}</span>{some}'


def _passed(evidence: JobEvidence, run_id: int) -> str:
    """`passed in attempt 2`; `2 of 30 jobs passed, the last one in attempt 2`."""
    passed = evidence.passed
    if passed is None:
        return ""
    link = _run_link(passed, f"attempt {passed.attempt}" if passed.id == run_id else f"#{passed.run_number}")
    if evidence.jobs == 1:
        return f"passed in {link}"
    last = ", the last one" if evidence.passed_jobs > 1 else ""
    return f"{evidence.passed_jobs:,} of {pluralize(evidence.jobs, 'job')} passed{last} in {link}"


def _run_link(run: RunReference, label: str) -> str:
    return anchor(label, "run", [("run_id", run.id), ("attempt", run.attempt)])


def spread_link(evidence: JobEvidence, zone: ZoneInfo) -> str:
    """`48 runs with this line in 5 workflows since 5 Oct`, linked to the page of the cause with the days of these runs,
    which also counts similar lines. Without the numbers if counting them takes too long."""
    spread, first_at = evidence.spread, evidence.first_at
    if first_at is None or evidence.fingerprint is None:
        return ""
    where = "all runs with this line"
    if spread:
        where = f"{pluralize(spread.runs, 'run')} with this line in {pluralize(spread.workflows, 'workflow')}"
    is_only = spread and spread.runs == 1
    text = "no other stored run with this line" if is_only else f"{where} since {day(first_at, zone)}"
    days = f"{first_at:%Y-%m-%d}..{utc_now():%Y-%m-%d}"
    return anchor(
        text,
        "failures",
        [("cause", evidence.fingerprint), ("dates", days)],
        hover="All runs with this cause, also with similar lines",
    )
