"""Metrics, their time series and groups, and the comparison with the previous period."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.deps import FilterDep, NowDep, SessionDep, TeamsDep, reject_unknown_parameters
from api.errors import bad_parameter
from api.response_cache import cached_response
from db.enums import GroupBy, Interval
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from health.metrics.definitions.losses import limit_gaps
from health.metrics.team_groups import largest_team_groups

router = APIRouter(prefix="/api/metrics", tags=["Metrics"], dependencies=[Depends(reject_unknown_parameters)])
_MAX_POINTS = 5_000
_NESTED_FIGURES = (
    "runs",
    "duration_seconds",
    "queue_seconds",
    "recovery_seconds",
    "success_duration_seconds",
    "failure_duration_seconds",
    "first_attempts",
    "commits",
    "waste",
)


@router.get("", operation_id="get_metrics", response_model=schemas.MetricsAnswer, summary="Get metrics")
def metrics(request: Request, session: SessionDep, now: NowDep, query: FilterDep) -> Response:
    """docs/metrics.md defines each figure. `data` has the completeness of the data behind them."""

    def build() -> schemas.MetricsAnswer:
        failures = service.read_failures(session, query.scope, query.window)
        metrics = service.snapshot(session, query.scope, query.window, now=now, failures=failures)
        return schemas.MetricsAnswer.from_metrics(metrics, query.window)

    return cached_response(request, session, build)


@router.get(
    "/compare",
    operation_id="compare_metrics",
    response_model=schemas.ComparedMetrics,
    summary="Compare metrics with the previous period",
)
def compare(request: Request, session: SessionDep, query: FilterDep) -> Response:
    """The previous period has the same weekdays and hours. It lies the smallest number of whole weeks earlier that
    avoids an overlap: 30 days are compared with the 30 days that begin 35 days earlier."""

    def build() -> schemas.ComparedMetrics:
        failures = service.read_period_failures(session, query.scope, query.window)
        comparison = service.compare(session, query.scope, query.window, failures=failures)
        return schemas.ComparedMetrics.from_comparison(comparison)

    return cached_response(request, session, build)


@router.get("/series", operation_id="get_series", response_model=schemas.Series, summary="Get a time series of metrics")
def series(
    request: Request,
    session: SessionDep,
    now: NowDep,
    query: FilterDep,
    interval: Annotated[
        Interval, Query(description="Length of a bucket: hour, day or ISO week, in UTC")
    ] = Interval.DAY,
) -> Response:
    """One point per bucket. A bucket without runs has zero runs and null rates."""
    if len(query.window.buckets(interval)) > _MAX_POINTS:
        raise bad_parameter("interval", f"more than {_MAX_POINTS:,} points; use a longer interval or a shorter window")

    def build() -> dict[str, Any]:
        failures = service.read_failures(session, query.scope, query.window)
        points = service.series(session, query.scope, query.window, interval, now=now, failures=failures)
        data = points[0].metrics.data
        item_data = limit_gaps(data)
        items = [
            {**_plain_figures(point.metrics), "data": item_data, "start": point.start, "partial": point.partial}
            for point in points
        ]
        return {"interval": interval, "window": query.window, "points": items, "data": data}

    return cached_response(request, session, build)


@router.get(
    "/groups",
    operation_id="get_groups",
    response_model=schemas.Groups,
    summary="Get metrics by repository, workflow, branch, event, actor, runner or team",
)
def groups(
    request: Request,
    session: SessionDep,
    now: NowDep,
    query: FilterDep,
    teams: TeamsDep,
    by: Annotated[GroupBy | Literal["team"], Query(description="Attribute to group by")],
    limit: Annotated[
        int, Query(ge=1, le=500, description="Maximum number of groups; `total` is the number of all groups")
    ] = 500,
) -> Response:
    """Sorted by number of runs, largest first. `key` is null for runs without a value. `rest` has the figures of all
    groups beyond the limit together, so that `items` and `rest` cover all runs. By team, a run counts in each team that
    owns its repository or workflow, so that the sum may be larger; `none` is what no team owns."""

    def build() -> dict[str, Any]:
        failures = service.read_failures(session, query.scope, query.window)
        selection = session, query.scope, query.window
        if by == "team":
            groups = largest_team_groups(*selection, limit=limit, teams=teams, now=now, failures=failures)
        else:
            groups = service.largest_groups(*selection, by, limit=limit, now=now, failures=failures)
        item_data = limit_gaps(groups.data)
        items = [
            {
                **_plain_figures(group.metrics),
                "data": item_data,
                "key": group.key,
                "repo": group.repo,
                "workflow_id": group.workflow_id,
            }
            for group in groups.groups
        ]
        return {
            "by": by,
            "window": query.window,
            "items": items,
            "total": groups.total,
            "rest": {**_plain_figures(groups.rest), "data": item_data} if groups.rest else None,
            "data": groups.data,
        }

    return cached_response(request, session, build)


def _plain_figures(metrics: Metrics) -> dict[str, Any]:
    """The figures with their parts as dictionaries. A series has up to 5,000 points: serializing dictionaries takes
    half the time of dataclasses and a seventh of the time of validated models."""
    figures = dict(vars(metrics))
    for name in _NESTED_FIGURES:
        if figures[name] is not None:
            figures[name] = vars(figures[name])
    return figures
