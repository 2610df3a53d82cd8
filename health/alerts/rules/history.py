"""Replays a rule over past runs, in the order in which they ended. Pure.

A run counts from its end on, with its latest attempt as stored now: earlier outcomes of runs that were re-run are
lost."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from db.enums import Outcome, RuleKind, RuleScope
from health.alerts.rules.measures import (
    NO_DATA,
    FinishedRun,
    Measurement,
    burn_rate,
    daily_moments,
    duration_regressions,
    finished_runs,
    longest_wait,
    success_regressions,
)
from health.alerts.rules.rules import Rule
from health.alerts.rules.transitions import condition_met
from health.alerts.rules.types import SHORT_WINDOW_DIVISOR
from health.metrics.definitions.percentiles import ratio

# Repository, workflow (0: the whole repository), branch (empty: those of the rule together).
TargetKey = tuple[int, int, str]


class HistoricalRun(NamedTuple):
    """Times in seconds since 1970, UTC. For queue times it is a job: created when it was queued, completed when it
    started, with the `label` of its runner."""

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
    """One alert of a backtest. `resolved_at` null: it still fires. `value`: the measured value that opened it;
    `run_id`: the run whose end opened it, null if it was another event."""

    key: TargetKey
    opened_at: float
    resolved_at: float | None
    value: float
    run_id: int | None


class ConditionTracker(Protocol):
    """The current measurement of one target while runs enter and leave its windows."""

    def add(self, run: HistoricalRun) -> None: ...

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None: ...

    def measure(self, at: float) -> Measurement: ...


def backtest_episodes(rule: Rule, runs: Iterable[HistoricalRun], since: float, until: float) -> list[BacktestEpisode]:
    """The episodes that fired in [since, until), newest first. Runs before `since` fill the windows."""
    by_target: dict[TargetKey, list[HistoricalRun]] = defaultdict(list)
    for run in runs:
        by_target[_key(rule, run)].append(run)
    if rule.kind in _DAILY_KINDS:
        episodes = list(_daily_episodes(rule, by_target, since, until))
    else:
        episodes = [
            episode for key, listed in by_target.items() for episode in _target_episodes(rule, key, listed, until)
        ]
    overlapping = [episode for episode in episodes if episode.resolved_at is None or episode.resolved_at > since]
    return sorted(overlapping, key=lambda episode: (-episode.opened_at, episode.key))


def _daily_episodes(
    rule: Rule, by_target: Mapping[TargetKey, Sequence[HistoricalRun]], since: float, until: float
) -> Iterator[BacktestEpisode]:
    """Episodes of a regression rule, evaluated once a day, because regressions change slowly. All targets are evaluated
    together: the significance of a change depends on how many are compared."""
    measure_all = success_regressions if rule.kind is RuleKind.SUCCESS_REGRESSION else duration_regressions
    ended = finished_runs([_finished_runs(runs) for runs in by_target.values()])
    firing: dict[TargetKey, BacktestEpisode] = {}
    for at in daily_moments(since, until):
        for key, measurement in zip(by_target, measure_all(ended, at), strict=True):
            fires = condition_met(rule, measurement, firing=key in firing)
            if fires and key not in firing:
                firing[key] = BacktestEpisode(key, at, None, measurement.value or 0.0, None)
            elif key in firing and not fires:
                yield replace(firing.pop(key), resolved_at=at)
    yield from firing.values()


def _finished_runs(runs: Sequence[HistoricalRun]) -> list[FinishedRun]:
    """The completed runs, in the order of creation."""
    decided = [run for run in runs if run.completed_at is not None and run.outcome in _DECIDED]
    return [
        FinishedRun(run.created_at, run.completed_at or 0.0, run.outcome == Outcome.FAILURE, run.duration_seconds)
        for run in sorted(decided, key=lambda run: (run.created_at, run.id))
    ]


def _key(rule: Rule, run: HistoricalRun) -> TargetKey:
    workflow = 0 if rule.per is RuleScope.REPOSITORY else run.workflow_id
    by_branch = rule.kind is RuleKind.CONSECUTIVE_FAILURES and not rule.default_branch
    return run.repository_id, workflow, (run.branch or "") if by_branch else ""


def _target_episodes(
    rule: Rule, key: TargetKey, runs: Sequence[HistoricalRun], until: float
) -> Iterator[BacktestEpisode]:
    tracker, firing = _tracker(rule), None
    for at, event, run in sorted(_events(rule, runs, until), key=lambda item: (item[0], item[1], item[2].id)):
        if event == _ADD:
            tracker.add(run)
        else:
            tracker.expire(run, short_window=event == _EXPIRE_SHORT_WINDOW)
        measurement = tracker.measure(at)
        fires = condition_met(rule, measurement, firing=firing is not None)
        if fires and firing is None:
            firing = BacktestEpisode(key, at, None, measurement.value or 0.0, run.id if event == _ADD else None)
        elif firing and not fires:
            yield BacktestEpisode(key, firing.opened_at, at, firing.value, firing.run_id)
            firing = None
    if firing:
        yield firing


_DAILY_KINDS = (RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION)
_EXPIRE_SHORT_WINDOW, _EXPIRE, _ADD = 0, 1, 2


def _events(rule: Rule, runs: Sequence[HistoricalRun], until: float) -> Iterator[tuple[float, int, HistoricalRun]]:
    """Times, events and runs: when a run enters and leaves the windows; of a stuck run, when it gets late and when it
    ends."""
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
        late_at = (run.started_at or run.created_at) + rule.open_at
        ended_at = run.completed_at if run.outcome != Outcome.IN_PROGRESS else None
        if late_at < until and (ended_at is None or ended_at > late_at):
            yield late_at, _ADD, run
            if ended_at is not None and ended_at < until:
                yield ended_at, _EXPIRE, run


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
        self._last_success = (float("-inf"), 0)
        self._failed: list[tuple[float, int]] = []

    def add(self, run: HistoricalRun) -> None:
        position = (run.created_at, run.id)
        if run.outcome == Outcome.SUCCESS:
            self._last_success = max(self._last_success, position)
            del self._failed[: bisect_left(self._failed, self._last_success)]
        elif position > self._last_success:
            insort(self._failed, position)

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        """Does nothing: a streak has no window."""

    def measure(self, at: float) -> Measurement:
        return Measurement(float(len(self._failed)), len(self._failed))


class _RatioTracker:
    """Failure rate, flaky rate and burn rate."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._decided = self._failed = self._flaky = 0
        # Whether each run in the short window failed, by run id.
        self._recent: dict[int, bool] = {}
        self._recent_failed = 0
        self._short = rule.effective_window / SHORT_WINDOW_DIVISOR

    def add(self, run: HistoricalRun) -> None:
        failed = run.outcome == Outcome.FAILURE
        self._decided += 1
        self._failed += failed
        self._flaky += bool(run.flaky)
        if (run.completed_at or 0.0) < run.created_at + self._short:
            self._recent[run.id] = failed
            self._recent_failed += failed

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        if short_window:
            self._recent_failed -= self._recent.pop(run.id)
            return
        self._decided -= 1
        self._failed -= run.outcome == Outcome.FAILURE
        self._flaky -= bool(run.flaky)

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
        self._stuck: dict[int, float] = {}

    def add(self, run: HistoricalRun) -> None:
        self._stuck[run.id] = run.started_at or run.created_at

    def expire(self, run: HistoricalRun, *, short_window: bool) -> None:
        self._stuck.pop(run.id, None)

    def measure(self, at: float) -> Measurement:
        if not self._stuck:
            return NO_DATA
        # A run is added when it reaches the threshold; rounding must not put it below.
        return Measurement(max(at - min(self._stuck.values()), self._rule.open_at), len(self._stuck))
