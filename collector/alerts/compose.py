"""What a message says. Pure: plain text, which each channel escapes for itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from db.analytics import Streak
from db.metrics import units
from db.metrics.catalogue import FIGURES, display
from db.metrics.formulas import Metrics
from db.queries.runs import RunRow
from notify.message import Message

SPAN = timedelta(days=30)
_FIGURES = ("success_rate", "duration_p50", "recovery_p50")


@dataclass(frozen=True)
class Context:
    """What stands beside the news: figures of the last 30 days, the error that was found, and where to click."""

    figures: Metrics
    error_line: str | None
    app_url: str
    now: datetime


def broken(streak: Streak, context: Context) -> Message:
    place = f"{streak.workflow} on {streak.branch} of {streak.repo}"
    first = streak.first_bad
    return Message(
        subject=f"[{streak.repo}] {streak.workflow} is broken on {streak.branch}: {_in_a_row(streak.length)}",
        headline=f"{place} is broken",
        fields=(
            ("Failing since", _since(streak.since, context.now)),
            ("In a row", _in_a_row(streak.length)),
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
        links=(("Dashboard", _page(context, "", repo=repo)),),
    )


def rate_normal(repo: str, branch: str, last_day: Metrics, context: Context) -> Message:
    rate = units.percent(last_day.failure_rate)
    return Message(
        subject=f"[{repo}] Failure rate on {branch} is back to normal: {rate}",
        headline=f"The failure rate on {branch} of {repo} is back to {rate}",
        fields=_figures(context),
        links=(("Dashboard", _page(context, "", repo=repo)),),
        resolved=True,
    )


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


def _in_a_row(number: int) -> str:
    return "1 failed run" if number == 1 else f"{number} failed runs in a row"


def _links(run: RunRow, context: Context) -> tuple[tuple[str, str], ...]:
    return ("Open the run", _page(context, "run", run_id=str(run.id))), ("GitHub", run.html_url)


def _page(context: Context, page: str, **query: str) -> str:
    return f"{context.app_url.rstrip('/')}/{page}?{urlencode(query)}"
