"""What a message says. Pure: plain text, which each channel escapes for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from collector.alerts.evidence import NOTHING_SEEN, Evidence
from db.alerting import words
from db.alerting.place import Place
from db.alerting.rule import Rule
from db.alerting.transitions import Reason
from db.analytics import Streak
from db.metrics import units
from db.metrics.catalogue import FIGURES, display
from db.metrics.formulas import Metrics
from db.queries.runs import RunRow
from notify.message import Message

# Places that one message names.
LISTED = 15
_FIGURES = ("success_rate", "success_duration_p50", "recovery_p50")
Field = tuple[str, str]


@dataclass(frozen=True)
class Context:
    """What stands beside the news: the rule, figures of the last 30 days, the runs to look at, and where to click.
    `times`: how often it opened in the last 30 days, this time included."""

    rule: Rule
    figures: Metrics
    app_url: str
    now: datetime
    alert_id: int | None = None
    evidence: Evidence = NOTHING_SEEN
    times: int = 1


def broken(streak: Streak, context: Context, *, still: bool = False) -> Message:
    place = f"{streak.workflow} on {streak.branch} of {streak.repo}"
    state = "is still broken" if still else "is broken"
    return Message(
        subject=f"[{streak.repo}] {streak.workflow} {state} on {streak.branch}: {words.in_a_row(streak.length)}",
        headline=f"{place} {state}",
        fields=(
            ("Failing since", _since(streak.since, context.now)),
            ("In a row", words.in_a_row(streak.length)),
            *_evidence(context),
            *_background(context),
        ),
        links=_links(context, streak.repo),
    )


def recovered(place: Place, since: datetime, run: RunRow, context: Context) -> Message:
    lasted = units.duration(((run.completed_at or context.now) - since).total_seconds())
    return Message(
        subject=f"[{place.repo}] {run.workflow} recovered on {place.branch or run.branch}",
        headline=words.headline(context.rule.kind, place, {}, over=True),
        fields=(("Was broken for", lasted), ("Fixed by", _commit(run)), *_figures(context)),
        links=_links(context, place.repo),
        resolved=True,
        whole=words.whole(context.rule.kind, place, lasted),
    )


def rate_high(place: Place, last_day: Metrics, context: Context, *, still: bool = False) -> Message:
    rate, branch = units.percent(last_day.failure_rate), place.branch or ""
    decided = last_day.runs.success + last_day.runs.failure
    goes_on = "still " if still else ""
    return Message(
        subject=f"[{place.repo}] {rate} of the runs on {branch} {goes_on}fail",
        headline=f"{rate} of the runs on {branch} of {place.repo} {goes_on}failed in the last 24 hours",
        fields=(
            ("Failed", f"{units.count(last_day.runs.failure)} of {words.decided_runs(decided)}"),
            *_evidence(context),
            *_background(context),
        ),
        links=_links(context, place.repo),
    )


def rate_normal(place: Place, since: datetime, last_day: Metrics, context: Context) -> Message:
    rate, branch = units.percent(last_day.failure_rate), place.branch or ""
    lasted = units.duration((context.now - since).total_seconds())
    return Message(
        subject=f"[{place.repo}] Failure rate on {branch} is back to normal: {rate}",
        headline=f"The failure rate on {branch} of {place.repo} is back to {rate}",
        fields=(("Lasted", lasted), *_figures(context)),
        links=_links(context, place.repo),
        resolved=True,
        whole=words.whole(context.rule.kind, place, lasted),
    )


def measured(place: Place, detail: Mapping[str, Any], context: Context, *, still: bool = False) -> Message:
    """For the kinds of rules without a message of their own."""
    headline = words.headline(context.rule.kind, place, detail, still=still)
    since = words.began(detail)
    return Message(
        subject=f"[{place.repo}] {headline}",
        headline=headline,
        fields=(
            ("Measured", words.measured(context.rule.kind, detail) or "–"),
            *((("Since", _since(since, context.now)),) if since else ()),
            *_evidence(context),
            *_background(context),
        ),
        links=_links(context, place.repo),
    )


def over(place: Place, detail: Mapping[str, Any], since: datetime, context: Context) -> Message:
    rule = context.rule
    headline = words.headline(rule.kind, place, detail, over=True)
    now = words.measured(rule.kind, detail) if detail.get("value") is not None else ""
    lasted = units.duration((context.now - since).total_seconds())
    return Message(
        subject=f"[{place.repo}] {headline}",
        headline=headline,
        fields=(
            ("Lasted", lasted),
            *((("Measured now", now),) if now else ()),
            ("Rule", rule.name),
            *_figures(context),
        ),
        links=_links(context, place.repo),
        resolved=True,
        whole=words.whole(rule.kind, place, lasted),
    )


def together(
    rule: Rule, reason: Reason, places: Sequence[str], error_line: str | None, app_url: str, now: datetime
) -> Message:
    """One message about many places, each as `line`."""
    ended, number = reason is Reason.RESOLVED, len(places)
    state = "are over" if ended else "still fire" if reason is Reason.REPEAT else "fire at once"
    more = (f"and {number - LISTED} more",) if number > LISTED else ()
    return Message(
        subject=f"{number} alerts {state}: {rule.name}",
        headline=f"{number} alerts of the rule {rule.name} {state}",
        fields=(
            *((("Common cause", error_line),) if error_line else ()),
            ("Rule", f"{rule.spec.label}, from {rule.threshold} on"),
            ("At", units.timestamp(now)),
        ),
        lines=(*places[:LISTED], *more),
        links=(("Alerts", f"{app_url.rstrip('/')}/alerts"),),
        resolved=ended,
        whole=f"{number} alerts of the rule {rule.name} came and went" if ended else "",
    )


def line(rule: Rule, place: Place, detail: Mapping[str, Any], evidence: Evidence = NOTHING_SEEN) -> str:
    """Of one place among others: what is measured there, and where it began."""
    figures = words.measured(rule.kind, detail) if detail else ""
    began = f"{evidence.label.lower()} {_sha(evidence.first)}" if evidence.first else ""
    told = ", ".join(part for part in (figures, began) if part)
    return f"• {place.words}: {told}" if told else f"• {place.words}"


def _evidence(context: Context) -> tuple[Field, ...]:
    """Where it began and who, and the error of the newest failure."""
    found = context.evidence
    runs = ((found.label, _commit(found.first)),) if found.first else ()
    newest = found.last if found.first and found.error_line and found.last != found.first else None
    error = "Error" if newest is None else f"Error of run {newest.run_number:,}"
    return (*runs, *(((error, found.error_line),) if found.error_line else ()))


def _background(context: Context) -> tuple[Field, ...]:
    """The rule, how often it fires here, and the figures."""
    rule, times = context.rule, context.times
    often = "for the first time in 30 days" if times <= 1 else f"{units.count(times)} times in 30 days"
    return (
        ("Rule", f"{rule.name}: {rule.spec.label.lower()}, from {rule.threshold} on"),
        ("Opened here", often),
        *_figures(context),
    )


def _figures(context: Context) -> tuple[Field, ...]:
    """The same strings that UI and API show for this workflow and the last 30 days."""
    written = display(context.figures)
    return tuple((f"{FIGURES[name].label}, 30 days", written[name]) for name in _FIGURES)


def _commit(run: RunRow) -> str:
    return f"{_sha(run)}: {run.headline[:150]}"


def _sha(run: RunRow) -> str:
    return f"{run.head_sha[:7]} {run.attribution}".rstrip()


def _since(moment: datetime, now: datetime) -> str:
    """No "ago": a message is read later, too."""
    return f"{units.timestamp(moment)} (for {units.duration(max((now - moment).total_seconds(), 0))})"


def _links(context: Context, repo: str) -> tuple[Field, ...]:
    """The run on the dashboard and on GitHub, where it can be acknowledged and silenced, and the repository."""
    run = context.evidence.last
    there = (("Open the run", _page(context, "run", run_id=str(run.id))), ("GitHub", run.html_url)) if run else ()
    alert = (("Alert", _page(context, "alerts", alert=str(context.alert_id))),) if context.alert_id else ()
    return (*there, *alert, ("Dashboard", _page(context, "", repo=repo)))


def _page(context: Context, page: str, **query: str) -> str:
    return f"{context.app_url.rstrip('/')}/{page}?{urlencode(query)}"
