"""Texts of alerts that UI, API and notifications share. Pure: plain text, which the caller escapes."""

from collections.abc import Callable

from core import formatting
from db.enums import RuleKind, Severity
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.types import format_value
from health.metrics.definitions.percentiles import ratio

SEVERITIES: dict[str, str] = {Severity.CRITICAL: "Critical", Severity.WARNING: "Warning", Severity.INFO: "Info"}


def headline(kind: str, target: AlertTarget | str, *, resolved: bool = False, ongoing: bool = False) -> str:
    """One sentence about an alert. `target` may be its label (AlertTarget.label). A kind of another version is shown by
    its name."""
    names = _target_names(target)
    try:
        rule = RuleKind(kind)
    except ValueError:
        return f"{names['target']}: {kind.replace('_', ' ')}"
    return (_RESOLVED if resolved else _ONGOING if ongoing else _FIRING)[rule].format(**names)


def episode_summary(kind: str, target: AlertTarget | str, duration: str) -> str:
    """A resolved alert from start to end, for readers who received no notification of its start. `duration` is the text
    of formatting.duration."""
    return _EPISODE[RuleKind(kind)].format(lasted=duration, **_target_names(target))


def _target_names(target: AlertTarget | str) -> dict[str, str]:
    """`target` is a subject; `located` follows the name of a figure."""
    if isinstance(target, str):
        return {"target": target, "located": f"of {target}"}
    return {"target": target.label, "located": target.label_with_preposition}


def failures_text(number: int) -> str:
    return "1 failed run" if number == 1 else f"{number} failed runs in a row"


def completed_runs_text(number: int) -> str:
    return "1 completed run" if number == 1 else f"{formatting.count(number)} completed runs"


def measurement_text(kind: str, detail: AlertDetail) -> str:
    """The measured figures in one line; empty where there are none."""
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
    return f"{long} as fast as allowed{_within(detail)}, {short} in the last twelfth of it"


def _stuck(detail: AlertDetail) -> str:
    number = detail.runs or 1
    return "1 run does not end" if number == 1 else f"{number} runs do not end"


def _stale(detail: AlertDetail) -> str:
    return detail.error or "not synced since then"


_MEASUREMENT_TEXTS: dict[str, Callable[[AlertDetail], str]] = {
    RuleKind.CONSECUTIVE_FAILURES: _streak,
    RuleKind.FAILURE_RATE: _rate,
    RuleKind.FLAKY_RATE: _flaky,
    RuleKind.QUEUE_TIME: _queue,
    RuleKind.ERROR_BUDGET: _burn,
    RuleKind.STUCK_RUN: _stuck,
    RuleKind.COLLECTOR_STALE: _stale,
}


def _within(detail: AlertDetail) -> str:
    return f" in {format_span(float(detail.window_seconds))}" if detail.window_seconds else ""


def _factor(value: float | None) -> str:
    return formatting.NO_DATA if value is None else format_value(RuleKind.ERROR_BUDGET, value)


_FIRING = {
    RuleKind.CONSECUTIVE_FAILURES: "{target} is failing",
    RuleKind.FAILURE_RATE: "High failure rate {located}",
    RuleKind.SUCCESS_REGRESSION: "{target} succeeds less often than before",
    RuleKind.DURATION_REGRESSION: "{target} is slower than before",
    RuleKind.QUEUE_TIME: "Runs of {target} wait long for a runner",
    RuleKind.STUCK_RUN: "A run of {target} is stuck",
    RuleKind.MISSING_RUN: "A scheduled run of {target} is missing",
    RuleKind.FLAKY_RATE: "{target} is flaky",
    RuleKind.ERROR_BUDGET: "{target} burns its error budget",
    RuleKind.COLLECTOR_STALE: "{target} is not being synced",
}
_ONGOING = {
    RuleKind.CONSECUTIVE_FAILURES: "{target} is still failing",
    RuleKind.FAILURE_RATE: "The failure rate {located} is still high",
    RuleKind.SUCCESS_REGRESSION: "{target} still succeeds less often than before",
    RuleKind.DURATION_REGRESSION: "{target} is still slower than before",
    RuleKind.QUEUE_TIME: "Runs of {target} still wait long for a runner",
    RuleKind.STUCK_RUN: "A run of {target} is still stuck",
    RuleKind.MISSING_RUN: "A scheduled run of {target} is still missing",
    RuleKind.FLAKY_RATE: "{target} is still flaky",
    RuleKind.ERROR_BUDGET: "{target} still burns its error budget",
    RuleKind.COLLECTOR_STALE: "{target} is still not being synced",
}
_RESOLVED = {
    RuleKind.CONSECUTIVE_FAILURES: "{target} has recovered",
    RuleKind.FAILURE_RATE: "The failure rate {located} is back to normal",
    RuleKind.SUCCESS_REGRESSION: "The success rate of {target} is no longer below that of the weeks before",
    RuleKind.DURATION_REGRESSION: "{target} is no longer slower than in the weeks before",
    RuleKind.QUEUE_TIME: "Runs of {target} wait no longer than usual",
    RuleKind.STUCK_RUN: "No run of {target} is stuck any more",
    RuleKind.MISSING_RUN: "The scheduled run of {target} came",
    RuleKind.FLAKY_RATE: "{target} is no longer flaky",
    RuleKind.ERROR_BUDGET: "{target} is within its error budget",
    RuleKind.COLLECTOR_STALE: "{target} is being synced again",
}
_EPISODE = {
    RuleKind.CONSECUTIVE_FAILURES: "{target} was failing for {lasted} and recovered",
    RuleKind.FAILURE_RATE: "The failure rate {located} was high for {lasted}; it is back to normal",
    RuleKind.SUCCESS_REGRESSION: "{target} succeeded less often for {lasted}, and no longer does",
    RuleKind.DURATION_REGRESSION: "{target} was slower for {lasted}, and no longer is",
    RuleKind.QUEUE_TIME: "Runs of {target} waited long for a runner for {lasted}, and no longer do",
    RuleKind.STUCK_RUN: "A run of {target} was stuck for {lasted}, and no longer is",
    RuleKind.MISSING_RUN: "A scheduled run of {target} came {lasted} late",
    RuleKind.FLAKY_RATE: "{target} was flaky for {lasted}, and no longer is",
    RuleKind.ERROR_BUDGET: "{target} burned its error budget for {lasted}, and is within it now",
    RuleKind.COLLECTOR_STALE: "{target} was not synced for {lasted}; syncing has resumed",
}
