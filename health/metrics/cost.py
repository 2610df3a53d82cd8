"""Minutes and cost of jobs: by group, over time, and wasted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from health.completeness.service import PeriodCompleteness
from health.metrics import service
from health.metrics.definitions.aggregates import Aggregates, empty_aggregates
from health.metrics.definitions.percentiles import ratio
from health.metrics.definitions.table import OUTCOMES
from health.metrics.definitions.usage import SUMS, UsageKey, UsageTable
from health.metrics.queries import usage_queries as queries
from health.metrics.queries.executor import aggregates
from health.metrics.queries.grouping import BucketStarts, MetricsQuery, is_partial
from health.metrics.queries.names import Names, repository_names


class CostGroupBy(StrEnum):
    REPO = "repo"
    WORKFLOW = "workflow"
    RUNNER = "runner"


@dataclass(frozen=True)
class CostGroup:
    """`key` is a repository, the name of a workflow (with `repo` and `workflow_id`), or the labels of a runner, null
    for jobs without labels. `runs` is null by runner: a run uses several. `minutes` are rounded up for each job;
    `unpriced_minutes` of them have no known price and are not in the cost. `wasted_seconds` are those of attempts that
    were flaky, cancelled or superseded, `defect_seconds` those of attempts that found a defect. `share` is the part of
    the cost of all groups, of their minutes where nothing has a cost; `change` is relative to the previous period, null
    where that is not complete."""

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
    """`since` is set where there are too many runs to read: minutes (by runner: all figures) are those of jobs of runs
    created since then."""

    items: list[CostGroup]
    since: datetime | None


@dataclass(frozen=True)
class CostPoint:
    """`partial`: the bucket is not entirely in the window. `wasted_seconds` and `defect_seconds` are as in CostGroup;
    null where there were too many runs to read."""

    start: datetime
    partial: bool
    compute_seconds: float
    wasted_seconds: float | None
    defect_seconds: float | None
    cost_usd: float


@dataclass(frozen=True)
class WorkflowWaste:
    """Wasted job seconds of a workflow by reason (db.definitions.attempts.WasteReason); `share` is their part of its
    compute time. `defect_seconds` are not a part of them. `wasted_usd` is an estimate: the cost by runner in proportion
    to its wasted time, null where none of its minutes has a known price. `never_started` jobs have no time."""

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
    """The workflows with the most wasted time first; the sums are those of all workflows. `unpriced` lists labels (null
    for jobs without labels) and their minutes without a known price, the most minutes first. `since` as in
    CostBreakdown."""

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
        """True where no minute has a known price."""
        return 0 < self.minutes <= self.unpriced_minutes

    def amount(self, *, money: bool) -> float:
        return self.cost_usd if money else float(self.minutes)


# Sums of a group of jobs, and the cost of the wasted part.
_COLUMNS = (*SUMS, "wasted_usd")
_RUN_COLUMNS = ("compute", "cost")


def cost_by_group(
    session: Session, scope: Scope, window: Window, by: CostGroupBy, *, periods: PeriodCompleteness | None = None
) -> CostBreakdown:
    """Returns the most expensive group first; where nothing has a cost, the one with the most minutes. `periods` is the
    completeness of the window and its previous period, read where it is not given."""
    current, since = _cost_sums(session, scope, window, by)
    comparable = since is None and service.was_collected(session, scope, window, rollups_suffice=True, periods=periods)
    previous = _cost_sums(session, scope, window.before(), by)[0] if comparable else {}
    money = any(sums.cost_usd for sums in current.values())
    total = sum(sums.amount(money=money) for sums in current.values())
    name = _group_namer(session, by)
    items = [
        CostGroup(
            *name(key),
            **vars(sums),
            share=ratio(sums.amount(money=money), total),
            change=_change(sums.amount(money=money), previous[key].amount(money=money)) if key in previous else None,
        )
        for key, sums in current.items()
    ]
    items.sort(key=lambda item: (-item.cost_usd, -item.minutes, item.key or "", item.workflow_id or 0))
    return CostBreakdown(items, since)


def cost_series(session: Session, scope: Scope, window: Window, interval: Interval) -> list[CostPoint]:
    """Returns one point a bucket of the window, also where nothing ran."""
    query = MetricsQuery(
        scope, window, interval=interval, histograms=(), recoveries=False, counts=(), sums=_RUN_COLUMNS
    )
    by_bucket, empty = aggregates(session, query), empty_aggregates()
    used = queries.usage_by_bucket(session, scope, window, interval)
    starts = BucketStarts(interval)
    job_sums = _sum_by_group(used.usage, lambda key: starts.of_hour(time_buckets.start_hour(key.bucket)))
    points = []
    for start in window.buckets(interval):
        runs, jobs = by_bucket.get((None, start), empty), job_sums.get(start, _ZERO_SUMS)
        is_known = used.since is None or start >= used.since
        points.append(
            CostPoint(
                start,
                is_partial(start, interval, window),
                runs.compute_seconds,
                _wasted_seconds(jobs) if is_known else None,
                _defect_seconds(jobs) if is_known else None,
                runs.cost_usd,
            )
        )
    return points


def wasted_minutes(session: Session, scope: Scope, window: Window) -> WastedMinutes:
    """Returns waste by workflow, without workflows that have neither waste nor defects nor jobs that never started."""
    used = queries.usage_by_group(session, scope, window, GroupBy.WORKFLOW)
    name, items = _group_namer(session, CostGroupBy.WORKFLOW), []
    total = _ZERO_SUMS
    for key, sums in _sum_by_group(used.usage, _GROUP_KEY[CostGroupBy.WORKFLOW]).items():
        total = {column: total[column] + sums[column] for column in _COLUMNS}
        if _wasted_seconds(sums) or _defect_seconds(sums) or sums["never_started"]:
            items.append(_workflow_waste(*name(key), sums))
    items.sort(
        key=lambda item: (-item.wasted_seconds, -item.defect_seconds, item.repo, item.workflow, item.workflow_id)
    )
    return WastedMinutes(
        items=items,
        flaky_seconds=total["flaky"],
        cancelled_seconds=total["cancelled"],
        superseded_seconds=total["superseded"],
        wasted_seconds=_wasted_seconds(total),
        wasted_usd=total["wasted_usd"],
        defect_seconds=_defect_seconds(total),
        compute_seconds=total["compute"],
        never_started=int(total["never_started"]),
        unpriced=_unpriced(used.usage),
        since=used.since,
    )


def _workflow_waste(
    workflow: str | None, repo: str | None, workflow_id: int | None, sums: Mapping[str, float]
) -> WorkflowWaste:
    return WorkflowWaste(
        repo=repo or "",
        workflow=workflow or "",
        workflow_id=workflow_id or 0,
        flaky_seconds=sums["flaky"],
        cancelled_seconds=sums["cancelled"],
        superseded_seconds=sums["superseded"],
        wasted_seconds=_wasted_seconds(sums),
        wasted_usd=None if _sums_from_jobs(sums).unpriced else sums["wasted_usd"],
        defect_seconds=_defect_seconds(sums),
        never_started=int(sums["never_started"]),
        share=ratio(_wasted_seconds(sums), sums["compute"]),
    )


def _unpriced(usage: UsageTable) -> list[tuple[str | None, int]]:
    by_label = _sum_by_group(usage, _GROUP_KEY[CostGroupBy.RUNNER])
    minutes = {label: int(sums["unpriced_minutes"]) for label, sums in by_label.items() if sums["unpriced_minutes"]}
    return [(label or None, minutes[label]) for label in sorted(minutes, key=lambda label: (-minutes[label], label))]


def _cost_sums(
    session: Session, scope: Scope, window: Window, by: CostGroupBy
) -> tuple[dict[Any, _CostSums], datetime | None]:
    """Returns the sums of each group, and `since` as in CostBreakdown. Cost and compute time of repositories and
    workflows come from runs, as in all other figures; the rest, and everything by runner, comes from jobs."""
    group = None if by is CostGroupBy.RUNNER else GroupBy(by)
    used = queries.usage_by_group(session, scope, window, group)
    job_sums = _sum_by_group(used.usage, _GROUP_KEY[by])
    if group is None:
        return {key: _sums_from_jobs(sums) for key, sums in job_sums.items()}, used.since
    query = MetricsQuery(scope, window, group, histograms=(), recoveries=False, counts=OUTCOMES, sums=_RUN_COLUMNS)
    costs = {
        key: _sums_from_runs(runs, job_sums.get(key, _ZERO_SUMS))
        for (key, _), runs in aggregates(session, query).items()
    }
    return {key: sums for key, sums in costs.items() if sums.runs}, used.since


def _sums_from_jobs(sums: Mapping[str, float]) -> _CostSums:
    return _CostSums(
        runs=None,
        jobs=int(sums["jobs"]),
        minutes=int(sums["minutes"]),
        compute_seconds=sums["compute"],
        wasted_seconds=_wasted_seconds(sums),
        defect_seconds=_defect_seconds(sums),
        cost_usd=sums["cost"],
        unpriced_minutes=int(sums["unpriced_minutes"]),
        never_started=int(sums["never_started"]),
    )


def _sums_from_runs(runs: Aggregates, job_sums: Mapping[str, float]) -> _CostSums:
    return replace(
        _sums_from_jobs(job_sums),
        runs=sum(runs.outcomes.values()),
        compute_seconds=runs.compute_seconds,
        cost_usd=runs.cost_usd,
    )


def _wasted_seconds(sums: Mapping[str, Any]) -> Any:
    """Takes the sums of a group, or columns of many rows."""
    return sums["flaky"] + sums["cancelled"] + sums["superseded"]


def _defect_seconds(sums: Mapping[str, float]) -> float:
    """Seconds that failed and were not flaky. Roll-ups of older versions do not have `defect`."""
    return max(sums["failed"] - sums["flaky"], 0.0)


_ZERO_SUMS: Mapping[str, float] = dict.fromkeys(_COLUMNS, 0.0)
_GROUP_KEY: Mapping[CostGroupBy, Callable[[UsageKey], Any]] = {
    CostGroupBy.REPO: lambda key: key.repository_id,
    CostGroupBy.WORKFLOW: lambda key: (key.repository_id, key.workflow_id),
    CostGroupBy.RUNNER: lambda key: key.label,
}


def _sum_by_group(usage: UsageTable, group_key: Callable[[UsageKey], Any]) -> dict[Any, dict[str, float]]:
    """Returns the sums of each group by the names of _COLUMNS."""
    if not usage.keys:
        return {}
    row_of_group: dict[Any, int] = {}
    rows = np.fromiter(
        (row_of_group.setdefault(group_key(key), len(row_of_group)) for key in usage.keys), np.int64, len(usage.keys)
    )
    column = dict(zip(SUMS, usage.sums.T, strict=True))
    compute = column["compute"]
    share = np.divide(_wasted_seconds(column), compute, out=np.zeros(len(rows)), where=compute > 0)
    sums = np.zeros((len(row_of_group), len(_COLUMNS)))
    np.add.at(sums, rows, np.column_stack((usage.sums, column["cost"] * share)))
    return {
        group: dict(zip(_COLUMNS, row, strict=True)) for group, row in zip(row_of_group, sums.tolist(), strict=True)
    }


def _group_namer(session: Session, by: CostGroupBy) -> Callable[[Any], tuple[str | None, str | None, int | None]]:
    """Returns a function from the key of a group to `key`, `repo` and `workflow_id` of CostGroup."""
    if by is CostGroupBy.RUNNER:
        return lambda key: (key or None, None, None)
    if by is CostGroupBy.REPO:
        repositories = repository_names(session)
        return lambda key: (repositories.get(key), None, None)
    names = Names(session)
    return lambda key: (names.workflow(key), names.repository(key[0]), key[1])


def _change(current: float, previous: float) -> float | None:
    return (current - previous) / previous if previous else None
