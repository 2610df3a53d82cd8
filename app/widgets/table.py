"""Tables as HTML, which unlike Streamlit's canvas have links, tooltips and text; sorted in the browser; with CSV export
and pages.

Lists that the database pages have buttons for newer and older rows (`pager`); lists in memory have page numbers
(`paginate`).
"""

import csv
import io
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeVar

import streamlit as st

from app.widgets.cells import Cell
from app.widgets.text import html
from core import formatting
from core.text import escape_formula

PAGE_SIZE = 100
_CURSORS_KEY, _RESET_KEY = "paging-trail", "paging-of"
T = TypeVar("T")


def paginate(
    items: Sequence[T], name: str, noun: str, *, reset_key: Hashable = None, default: int = 0, size: int = PAGE_SIZE
) -> Sequence[T]:
    """The items of the selected page, after a row of page numbers; all items, without this row, if they fit on one
    page. `name` identifies the list, `noun` is the plural of its items. A new `reset_key`, such as the text of a
    search, selects the page of the item at index `default`."""
    if len(items) <= size:
        return items
    pages = -(-len(items) // size)
    list_key = sha256(repr(reset_key).encode()).hexdigest()[:12]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pages-{name}"):
        page = st.pagination(pages, default=min(default // size + 1, pages), key=f"page-{name}-{list_key}")
        first = (page - 1) * size
        shown = items[first : first + size]
        st.caption(_range_text(first, len(shown), len(items), noun), width="content")
    return shown


def _range_text(first: int, shown: int, total: int, noun: str) -> str:
    return f"{formatting.count(first + 1)} to {formatting.count(first + shown)} of {formatting.count(total)} {noun}"


def current_cursor(reset_key: Hashable) -> str | None:
    """The cursor of the selected page; None for the first one. A new `reset_key` selects the first page."""
    if st.session_state.get(_RESET_KEY) != reset_key:
        st.session_state[_RESET_KEY], st.session_state[_CURSORS_KEY] = reset_key, []
    trail: list[str] = st.session_state[_CURSORS_KEY]
    return trail[-1] if trail else None


def pager(next_cursor: str | None, listed: int, total: int) -> None:
    trail: list[str] = st.session_state[_CURSORS_KEY]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="pager"):
        st.button("Newer", disabled=not trail, on_click=_previous_page, icon=":material/chevron_left:")
        st.button(
            "Older",
            disabled=next_cursor is None,
            on_click=_next_page,
            args=(next_cursor,),
            icon=":material/chevron_right:",
        )
        st.caption(f"Page {len(trail) + 1} · {listed} of {total:,} runs")


def _previous_page() -> None:
    st.session_state[_CURSORS_KEY].pop()


def _next_page(next_cursor: str) -> None:
    st.session_state[_CURSORS_KEY].append(next_cursor)


Row = Sequence[Cell]
# The browser sorts texts by at most this many characters.
_MAX_SORT_KEY = 200


@dataclass(frozen=True)
class Column:
    """`show`: `wide_only` is hidden on phones, `desk_only` also in small windows. `fluid`: takes the remaining width
    and clips longer text. `unit`: the unit in the header of the CSV file, where values are plain numbers."""

    label: str
    align: Literal["left", "right"] = "left"
    help: str = ""
    show: Literal["always", "wide_only", "desk_only"] = "always"
    width: str = ""
    fluid: bool = False
    unit: str = ""


def table(name: str, columns: Sequence[Column], rows: Sequence[Row], *, caption: str) -> None:
    """A table. `name`: the key under which the browser keeps the sort order; `caption`: text for screen readers."""
    st.html(table_html(name, columns, rows, caption))


@st.fragment
def long_table(
    name: str,
    columns: Sequence[Column],
    items: Sequence[T],
    rows: Callable[[Sequence[T]], Sequence[Row]],
    *,
    caption: str,
    noun: str,
    reset_key: Hashable = None,
    size: int = PAGE_SIZE,
) -> None:
    """A table with pages. `rows`: makes the rows of the items of one page; `noun`: the plural of the items; a new
    `reset_key`, such as an order or a search, selects the first page."""
    table(name, columns, rows(paginate(items, name, noun, reset_key=reset_key, size=size)), caption=caption)


def table_html(name: str, columns: Sequence[Column], rows: Sequence[Row], caption: str) -> str:
    head = "".join(_head(column) for column in columns)
    body = "".join(_row(columns, row) for row in rows)
    return (
        f'<div class="ph-scroll" tabindex="0" role="region" aria-label="{html(caption)}">'
        f'<table class="ph-table" data-table="{html(name)}"><caption>{html(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def as_csv(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """The rows as CSV (RFC 4180). Text that a spreadsheet would evaluate as a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(f"{column.label} ({column.unit})" if column.unit else column.label for column in columns)
    writer.writerows([_csv_value(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_button(name: str, build: Callable[[], tuple[Sequence[Column], Sequence[Row]]]) -> None:
    """A download button; `build` runs only when it is clicked."""
    st.download_button(
        "CSV",
        lambda: as_csv(*build()),
        f"{name}.csv",
        "text/csv",
        key=f"csv-{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="Download these rows as CSV",
    )


def _csv_value(cell: Cell) -> str | float | int:
    if cell.value is None:
        return ""
    return escape_formula(cell.value) if isinstance(cell.value, str) else cell.value


def _head(column: Column) -> str:
    title = f' title="{html(column.help)}"' if column.help else ""
    width = f' style="width:{column.width}"' if column.width else ""
    label = f'<button type="button">{html(column.label)}</button>' if column.label else ""
    return f'<th scope="col" class="{_classes(column)}"{title}{width}>{label}</th>'


def _row(columns: Sequence[Column], row: Row) -> str:
    cells = "".join(
        f'<td class="{_classes(column)}" data-value="{html(_sort_attribute(cell))}">{cell.html}</td>'
        for column, cell in zip(columns, row, strict=True)
    )
    return f"<tr>{cells}</tr>"


def _sort_attribute(cell: Cell) -> str | float | int:
    return "" if cell.value is None else cell.value[:_MAX_SORT_KEY] if isinstance(cell.value, str) else cell.value


def _classes(column: Column) -> str:
    return f"ph-{column.align} ph-{column.show.replace('_', '-')}{' ph-fluid' if column.fluid else ''}"
