"""Runs as files, written as they are read: memory does not grow with their number."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

from api import schemas
from api.schemas.base import iso
from db.queries.export import ExportRow
from db.spreadsheets import as_text

_COLUMNS = [field.name for field in fields(ExportRow)]


def as_csv(portions: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """RFC 4180, UTF-8. Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
    Injection"): titles, branches and names are written by anybody."""
    yield _lines([_COLUMNS])
    for rows in portions:
        yield _lines([[_cell(getattr(row, name)) for name in _COLUMNS] for row in rows])


def as_ndjson(portions: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """A run of /api/runs on each line, and what it used."""
    for rows in portions:
        lines = (schemas.ExportedRun.model_validate(row).model_dump_json() for row in rows)
        yield "".join(f"{line}\n" for line in lines).encode()


def as_parquet(portions: Iterable[list[ExportRow]]) -> Iterator[bytes]:
    """A row group for each portion; times are UTC microseconds."""
    # Half a second and 60 MB that only this format needs.
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "int": pa.int64(), "str": pa.string(), "bool": pa.bool_(), "float": pa.float64(),
        "datetime": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    schema = pa.schema([(name, kinds[_kind(name)]) for name in _COLUMNS])
    sink = _Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for rows in portions:
            columns = [[getattr(row, name) for row in rows] for name in _COLUMNS]
            writer.write_table(pa.table(columns, schema=schema))
            yield sink.take()
    yield sink.take()


def _kind(name: str) -> str:
    """The first word of the annotation: str, int, float, bool or datetime."""
    annotation = ExportRow.__dataclass_fields__[name].type
    return getattr(annotation, "__name__", None) or str(annotation).split(" ", 1)[0].rsplit(".", 1)[-1]


class _Sink(io.RawIOBase):
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
        return as_text(value)
    if isinstance(value, datetime):
        return iso(value)
    return str(value).lower() if isinstance(value, bool) else value
