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
from core.text import as_text

PAGE = 100
_KEY, _OF = "paging-trail", "paging-of"
T = TypeVar("T")


def paged(
    items: Sequence[T], name: str, what: str, *, of: Hashable = None, default: int = 0, size: int = PAGE
) -> Sequence[T]:
    """The page that is chosen, after a line that says which of how many items it has; all of them, and no line, where
    they fit on one page. `name` is that of the list, `what` the plural of its items. Another `of`, such as the text
    of a search, starts at the page with the item at `default` again."""
    if len(items) <= size:
        return items
    pages = -(-len(items) // size)
    question = sha256(repr(of).encode()).hexdigest()[:12]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pages-{name}"):
        place = st.pagination(pages, default=min(default // size + 1, pages), key=f"page-{name}-{question}")
        first = (place - 1) * size
        shown = items[first : first + size]
        st.caption(_words(first, len(shown), len(items), what), width="content")
    return shown


def _words(first: int, shown: int, total: int, what: str) -> str:
    return f"{formatting.count(first + 1)} to {formatting.count(first + shown)} of {formatting.count(total)} {what}"


def cursor(question: Hashable) -> str | None:
    """Where the page begins; another question starts at the newest again."""
    if st.session_state.get(_OF) != question:
        st.session_state[_OF], st.session_state[_KEY] = question, []
    trail: list[str] = st.session_state[_KEY]
    return trail[-1] if trail else None


def pager(following: str | None, shown: int, total: int) -> None:
    trail: list[str] = st.session_state[_KEY]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="pager"):
        st.button("Newer", disabled=not trail, on_click=_back, icon=":material/chevron_left:")
        st.button("Older", disabled=following is None, on_click=_on, args=(following,), icon=":material/chevron_right:")
        st.caption(f"Page {len(trail) + 1} · {shown} of {total:,} runs")


def _back() -> None:
    st.session_state[_KEY].pop()


def _on(following: str) -> None:
    st.session_state[_KEY].append(following)


Row = Sequence[Cell]
# Rows are sorted in the browser by so many characters of a text.
_SORTED_BY = 200


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
    name: str, columns: Sequence[Column], items: Sequence[T], rows: Callable[[Sequence[T]], Sequence[Row]], *,
    caption: str, what: str, of: Hashable = None, size: int = PAGE,
) -> None:  # fmt: skip
    """A table of any length, page by page. `rows` makes the rows of a page; `what` is the plural of the items; another
    `of`, such as an order or a search, starts at the first page again."""
    table(name, columns, rows(paged(items, name, what, of=of, size=size)), caption=caption)


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
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_button(name: str, made: Callable[[], tuple[Sequence[Column], Sequence[Row]]]) -> None:
    """The rows are made when they are asked for."""
    st.download_button(
        "CSV", lambda: as_csv(*made()), f"{name}.csv", "text/csv", key=f"csv-{name}", icon=":material/download:",
        type="tertiary", on_click="ignore", help="These rows as a file",
    )  # fmt: skip


def _plain(cell: Cell) -> str | float | int:
    if cell.value is None:
        return ""
    return as_text(cell.value) if isinstance(cell.value, str) else cell.value


def _head(column: Column) -> str:
    title = f' title="{html(column.help)}"' if column.help else ""
    width = f' style="width:{column.width}"' if column.width else ""
    label = f'<button type="button">{html(column.label)}</button>' if column.label else ""
    return f'<th scope="col" class="{_classes(column)}"{title}{width}>{label}</th>'


def _row(columns: Sequence[Column], row: Row) -> str:
    cells = "".join(
        f'<td class="{_classes(column)}" data-value="{html(_sorted_by(cell))}">{cell.html}</td>'
        for column, cell in zip(columns, row, strict=True)
    )
    return f"<tr>{cells}</tr>"


def _sorted_by(cell: Cell) -> str | float | int:
    return "" if cell.value is None else cell.value[:_SORTED_BY] if isinstance(cell.value, str) else cell.value


def _classes(column: Column) -> str:
    return f"ph-{column.align} ph-{column.show.replace('_', '-')}{' ph-fluid' if column.fluid else ''}"
