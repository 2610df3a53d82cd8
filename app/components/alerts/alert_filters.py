"""The filters of the lists of alerts, which the URL has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from app import session
from app.data import alerts as alerts_data
from app.data import team_scopes
from app.filters import controls, selection, url_state, view_state
from app.filters.problems import unknown_in
from app.filters.url_state import selected
from app.routes import ALERTS
from db.enums import AlertState
from health.alerts.notifications.text import SEVERITIES
from health.alerts.storage.alert_facets import OPEN_STATES, AlertFacets
from health.alerts.storage.alert_queries import AlertFilter

# The value of `assignee` for alerts without one.
UNASSIGNED = "none"
STATE_LABELS: Mapping[str, str] = {state: state.value.capitalize() for state in AlertState}
# The filters that other pages share, and their names in words.
_SHARED_KEYS = ("repo", url_state.TEAM_KEY, "workflow")
_OWN_KEYS = {name: f"alerts-{name}" for name in ("severity", "state", "rule", "assignee")}
_SEARCH_KEY = "alerts-q"
_MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class AlertSelection:
    """What the filters select. `states`: empty for all."""

    filter: AlertFilter
    states: tuple[str, ...]

    @property
    def is_filtered(self) -> bool:
        return bool(self.states) or self.filter != AlertFilter()

    def of(self, *states: str) -> AlertFilter | None:
        """The filter for alerts in those of the states that are selected; null if none is."""
        chosen = tuple(state for state in states if not self.states or state in self.states)
        return AlertFilter(**{**vars(self.filter), "states": chosen}) if chosen else None

    @property
    def open_alerts(self) -> AlertFilter | None:
        return self.of(*OPEN_STATES)

    @property
    def resolved_alerts(self) -> AlertFilter | None:
        return self.of(AlertState.RESOLVED)


def alert_filters(rules: Mapping[int, str], version: int) -> AlertSelection:
    """The row of filters, and what they select. `rules`: names of the stored rules by id."""
    facets = alerts_data.alert_facets()
    known_rules = {**facets.rules, **rules}
    url_state.sync_shared(ALERTS, _SHARED_KEYS)
    view_state.sync_widget("find", _SEARCH_KEY, "", str)
    _sync("state", lambda value: value in STATE_LABELS, f"one of {', '.join(STATE_LABELS)}")
    _sync("severity", lambda value: value in SEVERITIES, f"one of {', '.join(SEVERITIES)}")
    _sync("rule", lambda value: _rule_id(value) in known_rules, "the ID of a rule")
    _sync("assignee", lambda value: len(value) <= _MAX_NAME_LENGTH, f"a name of at most {_MAX_NAME_LENGTH} characters")
    unknown = unknown_in(version, selected("repo"), selected("workflow"))
    for name in team_scopes.unknown_teams(version, selected(url_state.TEAM_KEY)):
        view_state.report(f"There is no team {name}, so no alert is of it.")
    for name in (*unknown.repos, *unknown.workflows):
        view_state.report(f"{name} is not monitored, so no alert is about it.")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="filter-alerts"):
        text = st.text_input(
            "Search alerts",
            key=_SEARCH_KEY,
            placeholder="Repository, workflow, branch, rule or assignee",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=200,
            width=300,
        )
        severities = _multiselect("Severity", _OWN_KEYS["severity"], list(SEVERITIES), "All severities", _severity)
        states = _multiselect("State", _OWN_KEYS["state"], list(STATE_LABELS), "All states", STATE_LABELS.__getitem__)
        rule_ids = _multiselect(
            "Rule",
            _OWN_KEYS["rule"],
            [str(rule_id) for rule_id in known_rules],
            "All rules",
            lambda value: known_rules.get(_rule_id(value), value),
        )
        controls.team_control(version)
        repos = _multiselect("Repository", "repo", facets.repos, "All repositories", new=True)
        workflows = _multiselect("Workflow", "workflow", facets.workflows, "All workflows", new=True)
        assignees = _assignee_control(facets)
    filters = AlertFilter(
        repos=selection.stored_names(version, repos),
        workflows=workflows,
        severities=severities,
        rule_ids=tuple(_rule_id(value) for value in rule_ids),
        text=str(text).strip(),
        teams=selection.team_keys(),
        assignees=tuple("" if name == UNASSIGNED else name for name in assignees),
    )
    return AlertSelection(filters, states)


def _assignee_control(facets: AlertFacets) -> tuple[str, ...]:
    user_name = session.current_user_name()
    labels = {UNASSIGNED: "Unassigned"} | ({user_name: f"Me ({user_name})"} if user_name else {})
    return _multiselect(
        "Assignee",
        _OWN_KEYS["assignee"],
        [*labels, *facets.assignees],
        "All assignees",
        lambda value: labels.get(value, value),
        new=True,
    )


def _severity(value: str) -> str:
    return SEVERITIES[value]


def _rule_id(value: str) -> int:
    """0 for a value that is no ID."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def _sync(parameter: str, is_valid: Callable[[str], bool], expected: str) -> None:
    view_state.sync_values(parameter, _OWN_KEYS[parameter], is_valid, expected)


def _multiselect(
    label: str,
    key: str,
    values: Sequence[str],
    placeholder: str,
    format_value: Callable[[str], str] = str,
    *,
    new: bool = False,
) -> tuple[str, ...]:
    """`new`: whether the user can type other values than the options."""
    # A selected value without alerts, such as a repository of a link, remains selected.
    options = list(dict.fromkeys([*values, *st.session_state.get(key, ())]))
    chosen = st.multiselect(
        label,
        options,
        key=key,
        format_func=format_value,
        placeholder=placeholder,
        accept_new_options=new,
        label_visibility="collapsed",
        width="stretch",
        filter_mode="fuzzy",
        select_all=False,
    )
    return tuple(chosen)
