"""What an alert says, in words that UI, API and messages share. Pure: plain text, escaped by whoever shows it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from core import formatting
from db.enums import RuleKind, Severity
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.types import format_value
from health.metrics.definitions.distribution import ratio

SEVERITIES: dict[str, str] = {Severity.CRITICAL: "Critical", Severity.WARNING: "Warning", Severity.INFO: "Note"}


def headline(
    kind: str, target: AlertTarget | str, detail: Mapping[str, Any], *, resolved: bool = False, ongoing: bool = False
) -> str:
    """`place` may be the words for one, as Place.words."""
    try:
        rule = RuleKind(kind)
    except ValueError:
        return f"{_target_names(target)['place']}: {kind.replace('_', ' ')}"
    return (_RESOLVED if resolved else _ONGOING if ongoing else _FIRING)[rule].format(**_target_names(target))


def episode_summary(kind: str, target: AlertTarget | str, duration: str) -> str:
    """From beginning to end, for people who heard of neither. `lasted` as units.duration."""
    return _EPISODE[RuleKind(kind)].format(lasted=duration, **_target_names(target))


def _target_names(place: AlertTarget | str) -> dict[str, str]:
    """`place` as a subject, `located` behind the name of a figure."""
    if isinstance(place, str):
        return {"place": place, "located": f"of {place}"}
    return {"place": place.label, "located": place.label_with_preposition}


def failures_text(number: int) -> str:
    return "1 failed run" if number == 1 else f"{number} failed runs in a row"


def decided_runs_text(number: int) -> str:
    return "1 decided run" if number == 1 else f"{formatting.count(number)} decided runs"


def measurement_text(kind: str, detail: Mapping[str, Any]) -> str:
    """The figures that stand behind it, in one line; empty where there are none."""
    written_by = _MEASUREMENT_TEXTS.get(kind)
    return written_by(detail) if written_by else str(detail.get("text") or "")


def condition_since(detail: Mapping[str, Any]) -> datetime | None:
    """Since when it is so; null for kinds of rules that keep no such moment."""
    told = detail.get("since")
    return datetime.fromisoformat(told) if isinstance(told, str) else None


def format_span(seconds: float) -> str:
    """A length that somebody chose: 10 min, 24 h, 14 days."""
    for size, one, many in ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min")):
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            if size == 86400 and number == 1:
                return "24 h"
            return f"{number} {one if number == 1 else many}"
    return formatting.duration(seconds)


def _streak(detail: Mapping[str, Any]) -> str:
    return failures_text(int(detail["failures"])) if detail.get("failures") else ""


def _rate(detail: Mapping[str, Any]) -> str:
    failed, decided = detail.get("failed", 0), detail.get("decided", 0)
    return f"{formatting.percent(ratio(failed, decided))}, {failed} of {decided_runs_text(decided)}{_within(detail)}"


def _flaky(detail: Mapping[str, Any]) -> str:
    told = f"{detail.get('flaky', 0)} of {decided_runs_text(detail.get('decided', 0))}"
    return f"{formatting.percent(detail.get('value'))}, {told}{_within(detail)}"


def _queue(detail: Mapping[str, Any]) -> str:
    if "jobs" not in detail:
        # Alerts of an older version counted runs.
        return f"p95 {formatting.duration(detail.get('value'))}, {decided_runs_text(detail.get('decided', 0))}{_within(detail)}"
    jobs = "1 job" if detail["jobs"] == 1 else f"{formatting.count(detail['jobs'])} jobs"
    label = f" for {detail['label']}" if detail.get("label") else ""
    return f"p95 {formatting.duration(detail.get('value'))}, {jobs}{label}{_within(detail)}"


def _burn(detail: Mapping[str, Any]) -> str:
    long, short = (_factor(detail.get(name)) for name in ("value", "recent"))
    return f"{long} as fast as allowed{_within(detail)}, {short} in the last twelfth of it"


def _stuck(detail: Mapping[str, Any]) -> str:
    number = int(detail.get("runs") or 1)
    return "1 run does not end" if number == 1 else f"{number} runs do not end"


def _stale(detail: Mapping[str, Any]) -> str:
    return str(detail.get("error") or "no look at it since then")


_MEASUREMENT_TEXTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    RuleKind.CONSECUTIVE_FAILURES: _streak,
    RuleKind.FAILURE_RATE: _rate,
    RuleKind.FLAKY_RATE: _flaky,
    RuleKind.QUEUE_TIME: _queue,
    RuleKind.ERROR_BUDGET: _burn,
    RuleKind.STUCK_RUN: _stuck,
    RuleKind.COLLECTOR_STALE: _stale,
}


def _within(detail: Mapping[str, Any]) -> str:
    seconds = detail.get("window_seconds")
    return f" in {format_span(float(seconds))}" if seconds else ""


def _factor(value: object) -> str:
    return format_value(RuleKind.ERROR_BUDGET, value) if isinstance(value, int | float) else formatting.NO_DATA


_FIRING = {
    RuleKind.CONSECUTIVE_FAILURES: "{place} is broken",
    RuleKind.FAILURE_RATE: "High failure rate {located}",
    RuleKind.SUCCESS_REGRESSION: "{place} succeeds less often than before",
    RuleKind.DURATION_REGRESSION: "{place} is slower than before",
    RuleKind.QUEUE_TIME: "Runs of {place} wait long for a runner",
    RuleKind.STUCK_RUN: "A run of {place} is stuck",
    RuleKind.MISSING_RUN: "A scheduled run of {place} is missing",
    RuleKind.FLAKY_RATE: "{place} is flaky",
    RuleKind.ERROR_BUDGET: "{place} burns its error budget",
    RuleKind.COLLECTOR_STALE: "{place} is not being read",
}
_ONGOING = {
    RuleKind.CONSECUTIVE_FAILURES: "{place} is still broken",
    RuleKind.FAILURE_RATE: "The failure rate {located} is still high",
    RuleKind.SUCCESS_REGRESSION: "{place} still succeeds less often than before",
    RuleKind.DURATION_REGRESSION: "{place} is still slower than before",
    RuleKind.QUEUE_TIME: "Runs of {place} still wait long for a runner",
    RuleKind.STUCK_RUN: "A run of {place} is still stuck",
    RuleKind.MISSING_RUN: "A scheduled run of {place} is still missing",
    RuleKind.FLAKY_RATE: "{place} is still flaky",
    RuleKind.ERROR_BUDGET: "{place} still burns its error budget",
    RuleKind.COLLECTOR_STALE: "{place} is still not being read",
}
_RESOLVED = {
    RuleKind.CONSECUTIVE_FAILURES: "{place} has recovered",
    RuleKind.FAILURE_RATE: "The failure rate {located} is back to normal",
    RuleKind.SUCCESS_REGRESSION: "The success rate of {place} is no longer below that of the weeks before",
    RuleKind.DURATION_REGRESSION: "{place} is no longer slower than in the weeks before",
    RuleKind.QUEUE_TIME: "Runs of {place} wait no longer than usual",
    RuleKind.STUCK_RUN: "No run of {place} is stuck any more",
    RuleKind.MISSING_RUN: "The scheduled run of {place} came",
    RuleKind.FLAKY_RATE: "{place} is no longer flaky",
    RuleKind.ERROR_BUDGET: "{place} is within its error budget",
    RuleKind.COLLECTOR_STALE: "{place} is being read again",
}
_EPISODE = {
    RuleKind.CONSECUTIVE_FAILURES: "{place} was broken for {lasted} and recovered",
    RuleKind.FAILURE_RATE: "The failure rate {located} was high for {lasted}; it is back to normal",
    RuleKind.SUCCESS_REGRESSION: "{place} succeeded less often for {lasted}, and no longer does",
    RuleKind.DURATION_REGRESSION: "{place} was slower for {lasted}, and no longer is",
    RuleKind.QUEUE_TIME: "Runs of {place} waited long for a runner for {lasted}, and no longer do",
    RuleKind.STUCK_RUN: "A run of {place} was stuck for {lasted}, and no longer is",
    RuleKind.MISSING_RUN: "A scheduled run of {place} came {lasted} late",
    RuleKind.FLAKY_RATE: "{place} was flaky for {lasted}, and no longer is",
    RuleKind.ERROR_BUDGET: "{place} burned its error budget for {lasted}, and is within it now",
    RuleKind.COLLECTOR_STALE: "{place} was not read for {lasted}, and is again",
}
