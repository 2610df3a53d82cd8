"""Export of runs as CSV, NDJSON or Parquet.

Responses are streamed: each holds one batch of rows in memory, however many runs it has and however slowly it is
read."""

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
from api.deps import FilterDep, SessionDep, TextQuery, open_session, reject_unknown_parameters, validate_text
from core.formatting import iso_timestamp
from core.text import escape_formula
from db.runs.run_lists import ExportRow, export_runs
from health.completeness.service import read_completeness

_CHUNK_BYTES = 64 * 1024
# Size in memory; in the file it is a quarter or less. Smaller groups are slow to read and compress badly.
_ROW_GROUP_BYTES = 2**20
_COLUMNS = [field.name for field in fields(ExportRow)]


def as_csv(batches: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """RFC 4180, UTF-8. Formulas are escaped (OWASP, "CSV Injection"): titles, branches and names are untrusted."""
    yield _lines([_COLUMNS])
    yield from _encode(batches, lambda rows: _lines([_cell(getattr(row, name)) for name in _COLUMNS] for row in rows))


def as_ndjson(batches: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """One ExportedRun per line."""

    def lines(rows: list[ExportRow]) -> bytes:
        return b"".join(schemas.ExportedRun.model_validate(row).model_dump_json().encode() + b"\n" for row in rows)

    yield from _encode(batches, lines)


def as_parquet(batches: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """Row groups of about _ROW_GROUP_BYTES; times are UTC microseconds."""
    # Imported on use: it takes half a second and 60 MB, which only this format needs.
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "int": pa.int64(),
        "str": pa.string(),
        "bool": pa.bool_(),
        "float": pa.float64(),
        "datetime": pa.timestamp("us", tz="UTC"),
    }
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
        # Frees the rows before the client reads the bytes.
        del rows
        yield from _chunks(data)


def _chunks(data: bytes) -> Iterator[bytes]:
    """At most _CHUNK_BYTES each: the server buffers one chunk more than the connection can send."""
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]


def _type_name(name: str) -> str:
    """The first word of the annotation: str, int, float, bool or datetime."""
    annotation = ExportRow.__dataclass_fields__[name].type
    return getattr(annotation, "__name__", None) or str(annotation).split(" ", 1)[0].rsplit(".", 1)[-1]


class _ChunkSink(io.RawIOBase):
    """A file object that collects what is written until `take`."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


def _lines(rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return escape_formula(value)
    if isinstance(value, datetime):
        return iso_timestamp(value)
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
    summary="Export runs as a file",
    responses={
        200: {
            "description": "The file, streamed",
            "headers": {
                "X-Data-Complete-Since": {
                    "description": "Every matching run created since this time is stored; "
                    "empty while a backfill is running",
                    "schema": {"type": "string"},
                },
                "X-Data-Gaps": {
                    "description": "Number of known gaps in the window",
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
    """One row per run, newest first, with its job time and cost. The connection is aborted if the remaining rows cannot
    be read, so that a complete response is a complete file."""
    write, media_type = _FORMATS[format]
    batches = export_runs(lambda: open_session(request), query.scope, query.window, text=validate_text("q", q))
    coverage = read_completeness(session, query.scope, query.window)
    # Read before the response starts, so that a database error gets an error status.
    first = list(islice(batches, 1))
    name = f"runs-{query.window.since:%Y%m%d}-{query.window.until:%Y%m%d}.{format}"
    return StreamingResponse(
        write(_chain(first, batches)),
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Data-Complete-Since": iso_timestamp(coverage.complete_since) if coverage.complete_since else "",
            "X-Data-Gaps": str(len(coverage.gaps)),
        },
    )


def _chain(first: list[list[ExportRow]], rest: Iterator[list[ExportRow]]) -> Iterator[list[ExportRow]]:
    """Yields `first`, then `rest`, without keeping references to yielded batches."""
    while first:
        yield first.pop()
    yield from rest
