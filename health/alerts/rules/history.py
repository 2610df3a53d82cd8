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
    NOTHING,
    Ended,
    Measure,
    days,
    duration_at,
    ended_runs,
    fires,
    longest_wait,
    success_at,
)
from health.alerts.rules.rules import Rule
from health.alerts.rules.types import SHORT_SHARE
from health.metrics.definitions.distribution import ratio

# Repository, workflow (0: the whole repository), branch (empty: that, or those, of the rule).
Key = tuple[int, int, str]


class PastRun(NamedTuple):
    """Times in seconds since 1970, UTC. For waits a job stands in place of its run: created when it was queued,
    completed when it started, with the `label` of its runner."""

    repository_id: int
    workflow_id: int
    branch: str | None
    outcome: str
    created: float
    started: float | None
    completed: float | None
    duration: float | None
    queue: float | None
    flaky: bool
    id: int
    label: str = ""


@dataclass(frozen=True)
class Episode:
    """Fired at `key` from `opened` on; `resolved` null: it still does. `value`: the measure that opened it; `run_id`:
    the run whose end did, null where none did."""

    key: Key
    opened: float
    resolved: float | None
    value: float
    run_id: int | None


class Tracker(Protocol):
    """Sees the runs of one place come and go."""

    def comes(self, run: PastRun) -> None: ...

    def goes(self, run: PastRun, *, short: bool) -> None: ...

    def measure(self, at: float) -> Measure: ...


def replayed(rule: Rule, runs: Iterable[PastRun], since: float, until: float) -> list[Episode]:
    """Episodes that opened in [since, until), or had opened before and went on then. Earlier runs lead in. The newest
    first."""
    by_place: dict[Key, list[PastRun]] = defaultdict(list)
    for run in runs:
        by_place[_key(rule, run)].append(run)
    if rule.kind in _DAILY:
        found = list(_by_day(rule, by_place, since, until))
    else:
        found = [each for key, listed in by_place.items() for each in _of_place(rule, key, listed, until)]
    kept = [each for each in found if each.resolved is None or each.resolved > since]
    return sorted(kept, key=lambda each: (-each.opened, each.key))


def _by_day(rule: Rule, by_place: Mapping[Key, Sequence[PastRun]], since: float, until: float) -> Iterator[Episode]:
    """Regressions change slowly: one look a day, at all places together, because how certain a change must be depends
    on how many are looked at."""
    look = success_at if rule.kind is RuleKind.SUCCESS_REGRESSION else duration_at
    ended = ended_runs([_ended(runs) for runs in by_place.values()])
    firing: dict[Key, Episode] = {}
    for at in days(since, until):
        for key, measure in zip(by_place, look(ended, at), strict=True):
            fire = fires(rule, measure, firing=key in firing)
            if fire and key not in firing:
                firing[key] = Episode(key, at, None, measure.value or 0.0, None)
            elif key in firing and not fire:
                yield replace(firing.pop(key), resolved=at)
    yield from firing.values()


def _ended(runs: Sequence[PastRun]) -> list[Ended]:
    """Decided ones, in the order of creation."""
    known = [run for run in runs if run.completed is not None and run.outcome in _DECIDED]
    return [
        Ended(run.created, run.completed or 0.0, run.outcome == Outcome.FAILURE, run.duration)
        for run in sorted(known, key=lambda run: (run.created, run.id))
    ]


def _key(rule: Rule, run: PastRun) -> Key:
    workflow = 0 if rule.per is RuleScope.REPOSITORY else run.workflow_id
    by_branch = rule.kind is RuleKind.CONSECUTIVE_FAILURES and not rule.default_branch
    return run.repository_id, workflow, (run.branch or "") if by_branch else ""


def _of_place(rule: Rule, key: Key, runs: Sequence[PastRun], until: float) -> Iterator[Episode]:
    tracker, firing = _tracker(rule), None
    for at, event, run in sorted(_events(rule, runs, until), key=lambda each: (each[0], each[1], each[2].id)):
        if event == _COMES:
            tracker.comes(run)
        else:
            tracker.goes(run, short=event == _LEAVES_SHORT)
        measure = tracker.measure(at)
        fire = fires(rule, measure, firing=firing is not None)
        if fire and firing is None:
            firing = Episode(key, at, None, measure.value or 0.0, run.id if event == _COMES else None)
        elif firing and not fire:
            yield Episode(key, firing.opened, at, firing.value, firing.run_id)
            firing = None
    if firing:
        yield firing


_DAILY = (RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION)
_LEAVES_SHORT, _LEAVES, _COMES = 0, 1, 2


