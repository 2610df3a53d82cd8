"""Filters: widgets whose state stands in the address, so that every view is a link.

Streamlit's own binding now and then loses a parameter when the page changes, so the address is kept here: it wins
where it changed by itself (a link, the Back button), else what was chosen wins and is written to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import streamlit as st

from app import data, selection, status_style
from app.selection import BadDays, Days, UnknownNames
from app.selection import find_unknown_names as find_unknown
from db.definitions.scope import Scope, Window
from db.enums import Conclusion, Interval
from db.repositories.repository_queries import MAX_VALUES, WorkflowRow

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90),
           "1y": timedelta(days=365)}  # fmt: skip
DEFAULT_PERIOD = "30d"


@dataclass(frozen=True)
class SuccessRate:
    """A way to count successes: what it is called, and its figure in the catalogue."""

    label: str
    figure: str


# As the address names them.
RATES = {
    "run": SuccessRate("By run", "success_rate"),
    "first": SuccessRate("By first attempt", "success_rate_first_attempt"),
    "commit": SuccessRate("By commit", "success_rate_by_commit"),
}
# A default leaves no parameter in the address.
_DEFAULTS = {"period": DEFAULT_PERIOD, "rate": "run"}
_TIME_KEYS = ("period", "dates")
_SHARED_KEYS = ("repo", "branch", "workflow", *_TIME_KEYS, "rate")
_RUN_KEYS = ("conclusion", "event", "actor", "q")
_ALL_KEYS = _SHARED_KEYS + _RUN_KEYS
_TEXT_KEYS = ("q", "dates")
# Filters whose options are the values of the latest runs.
_TRUNCATED_KEYS = ("branch", "event", "actor")
_MAX_VALUES, _MAX_VALUE_LENGTH = 50, 300
_SYNCED_KEY, _PAGE_KEY, _OTHER_PERIOD_KEY = "filters-written", "filters-page", "period-instead"
# A period of the address that is none, until another one is chosen.
_BAD_PERIOD_KEY = "period-unusable"
_MAX_HOURLY, _MAX_DAILY = timedelta(days=3), timedelta(days=120)


def render(version: int, page: str, visible: Sequence[str] = ("repo", "branch", "workflow")) -> None:
    """The row of filters that every page of figures shares. What is not `shown` stays chosen for the other pages."""
    _sync_query_params(_SHARED_KEYS, page_changed=st.session_state.get(_PAGE_KEY) != page)
    st.session_state[_PAGE_KEY] = page
    chosen = _options(version)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="filters"):
        _time_choice(data.now(version))
        if "repo" in visible:
            _multiselect("Repository", chosen.repos, "repo", "All repositories")
        if "branch" in visible:
            _multiselect("Branch", chosen.branches, "branch", "All branches")
        if "workflow" in visible:
            _multiselect("Workflow", chosen.workflows, "workflow", "All workflows")


def page_shows_names(page: str) -> bool:
    """Does the page show what the chosen repositories and workflows have?"""
    return "repo" in visible_filters(page)


def visible_filters(page: str) -> Sequence[str]:
    """The page of one workflow has chosen repository and workflow already."""
    return ("branch",) if page == "workflow" and "id" in st.query_params else ("repo", "branch", "workflow")


def load_query_params() -> None:
    """For a page without these widgets, as a wall: what the address says holds all the same."""
    _sync_query_params(_SHARED_KEYS, page_changed=False)


def unknown_names(version: int) -> UnknownNames:
    """Chosen repositories and workflows that are not known, on pages that are about them."""
    repos, workflows = _selected("repo"), _selected("workflow")
    if not repos and not workflows:
        return UnknownNames()
    named = data.known_names(Scope(repos=_canonical(version, repos)), version)
    return find_unknown(repos, workflows, named.repos, named.workflows)


def _canonical(version: int, repos: Sequence[str]) -> tuple[str, ...]:
    """As they are stored: GitHub takes names in any case."""
    if not repos:
        return ()
    known = data.known_names(Scope(), version).repos
    return tuple(known.get(repo.lower(), repo) for repo in repos)


def problems(version: int, page: str) -> list[str]:
    """What of the address cannot be shown as it stands, in sentences: periods, days, repositories and workflows."""
    found = unknown_names(version).messages if page_shows_names(page) else []
    if unusable := st.session_state.get(_BAD_PERIOD_KEY):
        known = ", ".join(PERIODS)
        found.append(f"period={unusable} is none of {known}: the last {DEFAULT_PERIOD} are shown.")
    try:
        days = _parse_days()
        told = selection.future_note(days, _today()) if days else None
        found += [told] if told else []
    except BadDays as error:
        found.append(f"{error} The last {period()} are shown instead.")
    return found


def _time_choice(now: datetime) -> None:
    days = _days()
    if days:
        # None of them holds while days are chosen, and each leads back.
        st.segmented_control(
            "Period", list(PERIODS), key=_OTHER_PERIOD_KEY, label_visibility="collapsed", on_change=_on_period_change
        )
    else:
        st.segmented_control("Period", list(PERIODS), required=True, key="period", label_visibility="collapsed",
                             on_change=_clear_dates)  # fmt: skip
    with st.popover(str(days) if days else "Dates", icon=":material/date_range:", key="dates-popover",
                    type="primary" if days else "secondary"):  # fmt: skip
        begun = days.started(_today()) if days else None
        shown: list[date | datetime | str | None] = [begun.first, begun.last] if begun else []
        # A day beyond the widget's end is an exception, also where it was chosen before.
        st.date_input("From and to, UTC days", shown, max_value=max(now.date(), _today()), key="days",
                      on_change=_on_days_change)  # fmt: skip
        if st.session_state.get("dates"):
            st.button("Back to the period", on_click=_clear_dates, icon=":material/close:")


def _on_period_change() -> None:
    st.session_state["period"] = st.session_state.pop(_OTHER_PERIOD_KEY)
    _clear_dates()


def _on_days_change() -> None:
    chosen = st.session_state.get("days")
    if isinstance(chosen, tuple) and len(chosen) == 2:
        st.session_state["dates"] = Days(*chosen).query_value


def _clear_dates() -> None:
    st.session_state["dates"] = ""
    st.session_state.pop("days", None)
    st.session_state.pop(_BAD_PERIOD_KEY, None)


def render_for_runs(version: int) -> None:
    """What only the list of runs can be narrowed by."""
    _sync_query_params(_RUN_KEYS, page_changed=not any(key in st.session_state for key in _RUN_KEYS))
    chosen = _options(version)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="run-filters"):
        st.text_input(
            "Search", key="q", placeholder="Title, branch, commit, actor or #number",
            icon=":material/search:", label_visibility="collapsed", max_chars=200, width=330,
        )  # fmt: skip
        _multiselect("Conclusion", list(Conclusion), "conclusion", "Any conclusion", status_style.outcome_name)
        _multiselect("Event", chosen.events, "event", "Any event")
        _multiselect("Actor", chosen.actors, "actor", "Anybody")


def ledger_repository(names: Sequence[str]) -> str:
    """One of these, which the address names as `of`; the first where it names none."""
    asked = st.query_params.get("of", "")
    listed = list(names) if not asked or asked in names else [*names, asked]
    chosen = st.selectbox(
        "Ledger of", listed, index=listed.index(asked) if asked else 0, key="of", width=420,
        help="Every line of what is known of one repository",
    )  # fmt: skip
    if chosen != (asked or listed[0]):
        st.query_params["of"] = chosen
    return chosen


def scope() -> Scope:
    return Scope(
        repos=_canonical(data.status().version, _selected("repo")),
        branches=_selected("branch"),
        workflows=_selected("workflow"),
    )


def workflow_scope(workflow: WorkflowRow, branches: tuple[str, ...] | None = None) -> Scope:
    """One workflow; of the chosen branches where none are given."""
    chosen = _selected("branch") if branches is None else branches
    return Scope(repos=(workflow.repo,), workflows=(str(workflow.id),), branches=chosen)


def single_branch() -> str | None:
    """Where exactly one is chosen."""
    chosen = _selected("branch")
    return chosen[0] if len(chosen) == 1 else None


def spend_by(choices: Mapping[str, object]) -> str:
    chosen = st.session_state.get("by") or st.query_params.get("by", "")
    return chosen if chosen in choices else next(iter(choices))


def spend_choice(choices: Mapping[str, object]) -> None:
    st.segmented_control("By", list(choices), required=True, default=spend_by(choices), key="by",
                         label_visibility="collapsed", bind="query-params")  # fmt: skip


def run_scope() -> Scope:
    shared = scope()
    return Scope(
        repos=shared.repos, branches=shared.branches, workflows=shared.workflows, events=_selected("event"),
        actors=_selected("actor"), conclusions=_selected("conclusion"),
    )  # fmt: skip


def search_text() -> str:
    return str(st.session_state.get("q") or "")


def period() -> str:
    """As it is written: 30d, or the chosen days."""
    days = _days()
    if days:
        return f"{days}, so far" if days.includes_today(_today()) else str(days)
    chosen = st.session_state.get("period")
    return chosen if chosen in PERIODS else DEFAULT_PERIOD


def period_length() -> str:
    """How long that is, for `vs … before`: 30d, or 9 days; where the days are not over, as much time as has passed."""
    days = _days()
    if not days:
        return period()
    if days.includes_today(_today()):
        return "the same time"
    count = (days.last - days.first).days + 1
    return f"{count} days" if count > 1 else "1 day"


def describe() -> str:
    """For a sentence: the last 30d, or 1 Nov – 9 Nov."""
    return period() if _days() else f"the last {period()}"


def time_query() -> list[tuple[str, object]]:
    """What a link takes along to show the same time."""
    return [(key, value) for key in _TIME_KEYS for value in _query_values(key)]


def window(until: datetime) -> Window:
    """The chosen days end at midnight, today's now; days that have not begun are an empty window."""
    days = _days()
    return Window(until - PERIODS[period()], until) if days is None else days.window(until)


