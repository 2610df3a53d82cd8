"""Search over all stored logs."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from api import schemas
from api.deps import FilterDep, NowDep, SessionDep, open_session, parse_list, reject_unknown_parameters
from api.errors import bad_parameter
from core.regular_expressions import MAX_LENGTH as MAX_EXPRESSION_LENGTH
from db.runs.cursors import InvalidCursor
from health.insights.causes.model import CauseClass
from health.log_search.coverage import Coverage, log_coverage
from health.log_search.query import MAX_LENGTH, InvalidQuery, LogQuery
from health.log_search.search import LogSearch, LogSearchRequest

router = APIRouter(tags=["Logs"], dependencies=[Depends(reject_unknown_parameters)])
PATH = "/api/logs/search"
_NO_STORE = {"Cache-Control": "no-store"}


def query_params(
    q: Annotated[
        str | None, Query(description=f"Text, up to {MAX_LENGTH} characters", examples=["ECONNREFUSED"])
    ] = None,
    regex: Annotated[
        str | None,
        Query(description=f"Regular expression (RE2) instead of `q`, up to {MAX_EXPRESSION_LENGTH} characters"),
    ] = None,
    case: Annotated[bool, Query(description="1: upper and lower case differ")] = False,
) -> LogQuery:
    if (q is None) == (regex is None):
        raise bad_parameter("q", "expected either q, a text, or regex, a regular expression")
    try:
        return LogQuery(q or regex or "", is_expression=regex is not None, case_sensitive=case)
    except InvalidQuery as error:
        raise bad_parameter("q" if regex is None else "regex", str(error)) from None


def request_params(
    query: Annotated[LogQuery, Depends(query_params)],
    filters: FilterDep,
    job: Annotated[
        list[str] | None, Query(description="Name of a job, with or without its matrix values; repeatable")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Logs with matches")] = 20,
    lines: Annotated[int, Query(ge=1, le=20, description="Matching lines of each log")] = 3,
    context: Annotated[int, Query(ge=0, le=5, description="Lines before and after each of them")] = 1,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the previous page")] = None,
    classes: Annotated[
        list[CauseClass] | None,
        Query(alias="class", description="Class of the first failure cause of the job; repeatable"),
    ] = None,
) -> LogSearchRequest:
    jobs = parse_list("job", job or [])
    kinds = tuple(dict.fromkeys(kind.value for kind in classes or []))
    return LogSearchRequest(query, filters.scope, filters.window, jobs, limit, lines, context, cursor, kinds)


@router.get(
    PATH,
    operation_id="search_logs",
    response_model=schemas.SearchPage,
    summary="Search the stored logs",
    responses={
        200: {
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"run":{"id":7398123456,…},…}\n{"summary":{"next":null,…}}\n',
                }
            }
        },
        503: {"model": schemas.ProblemDocument, "description": "Too many searches are in progress"},
    },
)
def search(
    request: Request,
    session: SessionDep,
    now: NowDep,
    search_request: Annotated[LogSearchRequest, Depends(request_params)],
    format: Annotated[
        Literal["json", "ndjson"], Query(description="json, or one line for each log as soon as it is read")
    ] = "json",
) -> Response:
    """Logs that contain a text or match a regular expression, newest run first, with their first matching lines. A log
    is searched as the dashboard shows it: without times and colours. A request reads logs for at most 2.5 s; `partial`
    is true if that was not enough, and `next` continues. `logs` and `failed_jobs_without_log` are the logs that were
    searched and those that could not be."""
    if format == "ndjson":
        # Rejects an invalid cursor before the response starts.
        _search(session, search_request)
        return StreamingResponse(
            _stream(request, search_request, now), media_type="application/x-ndjson", headers=_NO_STORE
        )
    page = _search(session, search_request)
    items = [schemas.SearchMatch.from_match(match) for match in page.results()]
    summary = schemas.SearchSummary.from_search(page, _coverage(session, search_request, now))
    body = schemas.SearchPage(items=items, **dict(summary))
    return JSONResponse(body.model_dump(mode="json"), headers=_NO_STORE)


def _search(session: Session, search_request: LogSearchRequest) -> LogSearch:
    try:
        return LogSearch(session, search_request)
    except InvalidCursor as error:
        raise bad_parameter("cursor", str(error)) from None


def _coverage(session: Session, search_request: LogSearchRequest, now: datetime) -> Coverage | None:
    filters = search_request
    return log_coverage(session, filters.scope, filters.window, filters.jobs, now, filters.classes)


def _stream(request: Request, search_request: LogSearchRequest, now: datetime) -> Iterator[bytes]:
    with open_session(request) as session:
        page = LogSearch(session, search_request)
        for match in page.results():
            yield schemas.SearchMatch.from_match(match).model_dump_json().encode() + b"\n"
        summary = schemas.SearchSummary.from_search(page, _coverage(session, search_request, now))
    yield b'{"summary":' + summary.model_dump_json().encode() + b"}\n"
