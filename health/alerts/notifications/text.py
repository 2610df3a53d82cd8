"""Texts of alerts that UI, API and notifications share. Pure: plain text, which the caller escapes."""

from collections.abc import Callable
from typing import NamedTuple

from core import formatting
from db.enums import RuleKind, Severity
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.types import SHORT_WINDOW_DIVISOR, format_value
from health.metrics.definitions.percentiles import ratio

SEVERITIES: dict[str, str] = {Severity.CRITICAL: "Critical", Severity.WARNING: "Warning", Severity.INFO: "Info"}


def headline(kind: str, target: AlertTarget, *, resolved: bool = False, ongoing: bool = False) -> str:
    """The title of an alert that fires, still fires or resolved."""
    return _title(kind, resolved, ongoing).format(subject=target.subject, on=target.on_branch, label=target.label)


def short_headline(kind: str, target: AlertTarget, *, resolved: bool = False, ongoing: bool = False) -> str:
    """The title without the repository, for a subject line that begins with it: `CI is failing on main`."""
    names = {"subject": target.workflow or "Repository", "on": target.on_branch, "label": target.label_in_repository}
    return _title(kind, resolved, ongoing).format(**names).removesuffix(": ")


def past_headline(kind: str, target: AlertTarget, duration: str | None = None) -> str:
    """The title of a resolved alert: what happened, for readers who received no notification of its start. `duration`
    is the text of formatting.duration."""
    lasted = f" for {duration}" if duration else ""
    names = {"subject": target.subject, "on": target.on_branch, "label": target.label, "lasted": lasted}
    return _titles(kind).past.format(**names)


def resolved_headline(kind: str, target: AlertTarget, detail: AlertDetail, duration: str) -> str:
    """The title of a resolved alert in lists: what fired, and how it ended. `duration` is the text of
    formatting.duration."""
    if kind == RuleKind.CONSECUTIVE_FAILURES and detail.failures:
        times = "once" if detail.failures == 1 else f"{detail.failures} times in a row"
        fired = f"{target.subject} failed {times}{target.on_branch}"
    else:
        fired = past_headline(kind, target)
    end = f"closed after {duration}: {detail.reason}" if detail.reason else f"recovered after {duration}"
    return f"{fired} – {end}"


def _title(kind: str, resolved: bool, ongoing: bool) -> str:
    titles = _titles(kind)
    return titles.resolved if resolved else titles.ongoing if ongoing else titles.firing


def _titles(kind: str) -> "_Titles":
    """A kind of another version is shown by its name."""
    try:
        return _TITLES[RuleKind(kind)]
    except ValueError:
        title = f"{kind.replace('_', ' ').capitalize()}: {{label}}"
        return _Titles(title, title, title, title)


def failures_text(number: int) -> str:
    return "1 failed run" if number == 1 else f"{number} failed runs in a row"


def completed_runs_text(number: int) -> str:
    return "1 completed run" if number == 1 else f"{formatting.count(number)} completed runs"


def measurement_text(kind: str, detail: AlertDetail, threshold: str = "") -> str:
    """The measured figures in one line; empty where there are none. `threshold` is the text of Rule.threshold."""
    if kind == RuleKind.STUCK_RUN:
        return _stuck(detail, threshold)
    write = _MEASUREMENT_TEXTS.get(kind)
    return write(detail) if write else detail.text or ""


def format_span(seconds: float) -> str:
    """A configured duration: 10 min, 24 h, 14 days."""
    for size, one, many in ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min")):
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            if size == 86400 and number == 1:
                return "24 h"
            return f"{number} {one if number == 1 else many}"
    return formatting.duration(seconds)


def _streak(detail: AlertDetail) -> str:
    return failures_text(detail.failures) if detail.failures else ""


def _rate(detail: AlertDetail) -> str:
    failed, decided = detail.failed or 0, detail.decided or 0
    return f"{formatting.percent(ratio(failed, decided))}, {failed} of {completed_runs_text(decided)}{_within(detail)}"


def _flaky(detail: AlertDetail) -> str:
    counts = f"{detail.flaky or 0} of {completed_runs_text(detail.decided or 0)}"
    return f"{formatting.percent(detail.value)}, {counts}{_within(detail)}"


