"""The filters of the Audit page, which the URL has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import streamlit as st

from app.components.audit_events import ACTIONS, ORIGINS, SUBJECTS
from app.filters import view_state
from db.audit import AuditFilter

_PERIODS = {
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
    "1y": ("Last year", timedelta(days=365)),
}
_ALL = "all"
_SEARCH_KEY, _WITHIN_KEY, _SUBJECT_KEY = "audit-find", "audit-within", "audit-subject"
_MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class AuditSelection:
    """`key`: what is selected, equal while the period of `filter` moves with the clock. `period`: in words."""

    filter: AuditFilter
    key: tuple[AuditFilter, str]
    is_filtered: bool
    period: str


def audit_filters(actors: Sequence[str], now: datetime) -> AuditSelection:
    """The row of filters, and what they select."""
    view_state.sync_widget("find", _SEARCH_KEY, "", str)
    view_state.sync_widget("within", _WITHIN_KEY, _ALL, lambda value: value if value in _PERIODS else None)
    view_state.sync_widget("subject", _SUBJECT_KEY, "", lambda value: value if len(value) <= _MAX_NAME_LENGTH else None)
    for parameter, labels in (("kind", SUBJECTS), ("action", ACTIONS), ("way", ORIGINS)):
        view_state.sync_values(
            parameter, f"audit-{parameter}", _is_one_of(labels), f"one of {', '.join(map(str, labels))}"
        )
    view_state.sync_values("who", "audit-who", _is_name, f"a name of at most {_MAX_NAME_LENGTH} characters")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="audit-filters"):
        text = st.text_input(
            "Search events",
            key=_SEARCH_KEY,
            placeholder="Name of a subject or an actor",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=200,
            width=260,
        )
        within = st.selectbox(
            "Period",
            [_ALL, *_PERIODS],
            key=_WITHIN_KEY,
            format_func=lambda value: _PERIODS[value][0] if value in _PERIODS else "All time",
            label_visibility="collapsed",
            width=150,
        )
        kinds = _multiselect("Subject", "audit-kind", SUBJECTS, "All subjects")
        names = _multiselect("Actor", "audit-who", {name: name for name in actors}, "All actors")
        actions = _multiselect("Action", "audit-action", ACTIONS, "All actions")
        origins = _multiselect("Way", "audit-way", ORIGINS, "All ways")
    subject = str(st.session_state.get(_SUBJECT_KEY) or "")
    if subject and st.button(f"Only subject {subject[:40]}", icon=":material/close:", key="audit-subject-clear"):
        st.session_state[_SUBJECT_KEY] = ""
        st.query_params.pop("subject", None)
        st.rerun()
    filters = AuditFilter(
        subject_kinds=kinds,
        subject_ids=(subject,) if subject else (),
        actors=names,
        actions=actions,
        origins=origins,
        text=str(text).strip(),
    )
    key = filters, str(within)
    is_filtered = key != (AuditFilter(), _ALL)
    if within not in _PERIODS:
        return AuditSelection(filters, key, is_filtered, "all time")
    label, span = _PERIODS[within]
    # To the minute, so that results are cached.
    since = now.replace(second=0, microsecond=0) - span
    return AuditSelection(replace(filters, since=since), key, is_filtered, label.lower())


def _is_one_of(labels: Mapping[str, str]) -> Callable[[str], bool]:
    return lambda value: value in labels


def _is_name(value: str) -> bool:
    return len(value) <= _MAX_NAME_LENGTH


def _multiselect(label: str, key: str, labels: Mapping[str, str], placeholder: str) -> tuple[str, ...]:
    # A selected value of a link that no event has remains selected.
    options = list(dict.fromkeys([*map(str, labels), *st.session_state.get(key, ())]))
    chosen = st.multiselect(
        label,
        options,
        key=key,
        format_func=lambda value: labels.get(value, value),
        placeholder=placeholder,
        label_visibility="collapsed",
        width="stretch",
        filter_mode="fuzzy",
        select_all=False,
    )
    return tuple(chosen)
