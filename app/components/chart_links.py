"""What the marks of charts open: runs of their time bucket with the filters of the page, and the comparison of jobs and
steps before and after a regression."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app import frames
from app.charts.links import ChartLinks
from app.filters import selection
from app.filters.days import Dates
from app.frames.trends import UTC, marked
from app.widgets.cells import address
from db.definitions.scope import Window
from db.enums import Interval, Outcome
from db.repositories.repository_queries import WorkflowRow
from health.insights.regressions import Regression

# Runs before and after a regression that its comparison needs, if it is at the edge of the period.
_MARGIN = timedelta(days=14)
# The element of the page of a workflow to which a marker leads.
SLOWDOWN_SECTION = "slowdown"


def over_time(
    window: Window,
    interval: Interval,
    now: datetime,
    zone: ZoneInfo = UTC,
    *,
    workflow: WorkflowRow | None = None,
    by_branch: bool = False,
) -> ChartLinks:
    """Each mark opens the runs of its bucket. `by_branch`: the traces of the chart select their branch."""
    omitted = {"branch"} if by_branch else set()
    query = [*_scope_query(workflow, omitted), *_period_query()]
    return ChartLinks(address("runs", query), frames.buckets(window, interval, now, zone), zone=str(zone))


def runs() -> ChartLinks:
    """Each mark opens runs of the period with a query of its own."""
    return ChartLinks(address("runs", [*_scope_query(None, set()), *selection.time_query()]))


def of_causes(
    window: Window, interval: Interval, now: datetime, zone: ZoneInfo = UTC, *, cause: str | None = None
) -> ChartLinks:
    """Each mark opens the failure causes of its bucket, or the page of one cause (its fingerprint) with its bucket."""
    own: list[tuple[str, object]] = [("cause", cause)] if cause else []
    query = [*own, *_scope_query(None, set()), *_period_query()]
    return ChartLinks(address("failures", query), frames.buckets(window, interval, now, zone), zone=str(zone))


def of_figures(workflow: WorkflowRow | None = None) -> Mapping[str, str]:
    """The addresses of the runs behind key figures, by figure: all runs, failed ones, or the highest values first."""
    query = [*_scope_query(workflow, set()), *selection.time_query()]
    own: dict[str, list[tuple[str, object]]] = {
        "runs": [],
        "failures": [("outcome", Outcome.FAILURE)],
        "success_duration_p50": [("outcome", Outcome.SUCCESS), ("sort", "runs.-duration")],
        "queue_p95": [("sort", "runs.-queue")],
    }
    return {figure: address("runs", [*query, *extra]) for figure, extra in own.items()}


def of_points(
    window: Window, interval: Interval, now: datetime, zone: ZoneInfo, regressions: Sequence[Regression]
) -> ChartLinks:
    """For marks that have addresses of their own."""
    unit = Interval.HOUR if interval is Interval.HOUR else Interval.DAY
    buckets = frames.buckets(window, unit, now, zone, centred=False)
    return with_markers(ChartLinks("", buckets, zone=str(zone)), regressions, "duration", window)


def with_markers(links: ChartLinks, regressions: Sequence[Regression], kind: str, window: Window) -> ChartLinks:
    """The links with those of the regressions of one kind, in the order of their markers."""
    return replace(links, markers=[marker_address(item, window) for item in marked(regressions, kind, window)])


def marker_address(regression: Regression, window: Window) -> str:
    """The page of the workflow, with a period that contains runs before and after the regression."""
    time = selection.time_query()
    if min(regression.since - window.since, window.until - regression.since) < window.span / 4:
        first = (regression.since - _MARGIN).date()
        last = min(regression.since + _MARGIN, window.until).date()
        time = [*_period_query(), ("dates", Dates.days(first, last).query_value)]
    return f"{address('workflow', [('id', regression.workflow_id), *time])}#{SLOWDOWN_SECTION}"


def _scope_query(workflow: WorkflowRow | None, omitted: set[str]) -> list[tuple[str, object]]:
    own: list[tuple[str, object]] = [("repo", workflow.repo), ("workflow", workflow.name)] if workflow else []
    replaced = {name for name, _ in own} | omitted | {"period"}
    return [*own, *((name, value) for name, value in selection.filter_query() if name not in replaced)]


def _period_query() -> list[tuple[str, object]]:
    """The period that the dates of a mark override: it is selected again without them."""
    return [(name, value) for name, value in selection.time_query() if name == "period"]