def interval() -> Interval:
    days = _days()
    if days is None:
        shown = PERIODS[period()]
    else:
        begun = days.started(_today()) or days
        shown = begun.last - begun.first + timedelta(days=1)
    return Interval.HOUR if shown <= _MAX_HOURLY else Interval.DAY if shown <= _MAX_DAILY else Interval.WEEK


def _today() -> date:
    return data.utc_now().astimezone(UTC).date()


def _days() -> Days | None:
    """Null where none were chosen, or nothing usable."""
    try:
        return _parse_days()
    except BadDays:
        return None


def _parse_days() -> Days | None:
    """Raises BadDays."""
    text = str(st.session_state.get("dates") or "")
    return selection.parse(text) if text else None


def trends(version: int) -> data.Trends:
    """The figures of the chosen filters; those by commit where they are shown."""
    asked = scope(), window(data.now(version)), interval(), version
    return data.trends(*asked, commits=True) if rate() == "commit" else data.trends(*asked)


def rate() -> str:
    """How successes are counted, a key of RATES."""
    chosen = st.session_state.get("rate")
    return chosen if chosen in RATES else _DEFAULTS["rate"]


def rate_choice() -> None:
    st.segmented_control("Success rate", list(RATES), required=True, key="rate", label_visibility="collapsed",
                         format_func=lambda name: f"Success rate {RATES[name].label.lower()}")  # fmt: skip