def _queue(detail: AlertDetail) -> str:
    wait = f"p95 {formatting.duration(detail.value)}"
    if detail.jobs is None:
        # Earlier versions counted runs.
        return f"{wait}, {completed_runs_text(detail.decided or 0)}{_within(detail)}"
    jobs = "1 job" if detail.jobs == 1 else f"{formatting.count(detail.jobs)} jobs"
    label = f" for {detail.label}" if detail.label else ""
    return f"{wait}, {jobs}{label}{_within(detail)}"


def _burn(detail: AlertDetail) -> str:
    long, short = _factor(detail.value), _factor(detail.recent)
    window = detail.window_seconds
    if not window:
        return f"burn rate {long} and {short}"
    return f"burn rate {long} ({format_span(window)}) and {short} ({format_span(window / SHORT_WINDOW_DIVISOR)})"


def _stuck(detail: AlertDetail, limit: str) -> str:
    return f"{formatting.pluralize(detail.runs or 1, 'run')} still in progress{f' after {limit}' if limit else ''}"


def _stale(detail: AlertDetail) -> str:
    return detail.error or "no sync since then"


_MEASUREMENT_TEXTS: dict[str, Callable[[AlertDetail], str]] = {
    RuleKind.CONSECUTIVE_FAILURES: _streak,
    RuleKind.FAILURE_RATE: _rate,
    RuleKind.FLAKY_RATE: _flaky,
    RuleKind.QUEUE_TIME: _queue,
    RuleKind.ERROR_BUDGET: _burn,
    RuleKind.COLLECTOR_STALE: _stale,
}


def _within(detail: AlertDetail) -> str:
    return f" in {format_span(float(detail.window_seconds))}" if detail.window_seconds else ""


def _factor(value: float | None) -> str:
    return formatting.NO_DATA if value is None else format_value(RuleKind.ERROR_BUDGET, value)


class _Titles(NamedTuple):
    """`{subject}` is `acme/web · CI`, `{on}` is ` on main`, `{label}` is `acme/web · CI (main)` and `{lasted}` is
    ` for 42m 10s`; the last part of each may be missing."""

    firing: str
    ongoing: str
    resolved: str
    past: str


_TITLES = {
    RuleKind.CONSECUTIVE_FAILURES: _Titles(
        "{subject} is failing{on}",
        "{subject} is still failing{on}",
        "{subject} has recovered{on}",
        "{subject} was failing{on}{lasted}",
    ),
    RuleKind.FAILURE_RATE: _Titles(
        "High failure rate: {label}",
        "Failure rate still high: {label}",
        "Failure rate back to normal: {label}",
        "Failure rate was high{lasted}: {label}",
    ),
    RuleKind.SUCCESS_REGRESSION: _Titles(
        "Success rate dropped: {label}",
        "Success rate still low: {label}",
        "Success rate back to normal: {label}",
        "Success rate was low{lasted}: {label}",
    ),
    RuleKind.DURATION_REGRESSION: _Titles(
        "{subject} slowed down{on}",
        "{subject} is still slow{on}",
        "{subject} is back to normal speed{on}",
        "{subject} was slow{on}{lasted}",
    ),
    RuleKind.QUEUE_TIME: _Titles(
        "Long queue times: {label}",
        "Queue times still long: {label}",
        "Queue times back to normal: {label}",
        "Queue times were long{lasted}: {label}",
    ),
    RuleKind.STUCK_RUN: _Titles(
        "Stuck run: {label}",
        "Run still stuck: {label}",
        "Stuck run finished: {label}",
        "Run was stuck{lasted}: {label}",
    ),
    RuleKind.MISSING_RUN: _Titles(
        "Scheduled run missing: {label}",
        "Scheduled run still missing: {label}",
        "Missing scheduled run started: {label}",
        "Scheduled run was missing{lasted}: {label}",
    ),
    RuleKind.FLAKY_RATE: _Titles(
        "High flake rate: {label}",
        "Flake rate still high: {label}",
        "Flake rate back to normal: {label}",
        "Flake rate was high{lasted}: {label}",
    ),
    RuleKind.ERROR_BUDGET: _Titles(
        "Error budget burning too fast: {label}",
        "Error budget still burning too fast: {label}",
        "Error budget burn back to normal: {label}",
        "Error budget burned too fast{lasted}: {label}",
    ),
    RuleKind.COLLECTOR_STALE: _Titles(
        "{subject} is not being synced",
        "{subject} is still not being synced",
        "{subject} is being synced again",
        "{subject} was not synced{lasted}",
    ),
}
