"""The state of one page in its URL: the values of its widgets, the order, page and columns of its tables, the hidden
series of its charts, and its open sections.

Values of a table's or chart's parameters begin with its name: `sort=causes.-runs&page=causes.2`. The browser writes
`sort`, `columns`, `hidden` and `open` (`app/javascript/navigation/url_state.js`), the server all other parameters.
Unlike filters, this state belongs to one page: a link to the page without parameters shows its defaults.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

T = TypeVar("T")
SORT, PAGE, COLUMNS = "sort", "page", "columns"
# The series of a chart that its legend hides, such as `hidden=outcomes.Failed`.
HIDDEN = "hidden"
# The sections that differ from their default: open ones, and closed ones with a minus.
OPEN = "open"
# The runs that are selected for a comparison, separated by commas.
SELECTED = "selected"
# Of a value; no field of a page is longer.
_MAX_LENGTH = 500
_MAX_SHOWN = 60
# Of a parameter that is repeatable.
_MAX_VALUES = 50
_NAMED_VALUE = re.compile(r"[a-z0-9-]+\.")
_SECTION = re.compile(r"-?[a-z][a-z0-9-]{0,60}", re.ASCII)
# Parameters whose values begin with the name of a table, or of a chart.
_NAMED = {SORT: "table", PAGE: "table", COLUMNS: "table", HIDDEN: "chart"}
_WRITTEN_KEY, _WRITTEN_VALUES_KEY, _PROBLEMS_KEY = "view-written", "view-written-values", "view-problems"


def sync_widget(
    parameter: str, key: str, default: T, parse: Callable[[str], T | None], text: Callable[[T], str] = str
) -> None:
    """Makes the state of a widget and its URL parameter equal, before the widget is rendered: the URL wins if it
    changed by itself (a link, a reload, the Back button), else the widget. `parse` returns null for an invalid value,
    which stays in the URL until the widget changes."""
    whole = st.query_params.get(parameter, "")
    in_url = whole[:_MAX_LENGTH]
    if len(whole) > _MAX_LENGTH:
        report(f"{parameter}={whole[:_MAX_SHOWN]}… is too long: its first {_MAX_LENGTH} characters apply.")
    if in_url and parse(in_url) is None:
        report(f"{parameter}={in_url[:_MAX_SHOWN]} is unknown and was ignored.")
    _sync(key, default, parse, text, in_url, lambda new: _set(parameter, new))


def sync_values(parameter: str, key: str, is_valid: Callable[[str], bool], expected: str) -> list[str]:
    """The values of a widget with several values, like `sync_widget` for a parameter that is repeatable. Invalid values
    stay in the URL until the widget changes. `expected`: the valid values in words."""
    in_url = [value[:_MAX_LENGTH] for value in st.query_params.get_all(parameter)][:_MAX_VALUES]
    for value in in_url:
        if not is_valid(value):
            report(f"{parameter}={value[:_MAX_SHOWN]} is unknown and was ignored (expected {expected}).")
    valid = list(dict.fromkeys(filter(is_valid, in_url)))
    written: dict[str, list[str]] = st.session_state.setdefault(_WRITTEN_VALUES_KEY, {})
    if key not in written or key not in st.session_state or in_url != written[key]:
        st.session_state[key] = valid
        written[key] = in_url
        return valid
    values = list(st.session_state[key])
    # Writing the values back keeps them when the widget is not rendered for a moment.
    st.session_state[key] = values
    if values != valid:
        written[key] = values
        if values:
            st.query_params[parameter] = values
        else:
            st.query_params.pop(parameter, None)
    return values


def sync_page(table: str, key: str, pages: int, default: int, reset_key: object) -> None:
    """The page number of a table, from 1 to `pages`; a new `reset_key` selects the default unless the URL changed by
    itself."""
    reset_name = f"reset-{key}"
    if st.session_state.get(reset_name, reset_key) != reset_key:
        st.session_state[key] = default
    st.session_state[reset_name] = reset_key
    in_url = table_value(PAGE, table)
    if in_url and page_number(in_url, pages) is None:
        report(f"{PAGE}={table}.{in_url[:_MAX_SHOWN]} is invalid (expected 1 to {pages}): showing page {default}.")
    _sync(
        key,
        default,
        lambda text: page_number(text, pages),
        str,
        in_url,
        lambda new: set_table_value(PAGE, table, new),
    )
    st.session_state[key] = min(st.session_state[key], pages)


def page_number(text: str, pages: int) -> int | None:
    """The number; the last page for a larger one, as lists become shorter."""
    return min(int(text), pages) if text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) else None


def _sync(
    key: str,
    default: T,
    parse: Callable[[str], T | None],
    text: Callable[[T], str],
    in_url: str,
    write: Callable[[str], None],
) -> None:
    written: dict[str, str] = st.session_state.setdefault(_WRITTEN_KEY, {})
    is_known = key in written and key in st.session_state
    if not is_known or in_url != written[key]:
        parsed = parse(in_url) if in_url else default
        st.session_state[key] = default if parsed is None else parsed
        written[key] = in_url
        if parsed is None:
            return
    value: T = st.session_state[key]
    # Writing the value back keeps it when the widget is not rendered for a moment.
    st.session_state[key] = value
    shown = "" if value == default else text(value)
    if value == default and in_url and parse(in_url) is None:
        return
    if shown != in_url:
        write(shown)
    written[key] = shown


def _set(parameter: str, value: str) -> None:
    if value:
        st.query_params[parameter] = value
    elif parameter in st.query_params:
        del st.query_params[parameter]


def begin_problems(show: Callable[[Sequence[str]], None]) -> None:
    """Begins the list of problems of a page with those of parameters without the name of a table. `show` renders the
    sentences above the page; it replaces what it has rendered before."""
    st.session_state[_PROBLEMS_KEY] = show, []
    for parameter, owner in _NAMED.items():
        for value in st.query_params.get_all(parameter):
            if not _NAMED_VALUE.match(value):
                expected = f"the name of a {owner}, a dot and a value"
                report(f"{parameter}={value[:_MAX_SHOWN]} is invalid and ignored (expected {expected}).")
    for run_id in filter(None, st.query_params.get(SELECTED, "").split(",")):
        if not (run_id.isascii() and run_id.isdigit()):
            report(f"{SELECTED}={run_id[:_MAX_SHOWN]} is invalid and ignored (expected IDs of runs).")
    for item in _sections():
        if not _SECTION.fullmatch(item):
            report(f"{OPEN}={item[:_MAX_SHOWN]} is invalid and ignored (expected the name of a section).")


def _sections() -> list[str]:
    return [item for item in st.query_params.get(OPEN, "").split(".") if item]


def is_open(section: str, *, default: bool = False) -> bool:
    """Whether the URL shows a section of the page open. `section`: its key in Streamlit, or its `data-section`."""
    items = _sections()
    return f"-{section}" not in items if default else section in items


def report(message: str) -> None:
    """Shows a sentence about a value of the URL that the page ignores. Not collected until the page ends: a page may
    stop the script."""
    show, messages = st.session_state[_PROBLEMS_KEY]
    if message not in messages:
        messages.append(message)
        show(messages)


def table_value(parameter: str, table: str) -> str:
    """The value of a table's parameter without the name of the table; empty without one."""
    return value_of(st.query_params.get_all(parameter), table)


def value_of(values: Sequence[str], table: str) -> str:
    return next((value[len(table) + 1 :] for value in values if value.startswith(f"{table}.")), "")[:_MAX_LENGTH]


def set_table_value(parameter: str, table: str, value: str) -> None:
    """Replaces the value of one table; an empty one removes it."""
    others = [old for old in st.query_params.get_all(parameter) if not old.startswith(f"{table}.")]
    values = [*others, f"{table}.{value}"] if value else others
    if values:
        st.query_params[parameter] = values
    elif parameter in st.query_params:
        del st.query_params[parameter]