def clear() -> None:
    """A callback: the widgets take up the change with the next run."""
    for key in _ALL_KEYS:
        if key in st.session_state:
            st.session_state[key] = _DEFAULTS.get(key, "" if key in _TEXT_KEYS else [])
    st.session_state.pop("days", None)
    st.session_state.pop(_BAD_PERIOD_KEY, None)


def narrowed() -> bool:
    return bool(search_text()) or any(_selected(key) for key in _ALL_KEYS if key not in (*_DEFAULTS, *_TEXT_KEYS))


def _options(version: int) -> data.FilterOptions:
    return data.filter_options(Scope(repos=_selected("repo")), data.now(version) - PERIODS["90d"], version)


def _multiselect(
    label: str, values: list[str], key: str, placeholder: str, format_value: Callable[[str], str] = str
) -> None:
    """Where only the latest values are listed, any other can be typed."""
    cut = key in _TRUNCATED_KEYS and len(values) >= MAX_VALUES
    # A chosen value that is not among the options (an old branch in a shared link) stays chosen.
    listed = list(dict.fromkeys([*values, *_selected(key)]))
    st.multiselect(
        label,
        listed,
        key=key,
        format_func=format_value,
        placeholder=f"{placeholder}, or type one" if cut else placeholder,
        accept_new_options=cut,
        label_visibility="collapsed",
        width="stretch",
        # Streamlit's own way takes "pay" for api-gateway, too, and Enter for all that it found.
        filter_mode="contains",
        select_all=False,
    )


def _selected(key: str) -> tuple[str, ...]:
    value = st.session_state.get(key)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _sync_query_params(keys: Sequence[str], *, page_changed: bool) -> None:
    """Brings widgets and address together. A page that was just changed to has an empty address: that says nothing."""
    written: dict[str, list[str]] = st.session_state.setdefault(_SYNCED_KEY, {})
    for key in keys:
        given, before = st.query_params.get_all(key), written.get(key, [])
        if given != before and (given or not page_changed):
            value = given
            if key == "period":
                st.session_state.pop(_BAD_PERIOD_KEY, None)
        elif key in st.session_state:
            value = _as_list(st.session_state[key])
        else:
            value = before
        st.session_state[key] = _sanitize(key, value)
        written[key] = _query_values(key)
        if written[key] and written[key] != given:
            st.query_params[key] = written[key]
        elif given and not written[key]:
            del st.query_params[key]


def _sanitize(key: str, values: list[str]) -> str | list[str]:
    short = [value[:_MAX_VALUE_LENGTH] for value in values[:_MAX_VALUES]]
    if key == "period" and short and short[0] not in PERIODS:
        st.session_state[_BAD_PERIOD_KEY] = short[0]
    if key in _DEFAULTS:
        allowed: Mapping[str, object] = PERIODS if key == "period" else RATES
        return short[0] if short and short[0] in allowed else _DEFAULTS[key]
    return "".join(short[:1]) if key in _TEXT_KEYS else list(dict.fromkeys(short))


def _query_values(key: str) -> list[str]:
    """A default leaves no parameter."""
    value = _as_list(st.session_state.get(key, ""))
    return [] if value == [_DEFAULTS.get(key)] else [each for each in value if each]


def _as_list(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []
