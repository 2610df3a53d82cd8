"""The widgets of the filters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from html import escape

import streamlit as st

from app import session, status_style
from app.data import figures, team_scopes
from app.data.connection import utc_now
from app.data.status import window_end
from app.filters import selection, url_state, view_state
from app.filters.days import BadDates, Dates
from app.filters.time_text import EXAMPLES, parse_time_text
from app.filters.url_state import PERIODS, RATES, STATUSES, selected
from db.definitions.scope import Scope
from db.enums import Conclusion, Outcome
from db.repositories.repository_queries import MAX_VALUES
from health.insights.causes.model import CauseClass
from health.teams.definition import NO_TEAM, team_key

# The runs of this period provide the options of the filters.
OPTIONS_PERIOD = PERIODS["90d"]
# The limit of the options of a filter. Browsers receive all of them with each page.
_MAX_OPTIONS = {"branch": MAX_VALUES, "event": MAX_VALUES, "actor": MAX_VALUES, "runner": MAX_VALUES}
_MAX_OPTIONS |= {"repo": figures.MAX_NAMES, "workflow": figures.MAX_NAMES}
# The period control while days are selected: it has no selection, and each option leads back to a period.
_OTHER_PERIOD_KEY = "period-instead"
_TEXT_KEY, _BAD_TEXT_KEY = "dates-text", "dates-text-invalid"


def render(version: int, page: str, visible: Sequence[str]) -> None:
    """The row of filters that pages share. Filters that are not visible remain selected for the other pages."""
    url_state.sync_shared(page)
    options = _options(version)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="filters"):
        _time_controls(window_end(version))
        if url_state.TEAM_KEY in visible:
            team_control(version)
        if "repo" in visible:
            _multiselect("Repository", options.repos, "repo", "All repositories")
        if "branch" in visible:
            _multiselect("Branch", options.branches, "branch", "All branches")
        if "workflow" in visible:
            _multiselect("Workflow", options.workflows, "workflow", "All workflows")


def render_for_runs(version: int) -> None:
    """The additional filters of the Runs page."""
    url_state.sync_runs()
    for key, allowed in (
        ("status", tuple(STATUSES)),
        ("conclusion", tuple(Conclusion)),
        ("outcome", tuple(Outcome)),
    ):
        for value in selected(key):
            if value not in allowed:
                view_state.report(f"{key}={value[:60]} is unknown (expected one of {', '.join(allowed)}).")
    options = _options(version)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="run-filters"):
        st.text_input(
            "Search",
            key="q",
            placeholder="Title, branch, commit, actor or #number",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=200,
            width=280,
        )
        _multiselect("Conclusion", list(Conclusion), "conclusion", "All results", status_style.outcome_name)
        _multiselect("Status", list(STATUSES), "status", "Any state", str.capitalize)
        _multiselect("Event", options.events, "event", "All events", status_style.event_label)
        _multiselect("Actor", options.actors, "actor", "All actors")
        _multiselect("Runner", options.runners, "runner", "All runners")
        class_control()
        # Filters that only links select.
        if outcomes := selection.run_scope().outcomes:
            names = ", ".join(status_style.outcome_name(name) for name in outcomes)
            _clear_button(f"Outcome: {names}", "outcome", [], "Show all outcomes")
        if hours := selection.selected_hours():
            _clear_button(str(hours), "hours", "", "Show all hours")


def team_control(version: int) -> tuple[str, ...]:
    """The filter by team, with the button that makes the selected team that of the browser. Hidden without teams.
    Returns the selected names."""
    names, key = team_scopes.team_names(version), url_state.TEAM_KEY
    if not names and not selected(key):
        return ()
    st.session_state[key] = list(dict.fromkeys(team_scopes.stored_team_names(version, selected(key))))
    options = [*names.values(), NO_TEAM] if names else []
    _multiselect("Team", options, key, "All teams", status_style.team_label)
    chosen = selected(key)
    shown = chosen[0] if len(chosen) == 1 and team_key(chosen[0]) in names else ""
    unknown = next(iter(team_scopes.unknown_teams(version, chosen)), "")
    # Its text depends on the browser (app/javascript/navigation/my_team.js).
    st.html(
        f'<button type="button" class="ph-my-team" hidden data-my-team="{escape(shown)}" '
        f'data-unknown-team="{escape(unknown)}">My team</button>',
        width="content",
    )
    return chosen


def _clear_button(label: str, key: str, empty: str | list[str], help_text: str) -> None:
    st.button(label, key=f"{key}-clear", on_click=_clear, args=(key, empty), icon=":material/close:", help=help_text)


def _clear(key: str, empty: str | list[str]) -> None:
    st.session_state[key] = empty


def _time_controls(now: datetime) -> None:
    dates = selection.selected_dates()
    if dates:
        st.segmented_control(
            "Period", list(PERIODS), key=_OTHER_PERIOD_KEY, label_visibility="collapsed", on_change=_on_period_change
        )
    else:
        st.segmented_control(
            "Period",
            list(PERIODS),
            required=True,
            key="period",
            label_visibility="collapsed",
            on_change=url_state.clear_dates,
        )
    label = dates.text(session.zone()) if dates else "Custom"
    with st.popover(label, icon=":material/date_range:", key="dates-popover", type="primary" if dates else "secondary"):
        st.text_input(
            f"Day and time ({session.zone()})",
            key=_TEXT_KEY,
            placeholder="yesterday 14-16",
            max_chars=60,
            on_change=_on_text_change,
            help=f"Examples: {EXAMPLES}",
        )
        if message := st.session_state.pop(_BAD_TEXT_KEY, None):
            st.text(message)
        today = selection.today()
        started = dates.started(today) if dates else None
        shown: list[date | datetime | str | None] = [started.first, started.last] if started else []
        # The widget raises for a day after its maximum, also for one that was selected before.
        st.date_input(
            "Date range (UTC)", shown, max_value=max(now.date(), today), key="days", on_change=_on_days_change
        )
        if st.session_state.get("dates"):
            st.button("Back to the period", on_click=url_state.clear_dates, icon=":material/close:")


def _on_period_change() -> None:
    st.session_state["period"] = st.session_state.pop(_OTHER_PERIOD_KEY)
    url_state.clear_dates()


def _on_days_change() -> None:
    days = st.session_state.get("days")
    if isinstance(days, tuple) and len(days) == 2:
        st.session_state["dates"] = Dates.days(*days).query_value


def _on_text_change() -> None:
    text = str(st.session_state.get(_TEXT_KEY) or "").strip()
    if not text:
        return
    try:
        st.session_state["dates"] = parse_time_text(text, utc_now(), session.zone()).query_value
        st.session_state[_TEXT_KEY] = ""
    except BadDates as error:
        st.session_state[_BAD_TEXT_KEY] = str(error)


def rate_control() -> None:
    """The definition of the success rate."""
    st.segmented_control(
        "Success rate",
        list(RATES),
        required=True,
        key="rate",
        label_visibility="collapsed",
        format_func=lambda name: f"Success rate {RATES[name].label.lower()}",
    )


def spend_control(groups: Mapping[str, object]) -> None:
    """The grouping of the Cost page."""
    st.segmented_control(
        "By",
        list(groups),
        required=True,
        default=selection.spend_group(groups),
        key="by",
        label_visibility="collapsed",
        bind="query-params",
    )


def class_control() -> tuple[str, ...]:
    """The classes of failure causes to which a page is limited; empty for all."""
    classes = linked_classes()
    _multiselect("Class", list(CauseClass), url_state.CLASS_KEY, "All classes", status_style.cause_class_label)
    return classes


def linked_classes() -> tuple[str, ...]:
    """The classes of failure causes that the URL selects; empty for all. For a page whose links select them."""
    url_state.sync_classes()
    for value in selected(url_state.CLASS_KEY):
        if value not in tuple(CauseClass):
            view_state.report(f"class={value[:60]} is unknown (expected one of {', '.join(CauseClass)}).")
    return selection.cause_classes()


def repository_control(names: Sequence[str]) -> str:
    """The repository whose details the Collector page shows: `of` in the URL, else the first."""
    view_state.sync_widget("of", "of", names[0], str)
    options = dict.fromkeys([*names, str(st.session_state["of"])])
    return st.selectbox("Repository", list(options), key="of", width=420, label_visibility="collapsed")


def _options(version: int) -> figures.FilterOptions:
    since = window_end(version) - OPTIONS_PERIOD
    scope = Scope(repos=selection.stored_names(version, selected("repo")))
    narrowed = team_scopes.narrowed(scope, selected(url_state.TEAM_KEY), version)
    options = figures.filter_options(narrowed, since, version)
    if not selected(url_state.TEAM_KEY):
        return options
    owned = team_scopes.narrowed(Scope(), selected(url_state.TEAM_KEY), version).repos
    return replace(options, repos=[repo for repo in options.repos if repo in owned])


def _multiselect(
    label: str, values: list[str], key: str, placeholder: str, format_value: Callable[[str], str] = str
) -> None:
    """If the options are only the latest values, or the first ones, the user can type any other."""
    is_truncated = len(values) >= _MAX_OPTIONS.get(key, len(values) + 1)
    # A selected value that is not an option, such as an old branch in a shared link, remains selected.
    options = list(dict.fromkeys([*values, *selected(key)]))
    st.multiselect(
        label,
        options,
        key=key,
        format_func=format_value,
        placeholder=f"{placeholder}, or type one" if is_truncated else placeholder,
        accept_new_options=is_truncated,
        label_visibility="collapsed",
        width="stretch",
        # Abbreviations such as "svc13" for service-13; contiguous matches come first.
        filter_mode="fuzzy",
        # Without it, Enter would select all matches.
        select_all=False,
    )
