"""The product's answers beside those of the loops: one line for each number that differs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from db.replica import ReplicaRouter
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from tests.oracle.figures import KEYS, Broken, Filter, Found, broken, bucket, figures
from tests.oracle.stored import StoredRun

# Percentiles by roll-ups are promised within 1 %.
_PERCENTILES, _SUMS = 0.01, 1e-9
# Figures that later versions have.
_LATER = ("success_duration_seconds", "success_rate_first_attempt")
# Figures that deleted runs do not have.
_OF_CAUSES = (
    "infrastructure_failures", "failures_without_cause", "success_rate_without_infrastructure",
    "failure_rate_without_infrastructure",
)  # fmt: skip


def differences(
    reader: ReplicaRouter, runs: Sequence[StoredRun], asked: Filter, since: datetime, until: datetime, interval: str,
    by: Sequence[str], now: datetime, pruned_before: datetime | None = None, *, recovery: bool = True,
) -> list[str]:  # fmt: skip
    """Of the figures of a filter and a window, of their series, and of their groups. Runs created before
    `pruned_before` are deleted: an answer may lack them where it says so. `recovery` false leaves out recoveries, which
    follow when roll-ups are made."""
    scope, window = Scope(**{each.name: getattr(asked, each.name) for each in fields(asked)}), Window(since, until)
    with reader.session() as session:
        failures = service.read_failures(session, scope, window)
        whole = service.snapshot(session, scope, window, now=now, failures=failures)
        points = service.series(session, scope, window, Interval(interval), now=now, failures=failures)
        groups = {
            name: service.groups(session, scope, window, GroupBy(name), now=now, failures=failures) for name in by
        }
    found = [*_lies(whole, since, until, pruned_before)]
    for point in points:
        is_lost = pruned_before is not None and max(since, point.start) < pruned_before
        is_unknown = point.metrics.runs.failure and point.metrics.failures_without_cause == point.metrics.runs.failure
        if (point.metrics.infrastructure_failures is None) != (is_lost or bool(is_unknown)):
            found.append(f"infrastructure failures of {point.start}: {point.metrics.infrastructure_failures}")
    if (whole.failures_without_cause is None) != (pruned_before is not None and since < pruned_before):
        found.append(f"failures without a cause: {whole.failures_without_cause}")
    question = _Question(runs, asked, since, until, now, recovery=recovery)
    found += question.compare("metrics", whole, None)
    found += question.compare_points(points, interval)
    for name, listed in groups.items():
        found += question.compare_groups(listed, name)
    return [f"{asked} {since} {until}: {line}" for line in found]


def _lies(whole: Metrics, since: datetime, until: datetime, pruned_before: datetime | None) -> Iterator[str]:
    """What is said to be lost must be."""
    for lost_since, lost_until, _ in _lost(whole):
        if pruned_before is None or not since <= lost_since < lost_until <= min(until, pruned_before):
            yield f"{lost_since} to {lost_until} is not lost"


_Lost = tuple[datetime, datetime, str]


def _lost(answer: Metrics) -> list[_Lost]:
    """From, to, repository."""
    gaps = [gap for gap in answer.data.gaps if gap.kind == "pruned"]
    return [(gap.since, gap.until, gap.repo) for gap in gaps if gap.since and gap.until]


class _Question:
    def __init__(
        self, runs: Sequence[StoredRun], asked: Filter, since: datetime, until: datetime, now: datetime, *,
        recovery: bool,
    ) -> None:  # fmt: skip
        self._recovery = recovery
        self._all, self._asked, self._since, self._until, self._now = runs, asked, since, until, now
        self._runs = [run for run in runs if asked.holds(run) and since <= run.created < until]

    def compare(self, name: str, answer: Metrics, by: str | None) -> list[str]:
        lost = _lost(answer)
        wanted = figures(_kept(self._runs, lost), self._episodes(by), self._now)
        return list(_unlike(name, answer, wanted, recovery=self._recovery and not lost))

    def compare_points(self, points: Sequence[service.Point], interval: str) -> list[str]:
        runs, episodes = defaultdict(list), defaultdict(list)
        lost = _lost(points[0].metrics)
        for run in _kept(self._runs, lost):
            runs[bucket(run.created, interval)].append(run)
        for each in self._episodes(None):
            episodes[bucket(each.first.created, interval)].append(each)
        starts = [point.start for point in points]
        found = [] if starts == sorted(set(starts)) else ["series: out of order"]
        found += [f"series: no point at {start}" for start in runs if start not in set(starts)]
        for point in points:
            wanted = figures(runs[point.start], episodes[point.start], self._now)
            found += _unlike(f"{interval} {point.start}", point.metrics, wanted, recovery=self._recovery and not lost)
        return found

    def compare_groups(self, groups: Sequence[service.Group], by: str) -> list[str]:
        runs, episodes, key = defaultdict(list), defaultdict(list), KEYS[by]
        lost = _lost(groups[0].metrics) if groups else [(self._since, self._until, "*")]
        for run in _kept(self._runs, lost):
            runs[key(run)].append(run)
        for each in self._episodes(by):
            episodes[key(each.first)].append(each)
        answers = {(each.key, each.workflow_id): each.metrics for each in groups}
        found = [f"by {by}: {each} is missing or too much" for each in runs.keys() ^ answers.keys()]
        for name in runs.keys() & answers.keys():
            wanted = figures(runs[name], episodes[name], self._now)
            found += _unlike(f"by {by} {name}", answers[name], wanted, recovery=self._recovery and not lost)
        return found

    def _episodes(self, by: str | None) -> list[Broken]:
        return broken(self._all, self._asked, self._since, self._until, by)


def _kept(runs: Sequence[StoredRun], lost: list[_Lost]) -> list[StoredRun]:
    return [
        run for run in runs
        if not any(since <= run.created < until and repo in ("*", run.repo) for since, until, repo in lost)
    ]  # fmt: skip


def _unlike(name: str, answer: Metrics, wanted: Found, *, recovery: bool) -> Iterator[str]:
    given = asdict(answer)
    for figure, value in wanted.items():
        if (figure in _LATER + _OF_CAUSES and given.get(figure) is None) or (
            figure == "recovery_seconds" and not recovery
        ):
            continue
        for part, one, other in _parts(figure, given[figure], value):
            if not _same(part, one, other):
                yield f"{name}: {part} is {one}, not {other}"


def _parts(figure: str, given: Any, wanted: Any) -> Iterator[tuple[str, Any, Any]]:
    if not isinstance(wanted, dict):
        yield figure, given, wanted
        return
    for part, value in wanted.items():
        yield f"{figure}.{part}", given[part], value


def _same(part: str, given: Any, wanted: Any) -> bool:
    if given is None or wanted is None or isinstance(wanted, int):
        return bool(given == wanted)
    about = any(f".{each}" in part for each in ("p50", "p90", "p95", "median"))
    tolerance = _PERCENTILES if about else _SUMS
    return bool(abs(given - wanted) <= tolerance * abs(wanted) + 1e-6)
