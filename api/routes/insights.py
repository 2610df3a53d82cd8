"""Insights: flaky workflows, causes of failures, regressions, and items that need attention."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api import schemas
from api.deps import FilterDep, NowDep, ScopeDep, SessionDep, reject_unknown_parameters
from api.errors import Problem, bad_parameter
from api.response_cache import cached_response
from db.definitions.scope import Window
from db.runs.cursors import InvalidCursor
from db.runs.run_queries import list_runs
from health.alerts import attention as attention_list
from health.completeness.service import read_completeness, read_periods
from health.insights import flaky as flaky_workflows
from health.insights import regressions as regression_detector
from health.insights.causes import queries as failure_causes
from health.insights.causes.model import CauseClass
from health.insights.causes.queries import CauseRuns, Causes
from health.insights.causes.triage import TriageState
from health.insights.flaky import MAX_RUNS_FOR_JOBS, RERUN_DELAY
from health.insights.regressions import LOOK_BACK, evaluation_time

router = APIRouter(prefix="/api/insights", tags=["Insights"], dependencies=[Depends(reject_unknown_parameters)])
Limit = Annotated[int, Query(ge=1, le=500, description="Maximum number of items; `total` is the number of all")]
_CAUSE_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ProblemDocument, "description": "No failed run in the window has this cause"}
}


@router.get("/flaky", operation_id="list_flaky", response_model=schemas.Flaky, summary="List flaky workflows")
def flaky(request: Request, session: SessionDep, query: FilterDep, now: NowDep, limit: Limit = 100) -> Response:
    """Workflows with runs of which one attempt failed and a later one passed. They are sorted by the lower bound of the
    estimated share of flaky runs, which includes failures without a re-run."""

    def build() -> schemas.Flaky:
        periods = read_periods(session, query.scope, query.window)
        workflows = flaky_workflows.flaky(session, query.scope, query.window, periods=periods)
        notes = _flaky_notes(sum(workflow.flaky_runs for workflow in workflows), query.window, now)
        return schemas.Flaky.model_validate(
            {
                "window": query.window,
                **_list_fields(workflows, limit, "workflows", notes),
                "data": periods.current,
            }
        )

    return cached_response(request, session, build)


@router.get("/flaky/runs", operation_id="list_flaky_runs", response_model=schemas.RunPage, summary="List flaky runs")
def flaky_runs(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="Value of `next` of the previous page")] = None,
) -> Response:
    """Newest first. `/api/runs/{run_id}` has the attempts of a run."""

    def build() -> schemas.RunPage:
        try:
            page = list_runs(session, query.scope, query.window, limit=limit, cursor=cursor, flaky=True)
        except InvalidCursor as error:
            raise bad_parameter("cursor", str(error)) from None
        return schemas.RunPage.model_validate(page)

    return cached_response(request, session, build)


@router.get(
    "/failures", operation_id="list_failures", response_model=schemas.Failures, summary="List causes of failures"
)
def failures(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    now: NowDep,
    limit: Limit = 100,
    classes: Annotated[
        list[CauseClass] | None, Query(alias="class", description="Only causes of this class; repeatable")
    ] = None,
    triage: Annotated[
        TriageState | None, Query(description="Only causes that are marked as known, or only others")
    ] = None,
) -> Response:
    """Clusters of the causes of failed jobs, those of most runs first. A job with several failed tests has several
    causes, up to 20. They are kept when GitHub deletes the logs."""

    def build() -> schemas.Failures:
        periods = read_periods(session, query.scope, query.window)
        causes = failure_causes.causes(
            session, query.scope, query.window, now, limit=limit, periods=periods, classes=classes or (), triage=triage
        )
        notes = _truncated_jobs_note(causes) + _truncation_note(limit, causes.total, "causes")
        return schemas.Failures.from_row(
            causes,
            items=[schemas.Cause.from_cause(cause) for cause in causes.items],
            window=query.window,
            note=_join_notes(notes),
            data=periods.current,
        )

    return cached_response(request, session, build)


@router.get(
    "/failures/{fingerprint}",
    operation_id="get_failure",
    response_model=schemas.Failure,
    summary="Get a cause of failures with its runs",
    responses=_CAUSE_NOT_FOUND,
)
def failure(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    now: NowDep,
    fingerprint: Annotated[
        str,
        Path(
            max_length=64,
            description="Fingerprint of any line of the cause, also an earlier one",
            examples=["8c5e0f1b7a3d9e428c5e0f1b"],
        ),
    ],
    limit: Limit = 50,
) -> Response:
    """The runs in the window are sorted by time, newest first; each has the line of its log."""

    def build() -> schemas.Failure:
        result = failure_causes.cause_runs(session, fingerprint, query.scope, query.window, now, limit=limit)
        if result is None:
            raise Problem(404, "No failed run that matches the window and the filters has this cause.")
        notes = _truncated_jobs_note(result) + _truncation_note(limit, result.cause.runs, "runs")
        return schemas.Failure.model_validate(
            {
                "window": query.window,
                "cause": schemas.Cause.from_cause(result.cause),
                "items": [schemas.FailedRun.from_run(run, job) for run, job in result.runs],
                "total": result.cause.runs,
                "note": _join_notes(notes),
                "data": read_completeness(session, query.scope, query.window),
            }
        )

    return cached_response(request, session, build)


@router.get(
    "/regressions",
    operation_id="list_regressions",
    response_model=schemas.Regressions,
    summary="List regressions",
)
def regressions(request: Request, session: SessionDep, scope: ScopeDep, now: NowDep, limit: Limit = 100) -> Response:
    """Lower success rates and longer durations on default branches, each with the first affected run. Success rates of
    the last 7, 14 or 21 days are compared with the days before; durations are searched for steps. Both use the last 37
    days, so that there is no `since` and `until`; they need failures and successes, so that there is no `conclusion`
    and `status`. The false discovery rate of success rates is at most 10 % over all monitored workflows; filters do not
    change which regressions are detected."""

    def build() -> schemas.Regressions:
        until = evaluation_time(now)
        detected = regression_detector.regressions(session, scope, until)
        window = Window(until - LOOK_BACK, until)
        return schemas.Regressions.model_validate(
            {
                "window": window,
                **_list_fields(detected, limit, "regressions"),
                "data": read_completeness(session, scope, window),
            }
        )

    return cached_response(request, session, build)


@router.get(
    "/attention",
    operation_id="list_attention",
    response_model=schemas.AttentionList,
    summary="List items that need attention",
)
def attention(request: Request, session: SessionDep, scope: ScopeDep, now: NowDep, limit: Limit = 100) -> Response:
    """Failing default branches, open alerts, regressions, stuck runs and queues of jobs, sorted by score. An item is
    listed once, and acknowledged or silenced items come last. The list describes the current state, so that there is no
    `since`, `until`, `conclusion` and `status`. Alerts have no event and no actor: `event` and `actor` do not filter
    them."""

    def build() -> schemas.AttentionList:
        until = evaluation_time(now)
        known_regressions = regression_detector.regressions(session, scope, until)
        listed = attention_list.attention(session, scope, now, known_regressions=known_regressions)
        items = [schemas.Attention.from_item(item) for item in listed]
        return schemas.AttentionList.model_validate(
            {"at": now, **_list_fields(items, limit, "items"), "data": read_completeness(session, scope)}
        )

    return cached_response(request, session, build)


def _flaky_notes(runs: int, window: Window, now: datetime) -> list[str]:
    notes = []
    if runs > MAX_RUNS_FOR_JOBS:
        notes.append(f"The jobs are those of the newest {MAX_RUNS_FOR_JOBS:,} flaky runs.")
    if runs and window.until > now - RERUN_DELAY:
        notes.append("Runs from the last 24 hours may still be re-run, so their flaky count is provisional.")
    return notes


def _truncated_jobs_note(result: Causes | CauseRuns) -> list[str]:
    return (
        [f"Only the newest {result.looked_at:,} failed jobs of the window were evaluated."] if result.truncated else []
    )


def _list_fields(items: Sequence[Any], limit: int, noun: str, notes: Sequence[str] = ()) -> dict[str, Any]:
    note = _join_notes([*notes, *_truncation_note(limit, len(items), noun)])
    return {"items": list(items[:limit]), "total": len(items), "note": note}


def _truncation_note(limit: int, total: int, noun: str) -> list[str]:
    return [f"The first {limit:,} of {total:,} {noun}; limit can be up to 500."] if total > limit else []


def _join_notes(notes: Sequence[str]) -> str | None:
    return " ".join(notes) or None
