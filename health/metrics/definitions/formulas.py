"""The figures, made from facts. docs/metrics.md says each in words.

Which figures of a window are not final yet. Pure.

What figures lack because runs were deleted after RETENTION_DAYS: whole days of them are known by their sums, parts
of a day, single hours and other filters are not. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from db.definitions.scope import Window
from db.enums import Outcome
from health.completeness.gaps import Completeness, Gap
from health.metrics.definitions.aggregates import AggregateDetails, Aggregates
from health.metrics.definitions.distribution import UNKNOWN, Distribution, Recovery, ratio


@dataclass(frozen=True)
class Counts:
    total: int
    completed: int
    success: int
    failure: int
    cancelled: int
    skipped: int
    other: int
    in_progress: int


@dataclass(frozen=True)
class PassCounts:
    """How many of the decided ones passed."""

    success: int
    decided: int

    @property
    def rate(self) -> float | None:
        return ratio(self.success, self.decided)


@dataclass(frozen=True)
class WasteSeconds:
    """Seconds of jobs by the reason of waste; `defect_seconds` are those of failed attempts that found a defect, which
    is not waste. Null where it is not known."""

    flaky_seconds: float | None
    cancelled_seconds: float | None
    superseded_seconds: float | None
    defect_seconds: float | None
    never_started_jobs: int | None


@dataclass(frozen=True)
class Metrics:
    """Figures that roll-ups of older versions do not have are null where the window reaches into such days.
    `first_attempts`: decided first attempts. `commits`: those with decided runs in the window, and those of them all of
    whose runs there passed; null where it was not asked for."""

    runs: Counts
    success_rate: float | None
    failure_rate: float | None
    duration_seconds: Distribution
    queue_seconds: Distribution
    rerun_rate: float | None
    flaky_runs: int
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    success_duration_seconds: Distribution
    failure_duration_seconds: Distribution
    success_rate_first_attempt: float | None
    success_rate_by_commit: float | None
    first_attempts: PassCounts | None
    commits: PassCounts | None
    rerun_rate_without_approvals: float | None
    flaky_rate_per_rerun: float | None
    waste: WasteSeconds
    cost_unknown_minutes: int | None
    data: Completeness = field(default_factory=lambda: Completeness(None, None))


def counts(facts: Aggregates) -> Counts:
    by = facts.outcomes
    running, total = by[Outcome.IN_PROGRESS], sum(by.values())
    return Counts(
        total=total,
        completed=total - running,
        success=by[Outcome.SUCCESS],
        failure=by[Outcome.FAILURE],
        cancelled=by[Outcome.CANCELLED],
        skipped=by[Outcome.SKIPPED],
        other=by[Outcome.OTHER],
        in_progress=running,
    )


def metrics(facts: Aggregates, data: Completeness, commits: PassCounts | None = None) -> Metrics:
    runs, details = counts(facts), facts.details
    decided = runs.success + runs.failure
    first = PassCounts(details.first_success, details.first_success + details.first_failure) if details else None
    return Metrics(
        runs=runs,
        success_rate=ratio(runs.success, decided),
        failure_rate=ratio(runs.failure, decided),
        duration_seconds=facts.duration_seconds,
        queue_seconds=facts.queue_seconds,
        rerun_rate=ratio(facts.rerun, runs.completed),
        flaky_runs=facts.flaky,
        recovery_seconds=facts.recovery_seconds,
        compute_seconds=facts.compute_seconds,
        wasted_seconds=facts.wasted_seconds,
        cost_usd=facts.cost_usd,
        success_duration_seconds=details.success_duration_seconds if details else UNKNOWN,
        failure_duration_seconds=details.failure_duration_seconds if details else UNKNOWN,
        success_rate_first_attempt=first.rate if first else None,
        success_rate_by_commit=commits.rate if commits else None,
        first_attempts=first,
        commits=commits,
        rerun_rate_without_approvals=ratio(details.rerun, runs.completed) if details else None,
        flaky_rate_per_rerun=_flaky_rate(facts.flaky, details),
        waste=_waste(details),
        cost_unknown_minutes=details.unpriced_minutes if details else None,
        data=data,
    )


def _flaky_rate(flaky: int, details: AggregateDetails | None) -> float | None:
    """A flaky run is one of those whose failed attempt was run again: with fewer of them not all were counted yet."""
    if details is None or details.failed_then_rerun < flaky:
        return None
    return ratio(flaky, details.failed_then_rerun)


def _waste(details: AggregateDetails | None) -> WasteSeconds:
    if details is None:
        return WasteSeconds(None, None, None, None, None)
    return WasteSeconds(
        details.wasted_flaky, details.wasted_cancelled, details.wasted_superseded, details.defect,
        details.never_started,
    )  # fmt: skip


# A flake is known when the failed run was run again: of the last 24 hours 84 % are known, of the last 7 days 94 %.
_RERUN_DELAY = timedelta(hours=24)
# Slow runs of the last hour still run: p95 of those that ended is too low.
_RUN_DELAY = timedelta(hours=1)
_MATURITY_DELAYS = {
    "flaky_runs": _RERUN_DELAY, "flaky_rate_per_rerun": _RERUN_DELAY, "rerun_rate": _RERUN_DELAY,
    "rerun_rate_without_approvals": _RERUN_DELAY, "success_duration_p95": _RUN_DELAY, "duration_p95": _RUN_DELAY,
    "queue_p95": _RUN_DELAY,
}  # fmt: skip
PROVISIONAL_LABEL = "so far"


def is_provisional(name: str, window: Window, now: datetime) -> bool:
    """Do runs that may still change the figure make up half of the window or more?"""
    maturity = _MATURITY_DELAYS.get(name)
    if maturity is None:
        return False
    unripe = window.until - max(window.since, now - maturity)
    return unripe > timedelta() and unripe >= window.span / 2


PRUNED, UNCOUNTED, MORE = "pruned", "uncounted", "more"
# The repository of a gap that concerns every repository of the question.
ALL_REPOSITORIES = "*"


# More gaps about single repositories than these are one about all.
_MAX_REPOSITORIES = 20


@dataclass(frozen=True)
class LostWindow:
    """A time whose runs are deleted and missing from the answer: those of these repositories (none: of all)."""

    window: Window
    repos: tuple[str, ...] = ()

    @property
    def repository_names(self) -> tuple[str, ...]:
        return self.repos if 0 < len(self.repos) <= _MAX_REPOSITORIES else (ALL_REPOSITORIES,)


@dataclass(frozen=True)
class Losses:
    """`pruned` is ascending. `uncounted_before`: sums of days before this moment were written by a version that did not
    count everything that is counted now; null where the answer uses none."""

    pruned: tuple[LostWindow, ...] = ()
    uncounted_before: datetime | None = None


def merge_windows(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The time that the windows cover, ascending and disjoint."""
    found: list[Window] = []
    for each in sorted(windows, key=lambda window: window.since):
        if found and each.since <= found[-1].until:
            found[-1] = Window(found[-1].since, max(found[-1].until, each.until))
        else:
            found.append(each)
    return tuple(found)