def _events(rule: Rule, runs: Sequence[PastRun], until: float) -> Iterator[tuple[float, int, PastRun]]:
    """When a run becomes known, and when it leaves the windows; those of a stuck run are when it is late and over."""
    if rule.kind is RuleKind.STUCK_RUN:
        yield from _late(rule, runs, until)
        return
    for run in runs:
        if run.completed is None or run.completed >= until or run.outcome not in _DECIDED:
            continue
        window = rule.window
        if window and run.completed >= run.created + window:
            continue
        yield run.completed, _COMES, run
        if window and run.created + window < until:
            yield run.created + window, _LEAVES, run
        short = run.created + window / SHORT_SHARE
        if rule.kind is RuleKind.ERROR_BUDGET and run.completed < short < until:
            yield short, _LEAVES_SHORT, run


_DECIDED = (Outcome.SUCCESS, Outcome.FAILURE)


def _late(rule: Rule, runs: Sequence[PastRun], until: float) -> Iterator[tuple[float, int, PastRun]]:
    for run in runs:
        late = (run.started or run.created) + rule.open_at
        over = run.completed if run.outcome != Outcome.IN_PROGRESS else None
        if late < until and (over is None or over > late):
            yield late, _COMES, run
            if over is not None and over < until:
                yield over, _LEAVES, run


def _tracker(rule: Rule) -> Tracker:
    match rule.kind:
        case RuleKind.CONSECUTIVE_FAILURES:
            return _InARow()
        case RuleKind.QUEUE_TIME:
            return _Queues(rule)
        case RuleKind.STUCK_RUN:
            return _Stuck(rule)
        case _:
            return _Shares(rule)


class _InARow:
    """Failures created after the last success, as health.metrics.queries.branch_status counts them."""

    def __init__(self) -> None:
        self._passed = (float("-inf"), 0)
        self._failed: list[tuple[float, int]] = []

    def comes(self, run: PastRun) -> None:
        place = (run.created, run.id)
        if run.outcome == Outcome.SUCCESS:
            self._passed = max(self._passed, place)
            del self._failed[: bisect_left(self._failed, self._passed)]
        elif place > self._passed:
            insort(self._failed, place)

    def goes(self, run: PastRun, *, short: bool) -> None:
        """A run that failed has failed for good."""

    def measure(self, at: float) -> Measure:
        return Measure(float(len(self._failed)), len(self._failed))


class _Shares:
    """Failure rate, flaky rate and burn rate."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._decided = self._failed = self._flaky = 0
        # Run id to whether it failed, of those in the short window.
        self._recent: dict[int, bool] = {}
        self._recent_failed = 0
        self._short = rule.window / SHORT_SHARE

    def comes(self, run: PastRun) -> None:
        failed = run.outcome == Outcome.FAILURE
        self._decided, self._failed, self._flaky = (
            self._decided + 1, self._failed + failed, self._flaky + bool(run.flaky),
        )  # fmt: skip
        if (run.completed or 0.0) < run.created + self._short:
            self._recent[run.id] = failed
            self._recent_failed += failed

    def goes(self, run: PastRun, *, short: bool) -> None:
        if short:
            self._recent_failed -= self._recent.pop(run.id)
            return
        self._decided, self._failed, self._flaky = (
            self._decided - 1, self._failed - (run.outcome == Outcome.FAILURE), self._flaky - bool(run.flaky),
        )  # fmt: skip

    def measure(self, at: float) -> Measure:
        if not self._decided:
            return NOTHING
        match self._rule.kind:
            case RuleKind.FLAKY_RATE:
                return Measure(self._flaky / self._decided, self._flaky)
            case RuleKind.ERROR_BUDGET:
                recent = ratio(self._recent_failed, len(self._recent))
                return burn(self._rule, self._failed / self._decided, self._decided, recent)
            case _:
                return Measure(self._failed / self._decided, self._decided)


def burn(rule: Rule, rate: float, decided: int, recent_rate: float | None) -> Measure:
    """How many times as fast as allowed the budget is used up: failure rate ÷ (1 − objective)."""
    recent = None if recent_rate is None else recent_rate / rule.budget
    return Measure(rate / rule.budget, decided, recent)


class _Queues:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._waits: dict[str, list[float]] = defaultdict(list)

    def comes(self, run: PastRun) -> None:
        if run.queue is not None:
            insort(self._waits[run.label], run.queue)

    def goes(self, run: PastRun, *, short: bool) -> None:
        if run.queue is not None:
            waits = self._waits[run.label]
            del waits[bisect_left(waits, run.queue)]

    def measure(self, at: float) -> Measure:
        return longest_wait(self._rule, self._waits)[1]


class _Stuck:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._going_on: dict[int, float] = {}

    def comes(self, run: PastRun) -> None:
        self._going_on[run.id] = run.started or run.created

    def goes(self, run: PastRun, *, short: bool) -> None:
        self._going_on.pop(run.id, None)

    def measure(self, at: float) -> Measure:
        if not self._going_on:
            return NOTHING
        # Not a hair below the threshold by rounding: it is late by being here.
        return Measure(max(at - min(self._going_on.values()), self._rule.open_at), len(self._going_on))
