"""Tables as files: CSV, JSON and Parquet, with all rows and columns, numbers as numbers, and units in the headers."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import streamlit as st

from app.widgets.cells import Value
from app.widgets.columns import Column, Row
from core import formatting
from core.formatting import pluralize
from core.text import escape_formula

ExportBuilder = Callable[[], tuple[Sequence[Column], Sequence[Row]]]
# Of a share, a second, a minute and a dollar, so that files contain no digits of binary fractions.
_DECIMALS = 4
ALL_ROWS = "All rows and columns of this table"


def listed_note(listed: int, total: int) -> str:
    """What the files of a table contain that lists the latest `listed` of `total` rows."""
    if listed >= total:
        return ALL_ROWS
    return f"The latest {formatting.count(listed)} of {formatting.count(total)} rows, all columns"


@dataclass(frozen=True)
class Format:
    label: str
    extension: str
    media_type: str
    encode: Callable[[Sequence[Column], Sequence[Row]], bytes]


def headers(columns: Sequence[Column]) -> list[str]:
    """The header of each column, with its unit; a repeated one is numbered."""
    names: list[str] = []
    for column in columns:
        name, number = column.file_header, 2
        while name in names:
            name, number = f"{column.file_header} {number}", number + 1
        names.append(name)
    return names


def records(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[list[Column], list[list[Value]]]:
    """The columns that files contain, and the values of their cells."""
    indexes = [index for index, column in enumerate(columns) if column.in_files and column.file_header]
    return [columns[index] for index in indexes], [[_clean(row[index].value) for index in indexes] for row in rows]


def _clean(value: Value) -> Value:
    if isinstance(value, float):
        # Adding 0 turns −0.0 into 0.0.
        return round(value, _DECIMALS) + 0.0 if isfinite(value) else None
    return value


def as_csv(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """The rows as CSV (RFC 4180). Text that a spreadsheet would evaluate as a formula gets a leading apostrophe."""
    shown, values = records(columns, rows)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headers(shown))
    writer.writerows([_csv_value(value) for value in row] for row in values)
    return out.getvalue()


def _csv_value(value: Value) -> str | float | int:
    if value is None:
        return ""
    return escape_formula(value) if isinstance(value, str) else value


def as_json(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """An array with an object for each row, whose names are the headers."""
    shown, values = records(columns, rows)
    names = headers(shown)
    return json.dumps([dict(zip(names, row, strict=True)) for row in values], ensure_ascii=False, indent=1)


def as_parquet(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """A Parquet file. Times are timestamps in UTC; the types do not depend on the rows."""
    # Loading these libraries takes longer than most pages, which do not need them.
    import pyarrow as pa
    from pyarrow import parquet

    shown, values = records(columns, rows)
    arrays = [_array(column, [row[index] for row in values]) for index, column in enumerate(shown)]
    out = io.BytesIO()
    parquet.write_table(pa.table(arrays, names=headers(shown)), out)
    return out.getvalue()


def _array(column: Column, values: Sequence[Value]) -> Any:
    import pyarrow as pa

    match column.value_type:
        case "time":
            return pa.array([_moment(value) for value in values], pa.timestamp("us", tz="UTC"))
        case "integer":
            return pa.array(values, pa.int64())
        case "number":
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        case "text":
            return pa.array([None if value is None else str(value) for value in values], pa.string())


def _moment(value: Value) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


FORMATS = (
    Format("CSV", "csv", "text/csv", lambda columns, rows: as_csv(columns, rows).encode()),
    Format("JSON", "json", "application/json", lambda columns, rows: as_json(columns, rows).encode()),
    Format("Parquet", "parquet", "application/vnd.apache.parquet", as_parquet),
)


@dataclass(frozen=True)
class SearchResult:
    """The rows of a table that a search matches: their number, and a function that returns columns and rows."""

    number: int
    build: ExportBuilder


def export_menu(name: str, build: ExportBuilder, note: str = ALL_ROWS, search: SearchResult | None = None) -> None:
    """A menu with a download button for each format. `build` runs only when one is clicked; `note` says what the files
    contain. `search`: files with the rows that the current search matches precede those with all rows."""
    with st.popover("Export", icon=":material/download:", type="tertiary", key=f"export-{name}"):
        if search:
            st.caption(f"The {pluralize(search.number, 'row')} that the search matches, all columns")
            _download_buttons(f"{name}-matching", search.build, ", matching rows")
        st.caption(note)
        _download_buttons(name, build, ", all rows" if search else "")


def _download_buttons(name: str, build: ExportBuilder, label: str = "") -> None:
    """`label` is added to the name of each format, so that the buttons of one menu have different names."""
    for file_format in FORMATS:
        st.download_button(
            f"{file_format.label}{label}",
            _deferred(file_format, build),
            f"{name}.{file_format.extension}",
            file_format.media_type,
            key=f"{file_format.extension}-{name}",
            on_click="ignore",
            width="stretch",
        )


def _deferred(file_format: Format, build: ExportBuilder) -> Callable[[], bytes]:
    return lambda: file_format.encode(*build())
