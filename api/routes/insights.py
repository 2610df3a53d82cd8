"""Findings: what is flaky, why runs fail, what got worse, and what needs a person now."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api import schemas
from api.cache import cached_response
from api.deps import FilterDep, NowDep, ScopeDep, SessionDep, reject_unknown_parameters
from api.errors import Problem, bad_parameter
from db.definitions.scope import Window
from db.runs.run_queries import InvalidCursor, list_runs
from health.alerts import attention as attention_list
from health.completeness.service import read_completeness, read_periods
from health.insights import causes as failure_causes
from health.insights import flaky as flaky_workflows
from health.insights import regressions as regression_detector
from health.insights.causes import MAX_JOBS
from health.insights.flaky import MAX_RUNS_FOR_JOBS, RERUN_DELAY
from health.insights.regressions import LOOK_BACK, evaluation_time

router = APIRouter(prefix="/api/insights", tags=["Insights"], dependencies=[Depends(reject_unknown_parameters)])
Limit = Annotated[int, Query(ge=1, le=500, description="At most so many items; `total` says how many there are")]
_CAUSE_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ProblemDocument, "description": "No failed run of the window has this cause"}
}


@router.get("/flaky", operation_id="list_flaky", response_model=schemas.Flaky, summary="What fails and then passes")
def flaky(request: Request, session: SessionDep, query: FilterDep, now: NowDep, limit: Limit = 100) -> Response:
    """Workflows of which an attempt of a run failed and a later one of the same run passed, the surest first: by the
    lower bound of the share of runs that flake whether or not somebody re-runs them."""

    def make() -> schemas.Flaky:
        periods = read_periods(session, query.scope, query.window)
        found = flaky_workflows.flaky(session, query.scope, query.window, periods=periods)
        notes = _flaky_notes(sum(each.flaky_runs for each in found), query.window, now)
        return schemas.Flaky.model_validate(
            {
                "window": query.window,
                **_list_fields(found, limit, "workflows", notes),
                "data": periods.current,
            }
        )

    return cached_response(request, session, make)


@router.get(
    "/flaky/runs", operation_id="list_flaky_runs", response_model=schemas.RunPage, summary="Flaky runs, newest first"
)
def flaky_runs(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
) -> Response:
    """Each run that is counted as flaky, page by page; the attempts of one are at `/api/runs/{run_id}`."""

    def make() -> schemas.RunPage:
        try:
            page = list_runs(session, query.scope, query.window, limit=limit, cursor=cursor, flaky=True)
        except InvalidCursor as error:
            raise bad_parameter("cursor", str(error)) from None
        return schemas.RunPage.model_validate(page)

    return cached_response(request, session, make)


@router.get("/failures", operation_id="list_failures", response_model=schemas.Failures, summary="Why runs fail")
def failures(request: Request, session: SessionDep, query: FilterDep, now: NowDep, limit: Limit = 100) -> Response:
    """Causes of failures: the telling lines of the logs of failed jobs, clustered, that of the most runs first. They
    stay when GitHub has deleted the logs."""

    def make() -> schemas.Failures:
        periods = read_periods(session, query.scope, query.window)
        found = failure_causes.causes(session, query.scope, query.window, now, limit=limit, periods=periods)
        notes = _truncated_jobs_note(found.truncated) + _truncation_note(limit, found.total, "causes")
        return schemas.Failures.model_validate(
            {
                **vars(found),
                "items": [_cause_fields(each) for each in found.items],
                "window": query.window,
                "note": _join_notes(notes),
                "data": periods.current,
            }
        )

    return cached_response(request, session, make)


@router.get(
    "/failures/{fingerprint}",
    operation_id="get_failure",
    response_model=schemas.Failure,
    summary="One cause with its runs",
    responses=_CAUSE_NOT_FOUND,
)
def failure(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    now: NowDep,
    fingerprint: Annotated[
        str, Path(max_length=64, description="Of any line of the cause", examples=["8c5e0f1b7a3d9e42"])
    ],
    limit: Limit = 50,
) -> Response:
    """Its runs in the window, newest first, with the line in the log of each."""

    def make() -> schemas.Failure:
        found = failure_causes.cause_runs(session, fingerprint, query.scope, query.window, now, limit=limit)
        if found is None:
            raise Problem(404, "No failed run of this window and filter has this cause.")
        items = [{**vars(run), "job_id": job.job_id, "line": job.line} for run, job in found.runs]
        notes = _truncated_jobs_note(found.truncated) + _truncation_note(limit, found.cause.runs, "runs")
        return schemas.Failure.model_validate({
            "window": query.window, "cause": _cause_fields(found.cause), "items": items, "total": found.cause.runs,
            "note": _join_notes(notes), "data": read_completeness(session, query.scope, query.window),
        })  # fmt: skip

    return cached_response(request, session, make)


@router.get(
    "/regressions",
    operation_id="list_regressions",
    response_model=schemas.Regressions,
    summary="What fails more often or got slower",
)
def regressions(request: Request, session: SessionDep, scope: ScopeDep, now: NowDep, limit: Limit = 100) -> Response:
    """On default branches: success rates of the last 7, 14 or 21 days against the days before, and steps in durations,
    of 37 days in all, each with its first run. At most a tenth of the reported success rates are chance, among all
    monitored workflows: a filter does not change which are reported. The days are fixed, and both ends of a failure
    belong to it: no `since`, `until`, `conclusion` or `status`."""

    def make() -> schemas.Regressions:
        until = evaluation_time(now)
        found = regression_detector.regressions(session, scope, until)
        window = Window(until - LOOK_BACK, until)
        return schemas.Regressions.model_validate(
            {
                "window": window,
                **_list_fields(found, limit, "regressions"),
                "data": read_completeness(session, scope, window),
            }
        )

    return cached_response(request, session, make)


@router.get(
    "/attention", operation_id="list_attention", response_model=schemas.AttentionList, summary="What needs a person now"
)
def attention(request: Request, session: SessionDep, scope: ScopeDep, now: NowDep, limit: Limit = 100) -> Response:
    """Broken default branches, firing alerts, regressions, runs that stand still, runners that are short; the highest
    score first, what was acknowledged last, and one thing once. It is about now: no `since`, `until`, `conclusion` or
    `status`. Alerts know no event and no actor: `event` and `actor` do not narrow them."""

    def make() -> schemas.AttentionList:
        worse = regression_detector.regressions(session, scope, evaluation_time(now))
        found = attention_list.attention(session, scope, now, known_regressions=worse)
        return schemas.AttentionList.model_validate(
            {"at": now, **_list_fields(found, limit, "things"), "data": read_completeness(session, scope)}
        )

    return cached_response(request, session, make)


def _cause_fields(cause: failure_causes.Cause) -> dict[str, Any]:
    places = [{"repo": repo, "workflow": name, "workflow_id": number} for repo, name, number in cause.workflows]
    return {**vars(cause), "workflows": places}


def _flaky_notes(runs: int, window: Window, now: datetime) -> list[str]:
    notes = (
        [f"For jobs only the newest {MAX_RUNS_FOR_JOBS:,} flaky runs were looked at."]
        if runs > MAX_RUNS_FOR_JOBS
        else []
    )
    if runs and window.until > now - RERUN_DELAY:
        notes.append("Runs of the last 24 hours may still be re-run: their number of flaky ones is not final.")
    return notes


def _truncated_jobs_note(cut: bool) -> list[str]:
    return [f"Only the newest {MAX_JOBS:,} failed jobs of the window were looked at."] if cut else []


def _list_fields(items: Sequence[Any], limit: int, noun: str, notes: Sequence[str] = ()) -> dict[str, Any]:
    note = _join_notes([*notes, *_truncation_note(limit, len(items), noun)])
    return {"items": list(items[:limit]), "total": len(items), "note": note}


def _truncation_note(limit: int, total: int, noun: str) -> list[str]:
    """Of a list that is longer than asked for."""
    return [f"The first {limit:,} of {total:,} {noun}; limit takes up to 500."] if total > limit else []


def _join_notes(notes: Sequence[str]) -> str | None:
    return " ".join(notes) or None
