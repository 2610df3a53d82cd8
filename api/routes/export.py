"""Runs as a file."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from api.deps import FilterDep, SessionDep, TextQuery, only_known_parameters, plain_text
from api.exports import as_csv, as_ndjson, as_parquet
from api.schemas.base import iso
from db.queries.completeness import completeness
from db.queries.export import ExportRow, export_runs

router = APIRouter(prefix="/api/export", tags=["Export"], dependencies=[Depends(only_known_parameters)])
_FORMATS = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "ndjson": (as_ndjson, "application/x-ndjson"),
    "parquet": (as_parquet, "application/vnd.apache.parquet"),
}


@router.get(
    "/runs",
    response_class=StreamingResponse,
    operation_id="export_runs",
    summary="All runs of a filter as a file",
    responses={
        200: {
            "description": "The file, as it is read",
            "headers": {
                "X-Data-Complete-Since": {
                    "description": "Every run of the filter created since then is known; empty while a history is read",
                    "schema": {"type": "string"},
                },
                "X-Data-Gaps": {
                    "description": "How many things are known to be missing from the window",
                    "schema": {"type": "integer"},
                },
            },
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "id,repo,workflow,…\r\n7398123456,acme/web-app,CI,…",
                },
                "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"id":7398123456,…}\n'},
                "application/vnd.apache.parquet": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "PAR1…",
                },
            },
        }
    },
)
def runs(
    request: Request,
    session: SessionDep,
    asked: FilterDep,
    format: Annotated[Literal["csv", "ndjson", "parquet"], Query(description="csv, ndjson or parquet")] = "csv",
    q: TextQuery = "",
) -> StreamingResponse:
    """Newest first, one row a run, with what it used. The connection breaks where the rest cannot be read: a file
    that ends well is whole. `X-Data-Complete-Since` says since when every run of the filter is known (empty while a
    history is read), `X-Data-Gaps` how many things are known to be missing from the window."""
    write, media_type = _FORMATS[format]
    portions = export_runs(request.app.state.reader.session, asked.scope, asked.window, text=plain_text("q", q))
    known = completeness(session, asked.scope, asked.window)
    # What is wrong with the database is an answer, not a file that breaks off.
    first = list(islice(portions, 1))
    name = f"runs-{asked.window.since:%Y%m%d}-{asked.window.until:%Y%m%d}.{format}"
    return StreamingResponse(
        write(_with(first, portions)),
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Data-Complete-Since": iso(known.complete_since) if known.complete_since else "",
            "X-Data-Gaps": str(len(known.gaps)),
        },
    )


def _with(first: list[list[ExportRow]], rest: Iterator[list[ExportRow]]) -> Iterator[list[ExportRow]]:
    """Keeps nothing of what it gave away."""
    while first:
        yield first.pop()
    yield from rest