def limit_gaps(completeness: Completeness, limit: int = 10) -> Completeness:
    """With at most so many gaps, all others as one: for an answer that has the completeness of the same runs in each of
    thousands of items."""
    left = completeness.gaps[limit:]
    if len(left) < 2:
        return completeness
    since = None if any(each.since is None for each in left) else min(each.since for each in left if each.since)
    until = None if any(each.until is None for each in left) else max(each.until for each in left if each.until)
    more = Gap(ALL_REPOSITORIES, MORE, f"{len(left):,} more gaps: `data` of the answer has all of them", since, until)
    return replace(completeness, gaps=(*completeness.gaps[:limit], more))


def with_losses(completeness: Completeness, losses: Losses) -> Completeness:
    """The completeness of an answer with its losses as gaps. It is complete only since the end of the last loss. A
    loss before the known history is none."""
    begin = completeness.complete_since
    pruned = [each for each in losses.pruned if begin is None or each.window.until > begin]
    gaps = [
        Gap(repo, PRUNED, _pruned_text(each.window), each.window.since, each.window.until)
        for each in pruned
        for repo in each.repository_names
    ]
    if losses.uncounted_before is not None:
        line = _uncounted_text(losses.uncounted_before)
        gaps.append(Gap(ALL_REPOSITORIES, UNCOUNTED, line, until=losses.uncounted_before))
    if begin is not None and pruned:
        begin = max(begin, *(each.window.until for each in pruned))
    return replace(completeness, complete_since=begin, gaps=(*completeness.gaps, *gaps))


def _pruned_text(window: Window) -> str:
    return (
        f"runs created from {_format_time(window.since)} to {_format_time(window.until)} are deleted (RETENTION_DAYS); "
        "only sums of whole days are kept of that time"
    )


def _uncounted_text(before: datetime) -> str:
    return (
        f"sums of days before {before:%d %b %Y} are of an earlier version: first attempts, durations of successes, "
        "minutes without a price and reasons of waste are not counted in them"
    )


def _format_time(moment: datetime) -> str:
    return f"{moment:%d %b %Y %H:%M} UTC"
