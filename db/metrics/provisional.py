"""Which figures of a window are not final yet. Pure."""

from datetime import datetime, timedelta

from db.metrics.window import Window

# A flake is known when the failed run was run again: of the last 24 hours 84 % are known, of the last 7 days 94 %.
_RERUNS = timedelta(hours=24)
# Slow runs of the last hour still run: p95 of those that ended is too low.
_RUNNING = timedelta(hours=1)
_MATURITY = {
    "flaky_runs": _RERUNS, "flaky_rate_per_rerun": _RERUNS, "rerun_rate": _RERUNS,
    "rerun_rate_without_approvals": _RERUNS, "success_duration_p95": _RUNNING, "duration_p95": _RUNNING,
    "queue_p95": _RUNNING,
}  # fmt: skip
SO_FAR = "so far"


def is_provisional(name: str, window: Window, now: datetime) -> bool:
    """Do runs that may still change the figure make up half of the window or more?"""
    maturity = _MATURITY.get(name)
    if maturity is None:
        return False
    unripe = window.until - max(window.since, now - maturity)
    return unripe > timedelta() and unripe >= window.span / 2
