"""What a rule would have done: the runs of the past, in the order in which they ended. Pure.

A run is known from its end on, by its latest attempt as it is stored now: what a re-run changed later is not seen as it
was."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from db.enums import Outcome, RuleKind, RuleScope
from health.alerts.rules.conditions import (
    NO_DATA,
    FinishedRun,
    Measurement,
    condition_met,
    daily_moments,
    duration_regressions,
    finished_runs,
    longest_wait,
    success_regressions,
)
from health.alerts.rules.rules import Rule
from health.alerts.rules.types import SHORT_WINDOW_DIVISOR
from health.metrics.definitions.distribution import ratio

# Repository, workflow (0: the whole repository), branch (empty: that, or those, of the rule).
PlaceKey = tuple[int, int, str]


class HistoricalRun(NamedTuple):
    """Times in seconds since 1970, UTC. For waits a job stands in place of its run: created when it was queued,
    completed when it started, with the `label` of its runner."""

    repository_id: int
    workflow_id: int
    branch: str | None
    outcome: str
    created_at: float
    started_at: float | None
    completed_at: float | None
    duration_seconds: float | None
    queue_seconds: float | None
    flaky: bool
    id: int
    label: str = ""


@dataclass(frozen=True)
class BacktestEpisode:
    """Fired at `key` from `opened` on; `resolved` null: it still does. `value`: the measure that opened it; `run_id`:
    the run whose end did, null where none did."""

    key: PlaceKey
    opened_at: float
    resolved_at: float | None
    value: float
    run_id: int | None


class ConditionTracker(Protocol):
    """Sees the runs of one place come and go."""

    def add(self, run: HistoricalRun) -> None: ...

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None: ...

    def measure(self, at: float) -> Measurement: ...


def backtest_episodes(rule: Rule, runs: Iterable[HistoricalRun], since: float, until: float) -> list[BacktestEpisode]:
    """Episodes that opened in [since, until), or had opened before and went on then. Earlier runs lead in. The newest
    first."""
    by_place: dict[PlaceKey, list[HistoricalRun]] = defaultdict(list)
    for run in runs:
        by_place[_key(rule, run)].append(run)
    if rule.kind in _DAILY_KINDS:
        found = list(_daily_episodes(rule, by_place, since, until))
    else:
        found = [each for key, listed in by_place.items() for each in _target_episodes(rule, key, listed, until)]
    kept = [each for each in found if each.resolved_at is None or each.resolved_at > since]
    return sorted(kept, key=lambda each: (-each.opened_at, each.key))


def _daily_episodes(
    rule: Rule, by_place: Mapping[PlaceKey, Sequence[HistoricalRun]], since: float, until: float
) -> Iterator[BacktestEpisode]:
    """Regressions change slowly: one look a day, at all places together, because how certain a change must be depends
    on how many are looked at."""
    look = success_regressions if rule.kind is RuleKind.SUCCESS_REGRESSION else duration_regressions
    ended = finished_runs([_finished_runs(runs) for runs in by_place.values()])
    firing: dict[PlaceKey, BacktestEpisode] = {}
    for at in daily_moments(since, until):
        for key, measure in zip(by_place, look(ended, at), strict=True):
            fire = condition_met(rule, measure, firing=key in firing)
            if fire and key not in firing:
                firing[key] = BacktestEpisode(key, at, None, measure.value or 0.0, None)
            elif key in firing and not fire:
                yield replace(firing.pop(key), resolved_at=at)
    yield from firing.values()


def _finished_runs(runs: Sequence[HistoricalRun]) -> list[FinishedRun]:
    """Decided ones, in the order of creation."""
    known = [run for run in runs if run.completed_at is not None and run.outcome in _DECIDED]
    return [
        FinishedRun(run.created_at, run.completed_at or 0.0, run.outcome == Outcome.FAILURE, run.duration_seconds)
        for run in sorted(known, key=lambda run: (run.created_at, run.id))
    ]


def _key(rule: Rule, run: HistoricalRun) -> PlaceKey:
    workflow = 0 if rule.per is RuleScope.REPOSITORY else run.workflow_id
    by_branch = rule.kind is RuleKind.CONSECUTIVE_FAILURES and not rule.default_branch
    return run.repository_id, workflow, (run.branch or "") if by_branch else ""


def _target_episodes(
    rule: Rule, key: PlaceKey, runs: Sequence[HistoricalRun], until: float
) -> Iterator[BacktestEpisode]:
    tracker, firing = _tracker(rule), None
    for at, event, run in sorted(_events(rule, runs, until), key=lambda each: (each[0], each[1], each[2].id)):
        if event == _ADD:
            tracker.add(run)
        else:
            tracker.expire(run, short_window=event == _EXPIRE_SHORT_WINDOW)
        measure = tracker.measure(at)
        fire = condition_met(rule, measure, firing=firing is not None)
        if fire and firing is None:
            firing = BacktestEpisode(key, at, None, measure.value or 0.0, run.id if event == _ADD else None)
        elif firing and not fire:
            yield BacktestEpisode(key, firing.opened_at, at, firing.value, firing.run_id)
            firing = None
    if firing:
        yield firing


_DAILY_KINDS = (RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION)
_EXPIRE_SHORT_WINDOW, _EXPIRE, _ADD = 0, 1, 2


def _events(rule: Rule, runs: Sequence[HistoricalRun], until: float) -> Iterator[tuple[float, int, HistoricalRun]]:
    """When a run becomes known, and when it leaves the windows; those of a stuck run are when it is late and over."""
    if rule.kind is RuleKind.STUCK_RUN:
        yield from _stuck_run_events(rule, runs, until)
        return
    for run in runs:
        if run.completed_at is None or run.completed_at >= until or run.outcome not in _DECIDED:
            continue
        window = rule.effective_window
        if window and run.completed_at >= run.created_at + window:
            continue
        yield run.completed_at, _ADD, run
        if window and run.created_at + window < until:
            yield run.created_at + window, _EXPIRE, run
        short = run.created_at + window / SHORT_WINDOW_DIVISOR
        if rule.kind is RuleKind.ERROR_BUDGET and run.completed_at < short < until:
            yield short, _EXPIRE_SHORT_WINDOW, run


_DECIDED = (Outcome.SUCCESS, Outcome.FAILURE)


def _stuck_run_events(
    rule: Rule, runs: Sequence[HistoricalRun], until: float
) -> Iterator[tuple[float, int, HistoricalRun]]:
    for run in runs:
        late = (run.started_at or run.created_at) + rule.open_at
        over = run.completed_at if run.outcome != Outcome.IN_PROGRESS else None
        if late < until and (over is None or over > late):
            yield late, _ADD, run
            if over is not None and over < until:
                yield over, _EXPIRE, run


def _tracker(rule: Rule) -> ConditionTracker:
    match rule.kind:
        case RuleKind.CONSECUTIVE_FAILURES:
            return _ConsecutiveFailuresTracker()
        case RuleKind.QUEUE_TIME:
            return _QueueTimeTracker(rule)
        case RuleKind.STUCK_RUN:
            return _StuckRunTracker(rule)
        case _:
            return _RatioTracker(rule)


class _ConsecutiveFailuresTracker:
    """Failures created after the last success, as health.metrics.branch_status counts them."""

    def __init__(self) -> None:
        self._passed = (float("-inf"), 0)
        self._failed: list[tuple[float, int]] = []

    def add(self, run: HistoricalRun) -> None:
        place = (run.created_at, run.id)
        if run.outcome == Outcome.SUCCESS:
            self._passed = max(self._passed, place)
            del self._failed[: bisect_left(self._failed, self._passed)]
        elif place > self._passed:
            insort(self._failed, place)

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        """A run that failed has failed for good."""

    def measure(self, at: float) -> Measurement:
        return Measurement(float(len(self._failed)), len(self._failed))


class _RatioTracker:
    """Failure rate, flaky rate and burn rate."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._decided = self._failed = self._flaky = 0
        # Run id to whether it failed, of those in the short window.
        self._recent: dict[int, bool] = {}
        self._recent_failed = 0
        self._short = rule.effective_window / SHORT_WINDOW_DIVISOR

    def add(self, run: HistoricalRun) -> None:
        failed = run.outcome == Outcome.FAILURE
        self._decided, self._failed, self._flaky = (
            self._decided + 1, self._failed + failed, self._flaky + bool(run.flaky),
        )  # fmt: skip
        if (run.completed_at or 0.0) < run.created_at + self._short:
            self._recent[run.id] = failed
            self._recent_failed += failed

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        if short_window:
            self._recent_failed -= self._recent.pop(run.id)
            return
        self._decided, self._failed, self._flaky = (
            self._decided - 1, self._failed - (run.outcome == Outcome.FAILURE), self._flaky - bool(run.flaky),
        )  # fmt: skip

    def measure(self, at: float) -> Measurement:
        if not self._decided:
            return NO_DATA
        match self._rule.kind:
            case RuleKind.FLAKY_RATE:
                return Measurement(self._flaky / self._decided, self._flaky)
            case RuleKind.ERROR_BUDGET:
                recent = ratio(self._recent_failed, len(self._recent))
                return burn_rate(self._rule, self._failed / self._decided, self._decided, recent)
            case _:
                return Measurement(self._failed / self._decided, self._decided)


