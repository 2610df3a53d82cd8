"""Columns and sort orders of tables. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from app.widgets.cells import Cell, Value

T = TypeVar("T")
ValueType = Literal["text", "integer", "number", "time"]
Row = Sequence[Cell]
# Texts are sorted by at most this many characters.
MAX_SORT_KEY = 200
# Types by unit; other units count things.
_TYPES: dict[str, ValueType] = {"UTC": "time", "s": "number", "min": "number", "USD": "number", "share": "number"}
_UNKNOWN: tuple[Value, ...] = (None, "")
_NOT_IN_KEYS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Column:
    """`show`: `wide_only` is hidden on phones, `desk_only` also in small windows, `large_only` also in windows of usual
    width, `off` everywhere, unless the user shows the column. `fluid`: takes the remaining width and clips longer text.
    `unit`: the unit of the values, in the header of files; `UTC` for times. `name`: the key in URLs, if two columns
    have the same label. `file_label`: the header in files, if it differs from the label. `in_files`: whether files
    contain the column. `type`: the type of the values in files, if it does not follow from the unit and the
    alignment."""

    label: str
    align: Literal["left", "right"] = "left"
    help: str = ""
    show: Literal["always", "wide_only", "desk_only", "large_only", "off"] = "always"
    width: str = ""
    fluid: bool = False
    unit: str = ""
    name: str = ""
    file_label: str = ""
    in_files: bool = True
    type: ValueType | None = None

    @property
    def key(self) -> str:
        """The column in URLs, unique in its table; empty for a column without a label."""
        return self.name or _NOT_IN_KEYS.sub("-", self.label.lower()).strip("-")

    @property
    def file_header(self) -> str:
        label = self.file_label or self.label
        return f"{label} ({self.unit})" if self.unit else label

    @property
    def value_type(self) -> ValueType:
        """The type of the values in files: that of `type` or of the unit; else whole numbers if aligned right."""
        return self.type or _TYPES.get(self.unit) or ("integer" if self.unit or self.align == "right" else "text")


@dataclass(frozen=True)
class SortOrder:
    """`column`: the key of a column."""

    column: str
    descending: bool

    def __str__(self) -> str:
        """The order in URLs: `runs`, or `-runs` for descending."""
        return f"-{self.column}" if self.descending else self.column


def parse_order(text: str, columns: Iterable[str]) -> SortOrder | None:
    """The order that a URL names; null if it names none of the columns, given by their keys."""
    key = text.removeprefix("-")
    return SortOrder(key, text.startswith("-")) if key and key in columns else None


def sort_key(value: Value) -> tuple[int, float, bytes]:
    """Numbers before text; text without regard to case, by the code units that JavaScript compares, so that the browser
    sorts a column in the same order (`compareValues` in app/javascript/navigation/sort_order.js)."""
    if isinstance(value, str):
        return 1, 0.0, value[:MAX_SORT_KEY].lower().encode("utf-16-be", "surrogatepass")
    return 0, float(value or 0), b""


def sort_by(items: Sequence[T], value: Callable[[T], Value], *, descending: bool) -> list[T]:
    """The sorted items. Equal ones keep their order, and those without a value come last in either order."""
    valued = [(value(item), item) for item in items]
    known = [(sort_key(own), item) for own, item in valued if own not in _UNKNOWN]
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [*(item for _, item in known), *(item for own, item in valued if own in _UNKNOWN)]


def sort_rows(columns: Sequence[Column], rows: Sequence[Row], order: SortOrder) -> list[Row]:
    index = next(index for index, column in enumerate(columns) if column.key == order.column)
    return sort_by(rows, lambda row: row[index].sort_value, descending=order.descending)
