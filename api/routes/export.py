"""Runs as files, written as they are read: memory does not grow with their number, nor with the number of readers who
take nothing by more than a portion for each.

Runs as a file.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from api import schemas
from api.deps import FilterDep, SessionDep, TextQuery, reject_unknown_parameters, validate_text
from api.schemas.base import iso
from core.text import escape_formula
from db.runs.run_lists import ExportRow, export_runs
from health.completeness.service import read_completeness

_CHUNK_BYTES = 64 * 1024
# In memory; a quarter of it or less in the file. Smaller groups are slow to read and pack badly.
_ROW_GROUP_BYTES = 2**20
_COLUMNS = [field.name for field in fields(ExportRow)]


def as_csv(batches: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """RFC 4180, UTF-8. Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
    Injection"): titles, branches and names are written by anybody."""
    yield _lines([_COLUMNS])
    yield from _encode(batches, lambda rows: _lines([_cell(getattr(row, name)) for name in _COLUMNS] for row in rows))


def as_ndjson(batches: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """A run of /api/runs on each line, and what it used."""

    def lines(rows: list[ExportRow]) -> bytes:
        return b"".join(schemas.ExportedRun.model_validate(row).model_dump_json().encode() + b"\n" for row in rows)

    yield from _encode(batches, lines)


def as_parquet(batches: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """Row groups of about _ROW_GROUP_BYTES; times are UTC microseconds."""
    # Half a second and 60 MB that only this format needs.
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "int": pa.int64(), "str": pa.string(), "bool": pa.bool_(), "float": pa.float64(),
        "datetime": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    schema = pa.schema([(name, kinds[_type_name(name)]) for name in _COLUMNS])
    sink = _ChunkSink()
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        group: list[Any] = []
        for rows in batches:
            columns = [pa.array([getattr(row, name) for row in rows], schema.field(name).type) for name in _COLUMNS]
            del rows
            group.append(pa.record_batch(columns, schema=schema))
            del columns
            if sum(batch.nbytes for batch in group) >= _ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(group))
                group.clear()
                yield from _chunks(sink.take())
        if group:
            writer.write_table(pa.Table.from_batches(group))
    yield from _chunks(sink.take())


def _encode(batches: Iterable[list[ExportRow]], write: Callable[[list[ExportRow]], bytes]) -> Iterator[bytes]:
    for rows in batches:
        data = write(rows)
        # Until the reader has taken the bytes, they are all that is kept.
        del rows
        yield from _chunks(data)


def _chunks(data: bytes) -> Iterator[bytes]:
    """At most _PIECE_BYTES each: the connection takes one more than it can send."""
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]


def _type_name(name: str) -> str:
    """The first word of the annotation: str, int, float, bool or datetime."""
    annotation = ExportRow.__dataclass_fields__[name].type
    return getattr(annotation, "__name__", None) or str(annotation).split(" ", 1)[0].rsplit(".", 1)[-1]


class _ChunkSink(io.RawIOBase):
    """Takes what is written, to be sent at once."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _lines(rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return escape_formula(value)
    if isinstance(value, datetime):
        return iso(value)
    return str(value).lower() if isinstance(value, bool) else value


router = APIRouter(prefix="/api/export", tags=["Export"], dependencies=[Depends(reject_unknown_parameters)])
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
    query: FilterDep,
    format: Annotated[Literal["csv", "ndjson", "parquet"], Query(description="csv, ndjson or parquet")] = "csv",
    q: TextQuery = "",
) -> StreamingResponse:
    """Newest first, one row a run, with what it used. The connection breaks where the rest cannot be read: a file
    that ends well is whole. `X-Data-Complete-Since` says since when every run of the filter is known (empty while a
    history is read), `X-Data-Gaps` how many things are known to be missing from the window."""
    write, media_type = _FORMATS[format]
    portions = export_runs(request.app.state.reader.session, query.scope, query.window, text=validate_text("q", q))
    known = read_completeness(session, query.scope, query.window)
    # What is wrong with the database is an answer, not a file that breaks off.
    first = list(islice(portions, 1))
    name = f"runs-{query.window.since:%Y%m%d}-{query.window.until:%Y%m%d}.{format}"
    return StreamingResponse(
        write(_chain(first, portions)),
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Data-Complete-Since": iso(known.complete_since) if known.complete_since else "",
            "X-Data-Gaps": str(len(known.gaps)),
        },
    )


def _chain(first: list[list[ExportRow]], rest: Iterator[list[ExportRow]]) -> Iterator[list[ExportRow]]:
    """Keeps nothing of what it gave away."""
    while first:
        yield first.pop()
    yield from rest
