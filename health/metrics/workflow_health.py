"""The workflows of a scope with their figures, and what a page of them shows in addition.

Figures of all workflows decide their order. Trends, latest runs and the previous period are read for the workflows of
one page, so that the cost of a page does not depend on the number of workflows."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from db.runs.run_lists import recent_outcomes
from health.completeness.service import PeriodCompleteness, read_periods
from health.metrics import service
from health.metrics.branch_status import WorkflowPath
from health.metrics.definitions.change import wilson
from health.metrics.definitions.formulas import Metrics
from health.metrics.queries import executor
from health.metrics.queries.grouping import MetricsQuery

# Longer windows have a trend by weeks.
_MAX_DAILY_TREND = timedelta(days=62)
# With more workflows, the queries are not restricted to these workflows: a condition for each is slower.
_MAX_SELECTED = 200


@dataclass(frozen=True)
class WorkflowHealth:
    """A workflow with runs in the window, and their figures."""

    repo: str
    workflow: str
    repository_id: int
    workflow_id: int
    metrics: Metrics

    @property
    def path(self) -> WorkflowPath:
        return self.repo, self.workflow_id


@dataclass(frozen=True)
class WorkflowHistory:
    """`trend` is the success rate by day, in windows above two months by week, null without completed runs;
    `recent_outcomes` are run ids and outcomes, oldest first; `last_run_at` is null where the runs are deleted;
    `previous` are the figures of the previous period, null where it was not collected or had no runs."""

    trend: list[float | None]
    recent_outcomes: list[tuple[int, str]]
    last_run_at: datetime | None
    previous: Metrics | None


NO_HISTORY = WorkflowHistory([], [], None, None)


def list_workflows(
    session: Session,
    scope: Scope,
    window: Window,
    now: datetime,
    *,
    failing: Container[WorkflowPath] = (),
    periods: PeriodCompleteness | None = None,
    failures: service.InfrastructureFailures | None = None,
) -> list[WorkflowHealth]:
    """Returns the workflows with runs in the window: the `failing` ones first, then by the ascending upper bound of the
    success rate (95 %). Open episodes last until `now`. `periods` is the completeness of the window and its previous
    period, read where it is not given; `failures` as in service.snapshot."""
    data = (periods or read_periods(session, scope, window)).current
    groups = service.workflow_groups(session, scope, window, now=now, completeness=data, failures=failures)
    workflows = [
        WorkflowHealth(group.repo or "", group.key or "", *key, group.metrics) for key, group in groups.items()
    ]
    return sorted(workflows, key=lambda workflow: _severity_key(workflow, failing))


def workflow_histories(
    session: Session,
    scope: Scope,
    window: Window,
    workflows: Sequence[WorkflowHealth],
    *,
    periods: PeriodCompleteness | None = None,
) -> Mapping[WorkflowPath, WorkflowHistory]:
    """Returns the histories of these workflows. `periods` as in list_workflows."""
    if not workflows:
        return {}
    periods = periods or read_periods(session, scope, window)
    selected = _selected(scope, workflows)
    interval = Interval.DAY if window.span <= _MAX_DAILY_TREND else Interval.WEEK
    rates = executor.success_rates(session, MetricsQuery(selected, window, GroupBy.WORKFLOW, interval))
    recent = recent_outcomes(session, scope, window, [_key(workflow) for workflow in workflows])
    previous: Mapping[Any, service.Group] = {}
    if service.was_collected(session, scope, window, periods=periods):
        before = window.before()
        previous = service.workflow_groups(session, selected, before, completeness=periods.previous)
    histories = {}
    for workflow in workflows:
        key = _key(workflow)
        runs, group = recent.get(key), previous.get(key)
        histories[workflow.path] = WorkflowHistory(
            trend=rates.get(key, []),
            recent_outcomes=runs.runs if runs else [],
            last_run_at=runs.last_at if runs else None,
            previous=group.metrics if group else None,
        )
    return histories


def _selected(scope: Scope, workflows: Sequence[WorkflowHealth]) -> Scope:
    if len(workflows) > _MAX_SELECTED:
        return scope
    repos = tuple(sorted({workflow.repo for workflow in workflows}))
    return replace(scope, repos=repos, workflows=tuple(str(workflow.workflow_id) for workflow in workflows))


def _key(workflow: WorkflowHealth) -> tuple[int, int]:
    return workflow.repository_id, workflow.workflow_id


def _severity_key(workflow: WorkflowHealth, failing: Container[WorkflowPath]) -> tuple[bool, float, str, str]:
    """By the upper bound of the success rate, so that one failure of one run does not precede 50 of 100."""
    runs = workflow.metrics.runs
    bound = wilson(runs.success, runs.decided)[1] if runs.decided else 2.0
    return workflow.path not in failing, bound, workflow.repo, workflow.workflow
