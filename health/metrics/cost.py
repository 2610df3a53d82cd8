"""Minutes and money: where they go, and what of them served nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.scope import INTERVAL_LENGTHS, Scope, Window, bucket_start
from db.enums import GroupBy, Interval
from health.metrics import service
from health.metrics.definitions.aggregates import Aggregates, empty_aggregates
from health.metrics.definitions.distribution import ratio
from health.metrics.definitions.table import OUTCOMES
from health.metrics.definitions.usage import SUMS, UsageKey, UsageTable
from health.metrics.queries import usage_queries as queries
from health.metrics.queries.executor import aggregates, repository_names, workflow_names
from health.metrics.queries.grouping import MetricsQuery


class CostGroupBy(StrEnum):
    REPO = "repo"
    WORKFLOW = "workflow"
    RUNNER = "runner"


@dataclass(frozen=True)
class CostGroup:
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
class CostBreakdown:
    """`since`: where minutes (of runners: everything) are only of the jobs of runs created since then, because there
    are too many to read; else null."""

    items: list[CostGroup]
    since: datetime | None


@dataclass(frozen=True)
class CostPoint:
    """`partial` marks a bucket that the window cuts short. `wasted_seconds` and `defect_seconds` are as in Spend; null
    where there were too many runs to read."""

    start: datetime
    partial: bool
    compute_seconds: float
    wasted_seconds: float | None
    defect_seconds: float | None
    cost_usd: float


@dataclass(frozen=True)
class WorkflowWaste:
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
class WastedMinutes:
    """The most wasted first; the sums are of all workflows. `unpriced` are the labels (null: none) whose minutes have
    no known price, the most minutes first."""

    items: list[WorkflowWaste]
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
class _CostSums:
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

    def amount(self, *, money: bool) -> float:
        return self.cost_usd if money else float(self.minutes)


# Of a group: the sums, and the cost of what was wasted.
_COLUMNS = (*SUMS, "wasted_usd")
_RUN_COLUMNS = ("compute", "cost")


def cost_by_group(session: Session, scope: Scope, window: Window, by: CostGroupBy) -> CostBreakdown:
    """The most expensive first, where nothing costs the most minutes."""
    before = window.before()
    now, since = _cost_sums(session, scope, window, by)
    comparable = since is None and service.was_collected(session, scope, window, rollups_suffice=True)
    then = _cost_sums(session, scope, before, by)[0] if comparable else {}
    money = any(each.cost_usd for each in now.values())
    total = sum(each.amount(money=money) for each in now.values())
    name = _group_namer(session, by)
    items = [
        CostGroup(
            *name(key), **vars(each), share=ratio(each.amount(money=money), total),
            change=_change(each.amount(money=money), then[key].amount(money=money)) if key in then else None,
        )
        for key, each in now.items()
    ]  # fmt: skip
    items.sort(key=lambda each: (-each.cost_usd, -each.minutes, each.key or "", each.workflow_id or 0))
    return CostBreakdown(items, since)


def cost_series(session: Session, scope: Scope, window: Window, interval: Interval) -> list[CostPoint]:
    """One point a bucket, also where nothing ran."""
    question = MetricsQuery(
        scope, window, interval=interval, histograms=(), recoveries=False, counts=(), sums=_RUN_COLUMNS
    )
    found, empty = aggregates(session, question), empty_aggregates()
    used = queries.usage_by_bucket(session, scope, window, interval)
    starts = {
        tile: bucket_start(time_buckets.start_time(tile), interval) for tile in {key.bucket for key in used.usage.keys}
    }
    in_vain = _sum_by_group(used.usage, lambda key: starts[key.bucket])
    points = []
    for start in window.buckets(interval):
        of_runs, added = found.get((None, start), empty), in_vain.get(start, _ZERO_SUMS)
        partial = start < window.since or start + INTERVAL_LENGTHS[interval] > window.until
        known = used.since is None or start >= used.since
        points.append(
            CostPoint(start, partial, of_runs.compute_seconds, _wasted_seconds(added) if known else None,
                       _defect_seconds(added) if known else None, of_runs.cost_usd)
        )  # fmt: skip
    return points


def wasted_minutes(session: Session, scope: Scope, window: Window) -> WastedMinutes:
    """By workflow; those that wasted nothing, found nothing and started everything are left out."""
    used = queries.usage_by_group(session, scope, window, GroupBy.WORKFLOW)
    name, items = _group_namer(session, CostGroupBy.WORKFLOW), []
    total = _ZERO_SUMS
    for key, added in _sum_by_group(used.usage, _GROUP_KEY[CostGroupBy.WORKFLOW]).items():
        total = {column: total[column] + added[column] for column in _COLUMNS}
        if _wasted_seconds(added) or _defect_seconds(added) or added["never_started"]:
            workflow, repo, workflow_id = name(key)
            items.append(
                WorkflowWaste(
                    repo or "", workflow or "", workflow_id or 0, added["flaky"], added["cancelled"],
                    added["superseded"], _wasted_seconds(added), None if _sums_from_jobs(added).unpriced else added["wasted_usd"],
                    _defect_seconds(added),
                    int(added["never_started"]), ratio(_wasted_seconds(added), added["compute"]),
                )
            )  # fmt: skip
    items.sort(
        key=lambda each: (-each.wasted_seconds, -each.defect_seconds, each.repo, each.workflow, each.workflow_id)
    )
    return WastedMinutes(
        items, total["flaky"], total["cancelled"], total["superseded"], _wasted_seconds(total), total["wasted_usd"],
        _defect_seconds(total), total["compute"], int(total["never_started"]), _unpriced(used.usage), used.since,
    )  # fmt: skip


def _unpriced(usage: UsageTable) -> list[tuple[str | None, int]]:
    minutes = {
        label: int(added["unpriced_minutes"]) for label, added in _sum_by_group(usage, _GROUP_KEY[CostGroupBy.RUNNER]).items()
        if added["unpriced_minutes"]
    }  # fmt: skip
    return [(label or None, minutes[label]) for label in sorted(minutes, key=lambda label: (-minutes[label], label))]


def _cost_sums(
    session: Session, scope: Scope, window: Window, by: CostGroupBy
) -> tuple[dict[Any, _CostSums], datetime | None]:
    """Money and compute of runs are those of every other figure; the rest, and all of runners, is of jobs."""
    group = None if by is CostGroupBy.RUNNER else GroupBy(by)
    used = queries.usage_by_group(session, scope, window, group)
    added = _sum_by_group(used.usage, _GROUP_KEY[by])
    if group is None:
        return {key: _sums_from_jobs(each) for key, each in added.items()}, used.since
    found = aggregates(
        session, MetricsQuery(scope, window, group, histograms=(), recoveries=False, counts=OUTCOMES, sums=_RUN_COLUMNS)
    )
    spent = {key: _sums_from_runs(each, added.get(key, _ZERO_SUMS)) for (key, _), each in found.items()}
    return {key: each for key, each in spent.items() if each.runs}, used.since


def _sums_from_jobs(added: Mapping[str, float]) -> _CostSums:
    return _CostSums(
        None, int(added["jobs"]), int(added["minutes"]), added["compute"], _wasted_seconds(added), _defect_seconds(added),
        added["cost"], int(added["unpriced_minutes"]), int(added["never_started"]),
    )  # fmt: skip


def _sums_from_runs(run_sums: Aggregates, added: Mapping[str, float]) -> _CostSums:
    of_jobs = _sums_from_jobs(added)
    runs = sum(run_sums.outcomes.values())
    return replace(of_jobs, runs=runs, compute_seconds=run_sums.compute_seconds, cost_usd=run_sums.cost_usd)


def _wasted_seconds(added: Mapping[str, Any]) -> Any:
    """Of a group, or of all rows at once."""
    return added["flaky"] + added["cancelled"] + added["superseded"]


def _defect_seconds(added: Mapping[str, float]) -> float:
    """What failed and was not flaky: roll-ups of older versions do not tell these apart."""
    return max(added["failed"] - added["flaky"], 0.0)


_ZERO_SUMS: Mapping[str, float] = dict.fromkeys(_COLUMNS, 0.0)
_GROUP_KEY: Mapping[CostGroupBy, Callable[[UsageKey], Any]] = {
    CostGroupBy.REPO: lambda key: key.repository_id,
    CostGroupBy.WORKFLOW: lambda key: (key.repository_id, key.workflow_id),
    CostGroupBy.RUNNER: lambda key: key.label,
}


def _sum_by_group(usage: UsageTable, place: Callable[[UsageKey], Any]) -> dict[Any, dict[str, float]]:
    """The sums of each group, by their names."""
    if not usage.keys:
        return {}
    places: dict[Any, int] = {}
    rows = np.fromiter((places.setdefault(place(key), len(places)) for key in usage.keys), np.int64, len(usage.keys))
    column = dict(zip(SUMS, usage.sums.T, strict=True))
    compute = column["compute"]
    share = np.divide(_wasted_seconds(column), compute, out=np.zeros(len(rows)), where=compute > 0)
    sums = np.zeros((len(places), len(_COLUMNS)))
    np.add.at(sums, rows, np.column_stack((usage.sums, column["cost"] * share)))
    return {each: dict(zip(_COLUMNS, row, strict=True)) for each, row in zip(places, sums.tolist(), strict=True)}


def _group_namer(session: Session, by: CostGroupBy) -> Callable[[Any], tuple[str | None, str | None, int | None]]:
    """Key, repository and workflow id as Spend has them."""
    if by is CostGroupBy.RUNNER:
        return lambda key: (key or None, None, None)
    repositories = repository_names(session)
    if by is CostGroupBy.REPO:
        return lambda key: (repositories.get(key), None, None)
    workflows = workflow_names(session)
    return lambda key: (workflows.get(key, str(key[1])), repositories.get(key[0]), key[1])


def _change(now: float, before: float) -> float | None:
    return (now - before) / before if before else None
