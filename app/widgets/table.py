"""Pages of long lists: of those that the database pages, older and newer ones; of those that are read as a whole, any
page.

Tables as HTML: real links, hovers and words instead of a picture of them; sorted in the browser by a click on a
head; the same rows as CSV.
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
    """The page that is chosen, after a line that says which of how many items it has; all of them, and no line, where
    they fit on one page. `name` is that of the list, `what` the plural of its items. Another `of`, such as the text
    of a search, starts at the page with the item at `default` again."""
    if len(items) <= size:
        return items
    pages = -(-len(items) // size)
    question = sha256(repr(reset_key).encode()).hexdigest()[:12]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pages-{name}"):
        page = st.pagination(pages, default=min(default // size + 1, pages), key=f"page-{name}-{question}")
        first = (page - 1) * size
        shown = items[first : first + size]
        st.caption(_range_text(first, len(shown), len(items), noun), width="content")
    return shown


def _range_text(first: int, shown: int, total: int, noun: str) -> str:
    return f"{formatting.count(first + 1)} to {formatting.count(first + shown)} of {formatting.count(total)} {noun}"


def current_cursor(reset_key: Hashable) -> str | None:
    """Where the page begins; another question starts at the newest again."""
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
# Rows are sorted in the browser by so many characters of a text.
_MAX_SORT_KEY = 200


@dataclass(frozen=True)
class Column:
    """`wide_only`: what a phone leaves out; `desk_only`: what a small window leaves out, too. `fluid`: takes the room
    that the others leave, and cuts what is longer. `unit` stands in the head of the file: its values are plain
    numbers."""

    label: str
    align: Literal["left", "right"] = "left"
    help: str = ""
    show: Literal["always", "wide_only", "desk_only"] = "always"
    width: str = ""
    fluid: bool = False
    unit: str = ""


def table(name: str, columns: Sequence[Column], rows: Sequence[Row], *, caption: str) -> None:
    """`name` keeps the chosen order when the rows are drawn anew; `caption` is read out, not seen."""
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
    """A table of any length, page by page. `rows` makes the rows of a page; `what` is the plural of the items; another
    `of`, such as an order or a search, starts at the first page again."""
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
    """RFC 4180; text that a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(f"{column.label} ({column.unit})" if column.unit else column.label for column in columns)
    writer.writerows([_csv_value(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_button(name: str, build: Callable[[], tuple[Sequence[Column], Sequence[Row]]]) -> None:
    """The rows are made when they are asked for."""
    st.download_button(
        "CSV",
        lambda: as_csv(*build()),
        f"{name}.csv",
        "text/csv",
        key=f"csv-{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="These rows as a file",
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
