"""Filters: widgets bound to the address, so that every view is a link."""

from datetime import datetime, timedelta

import streamlit as st

from app import data
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.vocabulary import Conclusion, Interval

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
DEFAULT_PERIOD = "30d"
_KEYS = ("repo", "branch", "workflow", "period", "conclusion", "event", "actor", "q")


def render(version: int) -> None:
    """The row of filters that every page shares."""
    chosen = _options(version)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="filters"):
        st.segmented_control(
            "Period", list(PERIODS), default=DEFAULT_PERIOD, required=True, key="period", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        _choice("Repository", chosen.repos, "repo", "All repositories")
        _choice("Branch", chosen.branches, "branch", "All branches")
        _choice("Workflow", chosen.workflows, "workflow", "All workflows")


def render_for_runs(version: int) -> None:
    """What only the list of runs can be narrowed by."""
    chosen = _options(version)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="run-filters"):
        st.text_input(
            "Search", key="q", bind="query-params", placeholder="Title, branch, commit, actor or #number",
            icon=":material/search:", label_visibility="collapsed", max_chars=200, width=330,
        )  # fmt: skip
        _choice("Conclusion", list(Conclusion), "conclusion", "Any conclusion")
        _choice("Event", chosen.events, "event", "Any event")
        _choice("Actor", chosen.actors, "actor", "Anybody")


def scope() -> Scope:
    return Scope(repos=_chosen("repo"), branches=_chosen("branch"), workflows=_chosen("workflow"))


def run_scope() -> Scope:
    shared = scope()
    return Scope(
        repos=shared.repos, branches=shared.branches, workflows=shared.workflows, events=_chosen("event"),
        actors=_chosen("actor"), conclusions=_chosen("conclusion"),
    )  # fmt: skip


def text() -> str:
    return str(st.session_state.get("q") or "")


def period() -> str:
    chosen = st.session_state.get("period")
    return chosen if chosen in PERIODS else DEFAULT_PERIOD


def window(until: datetime) -> Window:
    return Window(until - PERIODS[period()], until)


def interval() -> Interval:
    return Interval.HOUR if period() == "24h" else Interval.DAY


def overview(version: int) -> data.Overview:
    """The figures of the chosen filters."""
    return data.overview(scope(), window(data.now(version)), interval(), version)


def clear() -> None:
    """A callback: the widgets take up the change with the next run."""
    for key in _KEYS:
        if key in st.session_state:
            st.session_state[key] = DEFAULT_PERIOD if key == "period" else "" if key == "q" else []


def narrowed() -> bool:
    return bool(text()) or any(_chosen(key) for key in _KEYS if key not in ("period", "q"))


def _options(version: int) -> data.Options:
    return data.options(Scope(repos=_chosen("repo")), data.now(version) - PERIODS["90d"], version)


def _choice(label: str, values: list[str], key: str, placeholder: str) -> None:
    # A chosen value that is not among the options (an old branch in a shared link) stays chosen.
    listed = list(dict.fromkeys([*values, *_chosen(key)]))
    st.multiselect(
        label,
        listed,
        key=key,
        bind="query-params",
        placeholder=placeholder,
        label_visibility="collapsed",
        width="stretch",
    )


def _chosen(key: str) -> tuple[str, ...]:
    value = st.session_state.get(key)
    if value is None:
        value = st.query_params.get_all(key)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