def burn_rate(rule: Rule, rate: float, decided: int, recent_rate: float | None) -> Measurement:
    """How many times as fast as allowed the budget is used up: failure rate ÷ (1 − objective)."""
    recent = None if recent_rate is None else recent_rate / rule.budget
    return Measurement(rate / rule.budget, decided, recent)


class _QueueTimeTracker:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._waits: dict[str, list[float]] = defaultdict(list)

    def add(self, run: HistoricalRun) -> None:
        if run.queue_seconds is not None:
            insort(self._waits[run.label], run.queue_seconds)

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        if run.queue_seconds is not None:
            waits = self._waits[run.label]
            del waits[bisect_left(waits, run.queue_seconds)]

    def measure(self, at: float) -> Measurement:
        return longest_wait(self._rule, self._waits)[1]


class _StuckRunTracker:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._going_on: dict[int, float] = {}

    def add(self, run: HistoricalRun) -> None:
        self._going_on[run.id] = run.started_at or run.created_at

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        self._going_on.pop(run.id, None)

    def measure(self, at: float) -> Measurement:
        if not self._going_on:
            return NO_DATA
        # Not a hair below the threshold by rounding: it is late by being here.
        return Measurement(max(at - min(self._going_on.values()), self._rule.open_at), len(self._going_on))
