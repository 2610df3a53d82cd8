"""The state of the filters in the URL and in Streamlit's session state, so that every view is a link.

Streamlit's own binding of widgets to query parameters sometimes loses a parameter when the page changes. Here the URL
wins if it changed by itself (a link, the Back button); else the widgets win and the URL is updated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import streamlit as st

from db.saved_views import VIEW_PARAMETER

PERIODS = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
}
DEFAULT_PERIOD = "30d"


@dataclass(frozen=True)
class SuccessRate:
    """A definition of the success rate: its label and its figure (`health.metrics.definitions`)."""

    label: str
    figure: str


# By their value in the URL.
RATES = {
    "run": SuccessRate("By run", "success_rate"),
    "first": SuccessRate("By first attempt", "success_rate_first_attempt"),
    "commit": SuccessRate("By commit", "success_rate_by_commit"),
}
# The URL has no parameter for a default.
DEFAULTS = {"period": DEFAULT_PERIOD, "rate": "run"}
TIME_KEYS = ("period", "dates")
# The teams that own the repositories and workflows to show.
TEAM_KEY = "team"
SHARED_KEYS = ("repo", TEAM_KEY, "branch", "workflow", *TIME_KEYS, "rate")
RUN_KEYS = ("status", "conclusion", "outcome", "event", "actor", "runner", "q", "hours")
# The statuses of GitHub by their value in the URL.
STATUSES = {
    "running": ("in_progress",),
    "queued": ("queued", "waiting", "pending", "requested"),
    "finished": ("completed",),
}
# The classes of failure causes, on pages with causes or logs.
CLASS_KEY = "class"
FILTER_KEYS = (*SHARED_KEYS, *RUN_KEYS, CLASS_KEY)
# The id of the saved view of a URL, or empty. A URL with it names all filters: those that it does not name are cleared.
VIEW_KEY = VIEW_PARAMETER
_TEXT_KEYS = ("q", "dates", "hours")
_MAX_VALUES, _MAX_VALUE_LENGTH = 50, 300
_SYNCED_KEY, _PAGE_KEY = "filters-written", "filters-page"
# Whether the URL selected something when the user came to the page.
_LINKED_KEY = "filters-linked"
# (the dates before a link to this page, the dates that the link selected), until the user leaves the page.
_DATES_BEFORE_KEY = "filters-dates-before"
# Invalid values of the URL by parameter, until another one is selected.
_BAD_VALUES_KEY = "filters-unusable"


def sync_shared(page: str, keys: Sequence[str] = SHARED_KEYS) -> None:
    """Synchronizes the filters that pages share; `keys`: those that the page shows. A page to which the user has just
    changed has an empty URL, which does not clear the filters. Dates that a link to another page selects, such as the
    bar of a chart, apply to that page only: the Back button returns to the period before."""
    previous = st.session_state.get(_PAGE_KEY)
    page_changed = previous != page
    if page_changed:
        st.session_state[_LINKED_KEY] = any(st.query_params.get_all(key) for key in FILTER_KEYS)
        _switch_dates(st.query_params.get("dates", ""), came_from_page=previous is not None)
    sync(keys, page_changed=page_changed)
    st.session_state[_PAGE_KEY] = page


def _switch_dates(in_url: str, *, came_from_page: bool) -> None:
    before, linked = st.session_state.pop(_DATES_BEFORE_KEY, ("", ""))
    if linked and linked == st.session_state.get("dates"):
        st.session_state["dates"] = before
    current = str(st.session_state.get("dates") or "")
    if came_from_page and in_url and in_url != current:
        st.session_state[_DATES_BEFORE_KEY] = (current, in_url)


def sync_runs() -> None:
    """Synchronizes the filters of the Runs page. A link to the page that selects something selects all of it: filters
    of an earlier visit are not added."""
    is_first = not any(key in st.session_state for key in RUN_KEYS)
    sync(RUN_KEYS, page_changed=is_first and not st.session_state.get(_LINKED_KEY))


def sync_classes() -> None:
    """Synchronizes the classes of failure causes. Unlike the shared filters, they belong to one page: a link to it
    without classes selects all."""
    sync((CLASS_KEY,), page_changed=False)


def sync(keys: Sequence[str], *, page_changed: bool) -> None:
    """`page_changed`: parameters that the URL does not have keep their values, unless the URL has VIEW_KEY."""
    written: dict[str, list[str]] = st.session_state.setdefault(_SYNCED_KEY, {})
    page_changed = page_changed and VIEW_KEY not in st.query_params
    for key in keys:
        in_url, previous = st.query_params.get_all(key), written.get(key, [])
        if in_url != previous and (in_url or not page_changed):
            values = in_url
            _bad_values().pop(key, None)
        elif key in st.session_state:
            values = _as_list(st.session_state[key])
        else:
            values = previous
        st.session_state[key] = _sanitize(key, values)
        written[key] = query_values(key)
        if written[key] and written[key] != in_url:
            st.query_params[key] = written[key]
        elif in_url and not written[key]:
            del st.query_params[key]


def load_query_params() -> None:
    """For a page without filter widgets, such as a wall screen: its URL still selects."""
    sync(SHARED_KEYS, page_changed=False)


def selected(key: str) -> tuple[str, ...]:
    value = st.session_state.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def query_values(key: str) -> list[str]:
    """The values of a query parameter; none for a default."""
    values = _as_list(st.session_state.get(key, ""))
    return [] if values == [DEFAULTS.get(key)] else [value for value in values if value]


def bad_value(key: str) -> str | None:
    """The invalid value that the URL had for a filter with a default."""
    return _bad_values().get(key)


def _bad_values() -> dict[str, str]:
    values: dict[str, str] = st.session_state.setdefault(_BAD_VALUES_KEY, {})
    return values


def clear_dates() -> None:
    st.session_state["dates"] = ""
    st.session_state.pop("days", None)
    _bad_values().pop("period", None)


def clear() -> None:
    """Resets all filters. A callback: the widgets show the change in the next run."""
    for key in FILTER_KEYS:
        if key in st.session_state:
            st.session_state[key] = DEFAULTS.get(key, "" if key in _TEXT_KEYS else [])
    st.session_state.pop("days", None)
    _bad_values().pop("period", None)


def _sanitize(key: str, values: list[str]) -> str | list[str]:
    short = [value[:_MAX_VALUE_LENGTH] for value in values[:_MAX_VALUES]]
    if key in DEFAULTS:
        allowed: Mapping[str, object] = PERIODS if key == "period" else RATES
        if short and short[0] not in allowed:
            _bad_values()[key] = short[0]
        return short[0] if short and short[0] in allowed else DEFAULTS[key]
    return "".join(short[:1]) if key in _TEXT_KEYS else list(dict.fromkeys(short))


def _as_list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []
