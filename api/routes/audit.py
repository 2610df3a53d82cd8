"""The audit trail: who changed what, as pages and as a file."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from api import schemas
from api.auth import requires
from api.deps import NowDep, SessionDep, open_session, parse_list, reject_unknown_parameters, validate_text, window
from api.errors import bad_parameter
from core.formatting import iso_timestamp
from core.roles import Role
from core.text import escape_formula
from db.audit import AuditFilter, AuditRow, audit_page, export_events
from db.enums import AuditAction, AuditSubject, Origin
from db.runs.cursors import InvalidCursor

router = APIRouter(
    prefix="/api", tags=["Audit"], dependencies=[Depends(reject_unknown_parameters), requires(Role.ADMIN)]
)
_COLUMNS = [field.name for field in fields(AuditRow)]
_EARLIEST = "2008-01-01T00:00:00Z"
_NO_STORE = {"Cache-Control": "no-store"}


def filter_params(
    now: NowDep,
    subject_kind: Annotated[list[AuditSubject] | None, Query(description="Repeatable")] = None,
    subject_id: Annotated[list[str] | None, Query(description="With `subject_kind`; repeatable")] = None,
    actor: Annotated[list[str] | None, Query(description="Name of a user or of an API key; repeatable")] = None,
    action: Annotated[list[AuditAction] | None, Query(description="Repeatable")] = None,
    origin: Annotated[list[Origin] | None, Query(description="Repeatable")] = None,
    since: Annotated[
        str | None, Query(description="Start: ISO 8601, or relative to now: 24h, 30d; default: all", examples=["7d"])
    ] = None,
    until: Annotated[str | None, Query(description="End: ISO 8601, or relative to now: 24h, 30d")] = None,
    q: Annotated[
        str, Query(max_length=200, description="Searches the names of subjects and actors, and the ids of subjects")
    ] = "",
) -> AuditFilter:
    period = window(since or _EARLIEST, until, now)
    return AuditFilter(
        subject_kinds=tuple(subject_kind or ()),
        subject_ids=parse_list("subject_id", subject_id or []),
        actors=parse_list("actor", actor or []),
        actions=tuple(action or ()),
        origins=tuple(origin or ()),
        since=period.since if since else None,
        until=period.until if until else None,
        text=validate_text("q", q),
    )


@router.get(
    "/audit",
    operation_id="list_audit_events",
    response_model=schemas.AuditEvents,
    summary="List or export the audit trail",
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": "id,at,actor,…\r\n91,2026-11-23T11:58:00Z,…"},
                "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"id":91,…}\n'},
            }
        },
        403: {"model": schemas.ProblemDocument, "description": "The key has a lower scope than `admin`"},
    },
)
def events(
    request: Request,
    session: SessionDep,
    now: NowDep,
    filters: Annotated[AuditFilter, Depends(filter_params)],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="Value of `next` of the previous page")] = None,
    format: Annotated[
        Literal["json", "csv", "ndjson"],
        Query(description="json, or all matching events as a file, without `limit` and `cursor`"),
    ] = "json",
) -> Response:
    """Every change that a person, an API key, a command or a file made, newest first."""
    if format == "json":
        try:
            page = audit_page(session, filters, limit=limit, cursor=cursor)
        except InvalidCursor as error:
            raise bad_parameter("cursor", str(error)) from None
        items = [schemas.AuditEvent.from_row(row) for row in page.items]
        return JSONResponse(schemas.AuditEvents(items=items, next=page.next).model_dump(mode="json"), headers=_NO_STORE)
    if cursor:
        raise bad_parameter("cursor", f"is not accepted with format={format}, which has all events")

    def reopen() -> AbstractContextManager[Session]:
        return open_session(request)

    encode, media_type = _FORMATS[format]
    batches = export_events(reopen, filters)
    # Read before the response starts, so that a database error gets an error status.
    first = list(islice(batches, 1))
    name = f"audit-{now:%Y%m%d}.{format}"
    headers = {**_NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(encode(chain(first, batches)), media_type=media_type, headers=headers)


def as_csv(batches: Iterable[list[AuditRow]]) -> Iterator[bytes]:
    """RFC 4180, UTF-8; `before` and `after` are JSON. Formulas are escaped (OWASP, "CSV Injection")."""
    yield _lines([_COLUMNS])
    for rows in batches:
        yield _lines([[_cell(getattr(row, name)) for name in _COLUMNS] for row in rows])


def as_ndjson(batches: Iterable[list[AuditRow]]) -> Iterator[bytes]:
    """One AuditEvent per line."""
    for rows in batches:
        yield b"".join(schemas.AuditEvent.from_row(row).model_dump_json().encode() + b"\n" for row in rows)


def _lines(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_timestamp(value)
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return escape_formula(value) if isinstance(value, str) else value


_FORMATS: dict[str, tuple[Callable[[Iterable[list[AuditRow]]], Iterator[bytes]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "ndjson": (as_ndjson, "application/x-ndjson"),
}
