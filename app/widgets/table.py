"""Tables as HTML, which unlike Streamlit's canvas have links, tooltips and text.

The URL has the order of a table. A table whose rows are all on the page is sorted in the browser; for a longer one, the
server sorts all rows and renders one page of them (`long_table`).
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from app.filters import view_state
from app.widgets.cells import Cell, Value
from app.widgets.columns import MAX_SORT_KEY, Column, Row, SortOrder, parse_order, sort_by, sort_rows
from app.widgets.paging import PAGE_SIZE, paginate
from app.widgets.text import html

__all__ = [
    "Column",
    "Row",
    "long_table",
    "order_choice",
    "paginate",
    "sort_order",
    "sorted_html",
    "table",
    "table_html",
]
T = TypeVar("T")
_MAX_SHOWN = 60
_PAGE_ONLY = "Sorts only the rows on this page"


def sort_order(name: str, columns: Sequence[Column], columns_name: str = "") -> SortOrder | None:
    """The order of a table that the URL selects; null for the default order. Reports invalid orders and columns.
    `columns_name`: the name of the choice of columns if similar tables share it."""
    keys = [column.key for column in columns if column.key]
    text = view_state.table_value(view_state.SORT, name)
    order = parse_order(text, keys)
    expected = f"expected one of {', '.join(keys)}"
    if text and order is None:
        view_state.report(f"sort={name}.{text[:_MAX_SHOWN]} is ignored: no such column ({expected}).")
    columns_name = columns_name or name
    chosen = view_state.table_value(view_state.COLUMNS, columns_name)
    unknown = [key for item in chosen.split(".") if (key := item.removeprefix("-")) not in keys]
    if chosen and unknown:
        view_state.report(
            f"columns={columns_name}.{chosen[:_MAX_SHOWN]}: unknown column {unknown[0][:_MAX_SHOWN]} ({expected})."
        )
    return order


def table(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str,
    server_keys: Collection[str] = (),
    is_partial: bool = False,
) -> None:
    """A table, in the order of the URL. `name`: the table in URLs; `caption`: text for screen readers. `is_partial`:
    the rows are one page of a list; then the server sorts the list by the columns `server_keys`, and their order is
    that of `rows`."""
    order = sort_order(name, columns)
    if order and order.column not in server_keys:
        rows = sort_rows(columns, rows, order)
    st.html(table_html(name, columns, rows, caption, order, server_keys=server_keys, is_partial=is_partial))


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
    values: Mapping[str, Callable[[T], Value]] | None = None,
) -> None:
    """A table with pages. `rows`: makes the rows of the items of one page; `noun`: the plural of the items; a new
    `reset_key`, such as a search, selects the first page. `values`: the value to sort by of an item by key of the
    column; without it, an order needs the rows of all items."""
    order = sort_order(name, columns)
    key = None if order is None else str(order), reset_key
    if not items:
        st.caption(f"No {noun} are stored for this selection.")
        return
    if len(items) <= size:
        table(name, columns, rows(items), caption=caption)
        return
    if order is None:
        shown = rows(paginate(items, name, noun, reset_key=key, size=size))
    elif values and order.column in values:
        sorted_items = sort_by(items, values[order.column], descending=order.descending)
        shown = rows(paginate(sorted_items, name, noun, reset_key=key, size=size))
    else:
        shown = paginate(sort_rows(columns, rows(items), order), name, noun, reset_key=key, size=size)
    keys = [column.key for column in columns]
    st.html(table_html(name, columns, shown, caption, order, server_keys=keys, is_partial=True))


def sorted_html(name: str, columns: Sequence[Column], rows: Sequence[Row], caption: str, columns_name: str = "") -> str:
    """A table as HTML, in the order of the URL, to be part of a larger element. `columns_name`: see `sort_order`."""
    order = sort_order(name, columns, columns_name)
    shown = sort_rows(columns, rows, order) if order else rows
    return table_html(name, columns, shown, caption, order, columns_name=columns_name)


def order_choice(name: str, orders: Mapping[str, str], order: SortOrder | None) -> str:
    """A choice of the order of a table as HTML. `orders`: labels by order in URLs; another `order`, by the head of a
    column, is an option of its own."""
    selected = str(order or "")
    labels = orders if selected in orders else {selected: "By column", **orders}
    options = "".join(
        f'<option value="{html(value)}"{" selected" if value == selected else ""}>{html(label)}</option>'
        for value, label in labels.items()
    )
    return f'<label class="ph-sort">Sort <select class="ph-order" data-for="{html(name)}">{options}</select></label>'


def table_html(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    caption: str,
    order: SortOrder | None = None,
    *,
    server_keys: Collection[str] = (),
    is_partial: bool = False,
    columns_name: str = "",
) -> str:
    numeric = [_is_numeric([row[index] for row in rows]) for index in range(len(columns))]
    heads = "".join(
        _head(column, order, server_keys, is_partial=is_partial, is_numeric=is_numeric)
        for column, is_numeric in zip(columns, numeric, strict=True)
    )
    body = "".join(_row(columns, row) for row in rows)
    mark = f' data-columns="{html(columns_name or name)}"'
    mark += f' data-sorted="{html(order)}"' if order else ""
    return (
        f'<div class="ph-scroll" tabindex="0" role="region" aria-label="{html(caption)}">'
        f'<table class="ph-table" data-table="{html(name)}"{mark}><caption>{html(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


# The name of a column of check boxes for screen readers.
_NO_LABEL = '<span class="ph-hidden">Selection</span>'


def _is_numeric(cells: Sequence[Cell]) -> bool:
    """Whether the known values of a column are numbers: the browser reads a name such as 1e5 as one as well."""
    known = [value for cell in cells if (value := cell.sort_value) not in (None, "")]
    return bool(known) and not any(isinstance(value, str) for value in known)


def _head(
    column: Column, order: SortOrder | None, server_keys: Collection[str], *, is_partial: bool, is_numeric: bool
) -> str:
    is_server = is_partial and column.key in server_keys
    note = _PAGE_ONLY if is_partial and not is_server and column.label else ""
    help_text = " · ".join(part for part in (column.help, note) if part)
    attributes = f' data-key="{html(column.key)}"' if column.label else ""
    attributes += f' title="{html(help_text)}"' if help_text else ""
    attributes += f' style="width:{column.width}"' if column.width else ""
    attributes += f' data-label="{html(column.file_label)}"' if column.file_label else ""
    attributes += " data-server" if is_server else ""
    if order and column.label:
        direction = "descending" if order.descending else "ascending"
        attributes += f' aria-sort="{direction if column.key == order.column else "none"}"'
    attributes += " data-numeric" if is_numeric else ""
    label = f'<button type="button">{html(column.label)}</button>' if column.label else _NO_LABEL
    return f'<th scope="col" class="{_classes(column)}"{attributes}>{label}</th>'


def _row(columns: Sequence[Column], row: Row) -> str:
    cells = "".join(
        f'<td class="{_classes(column)}" data-value="{html(_sort_attribute(cell))}">{cell.html}</td>'
        for column, cell in zip(columns, row, strict=True)
    )
    return f"<tr>{cells}</tr>"


def _sort_attribute(cell: Cell) -> str | float | int:
    value = cell.sort_value
    return "" if value is None else value[:MAX_SORT_KEY] if isinstance(value, str) else value


def _classes(column: Column) -> str:
    return f"ph-{column.align} ph-{column.show.replace('_', '-')}{' ph-fluid' if column.fluid else ''}"
