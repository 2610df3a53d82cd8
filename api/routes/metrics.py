"""Figures."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.cache import cached_response
from api.deps import FilterDep, NowDep, SessionDep, reject_unknown_parameters
from api.errors import bad_parameter
from db.enums import GroupBy, Interval
from health.completeness.gaps import Completeness
from health.metrics import service
from health.metrics.definitions.catalogue import display
from health.metrics.definitions.formulas import Metrics
from health.metrics.definitions.losses import limit_gaps

router = APIRouter(prefix="/api/metrics", tags=["Metrics"], dependencies=[Depends(reject_unknown_parameters)])
_MAX_POINTS = 5_000


@router.get("", operation_id="get_metrics", response_model=schemas.MetricsAnswer, summary="The figures of a filter")
def metrics(request: Request, session: SessionDep, now: NowDep, query: FilterDep) -> Response:
    """What each figure means stands in docs/metrics.md; `data` says how complete the data behind them is."""

    def make() -> schemas.MetricsAnswer:
        found = service.snapshot(session, query.scope, query.window, now=now)
        return schemas.MetricsAnswer.model_validate(
            {**schemas.figure_fields(found), "display": display(found), "window": query.window}
        )

    return cached_response(request, session, make)


@router.get(
    "/compare",
    operation_id="compare_metrics",
    response_model=schemas.ComparedMetrics,
    summary="The figures against the previous period",
)
def compare(request: Request, session: SessionDep, query: FilterDep) -> Response:
    """The previous period has the same weekdays and hours, the fewest whole weeks earlier with which it does not
    overlap the window: 30 days are compared with the 30 that begin 35 days earlier."""

    def make() -> schemas.ComparedMetrics:
        return schemas.ComparedMetrics.model_validate(
            schemas.comparison_fields(service.compare(session, query.scope, query.window))
        )

    return cached_response(request, session, make)


@router.get("/series", operation_id="get_series", response_model=schemas.Series, summary="The figures over time")
def series(
    request: Request,
    session: SessionDep,
    now: NowDep,
    query: FilterDep,
    interval: Annotated[Interval, Query(description="Hours, days or ISO weeks in UTC")] = Interval.DAY,
) -> Response:
    """A bucket without runs is a point with zero runs and null rates."""
    if len(query.window.buckets(interval)) > _MAX_POINTS:
        raise bad_parameter(
            "interval", f"more than {_MAX_POINTS:,} points; ask for a longer interval or a shorter window"
        )

    def make() -> dict[str, Any]:
        points = service.series(session, query.scope, query.window, interval, now=now)
        data = points[0].metrics.data
        figures = _items_figures(data)
        listed = [{**figures(each.metrics), "start": each.start, "partial": each.partial} for each in points]
        return {"interval": interval, "window": query.window, "points": listed, "data": data}

    return cached_response(request, session, make)


@router.get(
    "/groups",
    operation_id="get_groups",
    response_model=schemas.Groups,
    summary="The figures by repository, workflow, branch, …",
)
def groups(
    request: Request,
    session: SessionDep,
    now: NowDep,
    query: FilterDep,
    by: Annotated[GroupBy, Query(description="What to group by")],
    limit: Annotated[
        int, Query(ge=1, le=500, description="Largest number of groups to return; `total` is the number of all groups")
    ] = 500,
) -> Response:
    """The group with the most runs first. `key` is null for runs without such a value. `rest` has the figures of all
    groups beyond the limit together: of the same runs as `items`, nothing is left out of the sums."""

    def make() -> dict[str, Any]:
        found = service.largest_groups(session, query.scope, query.window, by, limit=limit, now=now)
        figures = _items_figures(found.data)
        listed = [
            {**figures(each.metrics), "key": each.key, "repo": each.repo, "workflow_id": each.workflow_id}
            for each in found.groups
        ]
        rest = figures(found.rest) if found.rest else None
        told = {"by": by, "window": query.window, "items": listed, "total": found.total, "rest": rest}
        return {**told, "data": found.data}

    return cached_response(request, session, make)


def _items_figures(data: Completeness) -> Callable[[Metrics], dict[str, Any]]:
    """Figures of items, which all have the completeness of the whole answer: shortened, because there are thousands of
    items and there may be a gap for each repository."""
    brief = limit_gaps(data)
    return lambda metrics: {**schemas.figure_fields(metrics), "data": brief}
