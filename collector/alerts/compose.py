"""What a message says. Pure: plain text, which each channel escapes for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from db.alerting import words
from db.alerting.place import Place
from db.alerting.rule import Rule
from db.alerting.transitions import Reason
from db.analytics import Streak
from db.metrics import units
from db.metrics.catalogue import FIGURES, display
from db.metrics.formulas import Metrics
from db.metrics.window import Window
from db.queries.runs import RunRow
from notify.message import Message

SPAN = timedelta(days=30)
# Places that one message names.
_LISTED = 15
_FIGURES = ("success_rate", "duration_p50", "recovery_p50")


@dataclass(frozen=True)
class Context:
    """What stands beside the news: figures of the last 30 days, the error that was found, and where to click."""

    figures: Metrics
    error_line: str | None
    app_url: str
    now: datetime
    alert_id: int | None = None


def broken(streak: Streak, context: Context, *, still: bool = False) -> Message:
    place = f"{streak.workflow} on {streak.branch} of {streak.repo}"
    first, state = streak.first_bad, "is still broken" if still else "is broken"
    return Message(
        subject=f"[{streak.repo}] {streak.workflow} {state} on {streak.branch}: {words.in_a_row(streak.length)}",
        headline=f"{place} {state}",
        fields=(
            ("Failing since", _since(streak.since, context.now)),
            ("In a row", words.in_a_row(streak.length)),
            ("First bad commit", _commit(first)),
            *_error(context),
            *_figures(context),
        ),
        links=_links(streak.runs[-1], context),
    )


def recovered(repo: str, workflow: str, branch: str, since: datetime, run: RunRow, context: Context) -> Message:
    ended = run.completed_at or context.now
    return Message(
        subject=f"[{repo}] {workflow} recovered on {branch}",
        headline=f"{workflow} on {branch} of {repo} has recovered",
        fields=(
            ("Was broken for", units.duration((ended - since).total_seconds())),
            ("Fixed by", _commit(run)),
            *_figures(context),
        ),
        links=_links(run, context),
        resolved=True,
    )


def rate_high(repo: str, branch: str, last_day: Metrics, threshold: str, context: Context) -> Message:
    rate = units.percent(last_day.failure_rate)
    decided = last_day.runs.success + last_day.runs.failure
    return Message(
        subject=f"[{repo}] {rate} of the runs on {branch} fail",
        headline=f"{rate} of the runs on {branch} of {repo} failed in the last 24 hours",
        fields=(
            ("Failed", f"{units.count(last_day.runs.failure)} of {units.count(decided)} decided runs"),
            ("Threshold", threshold),
            *_figures(context),
        ),
        links=(("Dashboard", _page(context, "", repo=repo)), *_alert(context)),
    )


def rate_normal(repo: str, branch: str, last_day: Metrics, context: Context) -> Message:
    rate = units.percent(last_day.failure_rate)
    return Message(
        subject=f"[{repo}] Failure rate on {branch} is back to normal: {rate}",
        headline=f"The failure rate on {branch} of {repo} is back to {rate}",
        fields=_figures(context),
        links=(("Dashboard", _page(context, "", repo=repo)), *_alert(context)),
        resolved=True,
    )


def measured(rule: Rule, place: Place, detail: Mapping[str, Any], context: Context, *, still: bool = False) -> Message:
    """For the kinds of rules without a message of their own."""
    headline = words.headline(rule.kind, place.words, detail, still=still)
    since = detail.get("since")
    return Message(
        subject=f"[{place.repo}] {headline}",
        headline=headline,
        fields=(
            ("Measured", words.measured(rule.kind, detail) or "–"),
            *((("Since", _since(datetime.fromisoformat(since), context.now)),) if isinstance(since, str) else ()),
            ("Rule", f"{rule.name}: {rule.spec.label.lower()}, from {rule.threshold} on"),
            *_figures(context),
        ),
        links=_places(context, place, detail),
    )


def over(rule: Rule, place: Place, detail: Mapping[str, Any], since: datetime, context: Context) -> Message:
    headline = words.headline(rule.kind, place.words, detail, over=True)
    now = words.measured(rule.kind, detail) if detail.get("value") is not None else ""
    return Message(
        subject=f"[{place.repo}] {headline}",
        headline=headline,
        fields=(
            ("Lasted", units.duration((context.now - since).total_seconds())),
            *((("Measured now", now),) if now else ()),
            ("Rule", rule.name),
            *_figures(context),
        ),
        links=_places(context, place, detail),
        resolved=True,
    )


def together(
    rule: Rule, reason: Reason, places: Sequence[tuple[str, Mapping[str, Any]]], error_line: str | None, app_url: str,
    now: datetime,
) -> Message:  # fmt: skip
    """One message about many places."""
    ended, number = reason is Reason.RESOLVED, len(places)
    state = "are over" if ended else "still fire" if reason is Reason.REPEAT else "fire at once"
    listed = [_line(rule, place, {} if ended else detail) for place, detail in places[:_LISTED]]
    more = (f"and {number - _LISTED} more",) if number > _LISTED else ()
    return Message(
        subject=f"{number} alerts {state}: {rule.name}",
        headline=f"{number} alerts of the rule {rule.name} {state}",
        fields=(
            *((("Common cause", error_line),) if error_line else ()),
            ("Rule", f"{rule.spec.label}, from {rule.threshold} on"),
            ("At", units.timestamp(now)),
        ),
        lines=(*listed, *more),
        links=(("Alerts", f"{app_url.rstrip('/')}/alerts"),),
        resolved=ended,
    )


def window_of(rule: Rule, now: datetime) -> Window:
    """The rule's window up to now, and what was created this very second."""
    return Window(now - timedelta(seconds=rule.window), now + timedelta(seconds=1))


def _line(rule: Rule, place: str, detail: Mapping[str, Any]) -> str:
    figures = words.measured(rule.kind, detail) if detail else ""
    return f"• {place}: {figures}" if figures else f"• {place}"


def _places(context: Context, place: Place, detail: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    run_id = detail.get("run_id")
    run = (("Open the run", _page(context, "run", run_id=str(run_id))),) if run_id else ()
    return (*run, *_alert(context), ("Dashboard", _page(context, "", repo=place.repo)))


def _alert(context: Context) -> tuple[tuple[str, str], ...]:
    """Where it can be acknowledged and silenced."""
    return (("Alert", _page(context, "alerts", alert=str(context.alert_id))),) if context.alert_id else ()


def _figures(context: Context) -> tuple[tuple[str, str], ...]:
    """The same strings that UI and API show for this workflow and the last 30 days."""
    written = display(context.figures)
    return tuple((f"{FIGURES[name].label}, 30 days", written[name]) for name in _FIGURES)


def _error(context: Context) -> tuple[tuple[str, str], ...]:
    return (("Error", context.error_line),) if context.error_line else ()


def _commit(run: RunRow) -> str:
    by = f" by {run.actor}" if run.actor else ""
    return f"{run.head_sha[:7]}{by}: {run.title[:150]}"


def _since(moment: datetime, now: datetime) -> str:
    return f"{units.timestamp(moment)} ({units.relative((now - moment).total_seconds())})"


def _links(run: RunRow, context: Context) -> tuple[tuple[str, str], ...]:
    return ("Open the run", _page(context, "run", run_id=str(run.id))), ("GitHub", run.html_url), *_alert(context)


def _page(context: Context, page: str, **query: str) -> str:
    return f"{context.app_url.rstrip('/')}/{page}?{urlencode(query)}"
