"""Minutes and money: where they go, and what of them served nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.scope import LENGTHS, Scope, Window, bucket_start
from db.enums import GroupBy, Interval
from health.metrics import service
from health.metrics.definitions.aggregates import Facts, no_facts
from health.metrics.definitions.distribution import ratio
from health.metrics.definitions.table import OUTCOMES
from health.metrics.definitions.usage import SUMS, Usage, UsageKey
from health.metrics.queries import usage_queries as queries
from health.metrics.queries.executor import facts, repository_names, workflow_names
from health.metrics.queries.grouping import Question


class SpendBy(StrEnum):
    REPO = "repo"
    WORKFLOW = "workflow"
    RUNNER = "runner"


@dataclass(frozen=True)
class Spend:
    """`key` is a repository, a workflow's name (with `repo` and `workflow_id`), or a runner's labels, null where a job
    has none. `runs` is null by runner: one run uses several. `minutes` are rounded up for each job; `unpriced_minutes`
    of them have no known price and are not in the cost. `wasted_seconds` are of attempts that were flaky, cancelled or
    superseded, `defect_seconds` of those that found a defect. `share` is of the cost of all, of their minutes where
    nothing costs; `change` is the cost (or minutes) relative to the window before, null where that is not known to be
    complete."""

    key: str | None
    repo: str | None
    workflow_id: int | None
    runs: int | None
    jobs: int
    minutes: int
    compute_seconds: float
    wasted_seconds: float
    defect_seconds: float
    cost_usd: float
    unpriced_minutes: int
    never_started: int
    share: float | None
    change: float | None


@dataclass(frozen=True)
class Spending:
    """`since`: where minutes (of runners: everything) are only of the jobs of runs created since then, because there
    are too many to read; else null."""

    items: list[Spend]
    since: datetime | None


@dataclass(frozen=True)
class SpendPoint:
    """`partial` marks a bucket that the window cuts short. `wasted_seconds` and `defect_seconds` are as in Spend; null
    where there were too many runs to read."""

    start: datetime
    partial: bool
    compute_seconds: float
    wasted_seconds: float | None
    defect_seconds: float | None
    cost_usd: float


@dataclass(frozen=True)
class Waste:
    """Seconds of a workflow's jobs whose attempts served nothing, by reason (db.definitions.job_times.Waste), and `share` of
    its compute time. `defect_seconds` stand beside them. `wasted_usd` is an estimate: the cost by runner in proportion
    to its wasted time, null where the price of none of its minutes is known. `never_started` jobs have no time at
    all."""

    repo: str
    workflow: str
    workflow_id: int
    flaky_seconds: float
    cancelled_seconds: float
    superseded_seconds: float
    wasted_seconds: float
    wasted_usd: float | None
    defect_seconds: float
    never_started: int
    share: float | None


@dataclass(frozen=True)
class Wasted:
    """The most wasted first; the sums are of all workflows. `unpriced` are the labels (null: none) whose minutes have
    no known price, the most minutes first."""

    items: list[Waste]
    flaky_seconds: float
    cancelled_seconds: float
    superseded_seconds: float
    wasted_seconds: float
    wasted_usd: float
    defect_seconds: float
    compute_seconds: float
    never_started: int
    unpriced: list[tuple[str | None, int]]
    since: datetime | None


@dataclass(frozen=True)
class _Spent:
    runs: int | None
    jobs: int
    minutes: int
    compute_seconds: float
    wasted_seconds: float
    defect_seconds: float
    cost_usd: float
    unpriced_minutes: int
    never_started: int

    @property
    def unpriced(self) -> bool:
        """Is the price of no billed minute known?"""
        return 0 < self.minutes <= self.unpriced_minutes

    def worth(self, *, money: bool) -> float:
        return self.cost_usd if money else float(self.minutes)


# Of a group: the sums, and the cost of what was wasted.
_COLUMNS = (*SUMS, "wasted_usd")
_OF_RUNS = ("compute", "cost")


def spend(session: Session, scope: Scope, window: Window, by: SpendBy) -> Spending:
    """The most expensive first, where nothing costs the most minutes."""
    before = window.before()
    now, since = _spent(session, scope, window, by)
    comparable = since is None and service.was_collected(session, scope, window, by_sums=True)
    then = _spent(session, scope, before, by)[0] if comparable else {}
    money = any(each.cost_usd for each in now.values())
    total = sum(each.worth(money=money) for each in now.values())
    name = _naming(session, by)
    items = [
        Spend(
            *name(key), **vars(each), share=ratio(each.worth(money=money), total),
            change=_change(each.worth(money=money), then[key].worth(money=money)) if key in then else None,
        )
        for key, each in now.items()
    ]  # fmt: skip
    items.sort(key=lambda each: (-each.cost_usd, -each.minutes, each.key or "", each.workflow_id or 0))
    return Spending(items, since)


def spend_series(session: Session, scope: Scope, window: Window, interval: Interval) -> list[SpendPoint]:
    """One point a bucket, also where nothing ran."""
    question = Question(scope, window, interval=interval, histograms=(), recoveries=False, counts=(), sums=_OF_RUNS)
    found, empty = facts(session, question), no_facts()
    used = queries.in_tiles(session, scope, window, interval)
    starts = {tile: bucket_start(time_buckets.begins(tile), interval) for tile in {key.tile for key in used.usage.keys}}
    in_vain = _by(used.usage, lambda key: starts[key.tile])
    points = []
    for start in window.buckets(interval):
        of_runs, added = found.get((None, start), empty), in_vain.get(start, _NOTHING)
        partial = start < window.since or start + LENGTHS[interval] > window.until
        known = used.since is None or start >= used.since
        points.append(
            SpendPoint(start, partial, of_runs.compute_seconds, _wasted(added) if known else None,
                       _defect(added) if known else None, of_runs.cost_usd)
        )  # fmt: skip
    return points


def wasted(session: Session, scope: Scope, window: Window) -> Wasted:
    """By workflow; those that wasted nothing, found nothing and started everything are left out."""
    used = queries.sums(session, scope, window, GroupBy.WORKFLOW)
    name, items = _naming(session, SpendBy.WORKFLOW), []
    total = _NOTHING
    for key, added in _by(used.usage, _PLACE[SpendBy.WORKFLOW]).items():
        total = {column: total[column] + added[column] for column in _COLUMNS}
        if _wasted(added) or _defect(added) or added["never_started"]:
            workflow, repo, workflow_id = name(key)
            items.append(
                Waste(
                    repo or "", workflow or "", workflow_id or 0, added["flaky"], added["cancelled"],
                    added["superseded"], _wasted(added), None if _of_jobs(added).unpriced else added["wasted_usd"],
                    _defect(added),
                    int(added["never_started"]), ratio(_wasted(added), added["compute"]),
                )
            )  # fmt: skip
    items.sort(
        key=lambda each: (-each.wasted_seconds, -each.defect_seconds, each.repo, each.workflow, each.workflow_id)
    )
    return Wasted(
        items, total["flaky"], total["cancelled"], total["superseded"], _wasted(total), total["wasted_usd"],
        _defect(total), total["compute"], int(total["never_started"]), _unpriced(used.usage), used.since,
    )  # fmt: skip


def _unpriced(usage: Usage) -> list[tuple[str | None, int]]:
    minutes = {
        label: int(added["unpriced_minutes"]) for label, added in _by(usage, _PLACE[SpendBy.RUNNER]).items()
        if added["unpriced_minutes"]
    }  # fmt: skip
    return [(label or None, minutes[label]) for label in sorted(minutes, key=lambda label: (-minutes[label], label))]


def _spent(session: Session, scope: Scope, window: Window, by: SpendBy) -> tuple[dict[Any, _Spent], datetime | None]:
    """Money and compute of runs are those of every other figure; the rest, and all of runners, is of jobs."""
    group = None if by is SpendBy.RUNNER else GroupBy(by)
    used = queries.sums(session, scope, window, group)
    added = _by(used.usage, _PLACE[by])
    if group is None:
        return {key: _of_jobs(each) for key, each in added.items()}, used.since
    found = facts(
        session, Question(scope, window, group, histograms=(), recoveries=False, counts=OUTCOMES, sums=_OF_RUNS)
    )
    spent = {key: _of_runs(each, added.get(key, _NOTHING)) for (key, _), each in found.items()}
    return {key: each for key, each in spent.items() if each.runs}, used.since


def _of_jobs(added: Mapping[str, float]) -> _Spent:
    return _Spent(
        None, int(added["jobs"]), int(added["minutes"]), added["compute"], _wasted(added), _defect(added),
        added["cost"], int(added["unpriced_minutes"]), int(added["never_started"]),
    )  # fmt: skip


def _of_runs(of_runs: Facts, added: Mapping[str, float]) -> _Spent:
    of_jobs = _of_jobs(added)
    runs = sum(of_runs.outcomes.values())
    return replace(of_jobs, runs=runs, compute_seconds=of_runs.compute_seconds, cost_usd=of_runs.cost_usd)


def _wasted(added: Mapping[str, Any]) -> Any:
    """Of a group, or of all rows at once."""
    return added["flaky"] + added["cancelled"] + added["superseded"]


def _defect(added: Mapping[str, float]) -> float:
    """What failed and was not flaky: roll-ups of older versions do not tell these apart."""
    return max(added["failed"] - added["flaky"], 0.0)


_NOTHING: Mapping[str, float] = dict.fromkeys(_COLUMNS, 0.0)
_PLACE: Mapping[SpendBy, Callable[[UsageKey], Any]] = {
    SpendBy.REPO: lambda key: key.repository_id,
    SpendBy.WORKFLOW: lambda key: (key.repository_id, key.workflow_id),
    SpendBy.RUNNER: lambda key: key.label,
}


def _by(usage: Usage, place: Callable[[UsageKey], Any]) -> dict[Any, dict[str, float]]:
    """The sums of each group, by their names."""
    if not usage.keys:
        return {}
    places: dict[Any, int] = {}
    rows = np.fromiter((places.setdefault(place(key), len(places)) for key in usage.keys), np.int64, len(usage.keys))
    column = dict(zip(SUMS, usage.sums.T, strict=True))
    compute = column["compute"]
    share = np.divide(_wasted(column), compute, out=np.zeros(len(rows)), where=compute > 0)
    sums = np.zeros((len(places), len(_COLUMNS)))
    np.add.at(sums, rows, np.column_stack((usage.sums, column["cost"] * share)))
    return {each: dict(zip(_COLUMNS, row, strict=True)) for each, row in zip(places, sums.tolist(), strict=True)}


def _naming(session: Session, by: SpendBy) -> Callable[[Any], tuple[str | None, str | None, int | None]]:
    """Key, repository and workflow id as Spend has them."""
    if by is SpendBy.RUNNER:
        return lambda key: (key or None, None, None)
    repositories = repository_names(session)
    if by is SpendBy.REPO:
        return lambda key: (repositories.get(key), None, None)
    workflows = workflow_names(session)
    return lambda key: (workflows.get(key, str(key[1])), repositories.get(key[0]), key[1])


def _change(now: float, before: float) -> float | None:
    return (now - before) / before if before else None
