"""The sections of the Alerts page: alerts, rules, silences and channels. The URL selects the section."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from app import session
from app.components.alerts import alert_history, alert_list, channel_list, rule_form, rule_list
from app.components.alerts.alert_filters import alert_filters
from app.data import alerts as alerts_data
from app.data import figures, team_scopes
from app.data.alerts import AlertList, AlertOverview
from app.data.status import window_end
from app.filters import view_state
from app.widgets.columns import parse_order
from app.widgets.paging import CursorPage, current_page, pager, report_bad_page
from app.widgets.panel import panel
from app.widgets.table import order_choice
from app.widgets.text import markdown
from core import formatting
from core.formatting import pluralize
from core.roles import Role
from db.definitions.scope import Scope, Window
from db.enums import RuleKind
from db.runs.cursors import InvalidCursor
from health.alerts.rules.rules import Rule
from health.alerts.rules.types import RULE_TYPES
from health.alerts.storage.alert_facets import OPEN_STATES, AlertCounts
from health.alerts.storage.alert_queries import MOST_SEVERE_FIRST, NEWEST_FIRST, AlertFilter, AlertOrder
from health.alerts.storage.stored_rules import BuiltInRuleError
from health.metrics.definitions.catalogue import display

_SECTIONS = ("alerts", "rules", "silences")
# Orders of the firing alerts by their value in URLs.
_ORDERS = {"": MOST_SEVERE_FIRST, "-opened": NEWEST_FIRST, "opened": AlertOrder(ascending=True)}


def section_choice(overview: AlertOverview) -> str:
    value = st.query_params.get("show", "")
    labels = {
        "alerts": f"Alerts · {overview.open_count}",
        "rules": f"Rules · {len(overview.rules)}",
        "silences": f"Silences and channels · {len(overview.silences)}",
    }
    shown = value if value in _SECTIONS else "alerts"
    if value and value not in _SECTIONS:
        view_state.report(f"show={value[:60]} is unknown (expected one of {', '.join(_SECTIONS)}).")
    if st.session_state.get("show") not in (None, shown):
        st.session_state["show"] = shown
    picked = st.segmented_control(
        "Show",
        list(_SECTIONS),
        default=shown,
        required=True,
        key="show",
        format_func=lambda section: labels[section],
        label_visibility="collapsed",
        on_change=_on_section_change,
    )
    return str(picked or shown)


def _on_section_change() -> None:
    st.query_params.from_dict({"show": str(st.session_state["show"])})


def alerts(overview: AlertOverview, zone: ZoneInfo, version: int, caveat: str | None = None) -> None:
    """`caveat`: why the data may be out of date or absent. With a caveat, an empty list does not mean all-clear."""
    selection = alert_filters(rule_list.rule_names(overview.rules), version)
    counts = alerts_data.alert_counts(replace(selection.filter, severities=()))
    if filters := selection.open_alerts:
        _firing(overview, filters, counts, caveat)
    if overview.undelivered and not selection.is_filtered:
        with panel("Undelivered notifications", "last 30 days"):
            channel_list.undelivered_table(overview.undelivered, overview.at)
    if filters := selection.resolved_alerts:
        _history(filters, counts, zone, is_filtered=selection.is_filtered)


def _firing(overview: AlertOverview, filters: AlertFilter, counts: AlertCounts, caveat: str | None) -> None:
    text = view_state.table_value(view_state.SORT, "firing")
    order = _ORDERS.get(text)
    if order is None:
        expected = ", ".join(filter(None, _ORDERS))
        view_state.report(f"sort=firing.{text[:60]} is unknown and was ignored (expected {expected}).")
        text, order = "", MOST_SEVERE_FIRST
    total = _total(counts, filters)
    with panel("Firing now", _counts_line(counts)):
        if not overview.open_count:
            st.caption(_all_clear(overview, caveat))
            return
        current, shown = _page(
            "firing", (filters, text), lambda cursor: alerts_data.firing_list(filters, order, cursor)
        )
        if not shown.items:
            st.caption("No firing alert matches the filters.")
            return
        if total > 1:
            st.html(order_choice("firing", alert_list.sort_labels(), parse_order(text, ("opened",))))
        alert_list.firing_list(shown, overview, counts if order.by_severity else None, filters.states)
        _pager("firing", current, shown, total, ("Previous", "Next"))


def _all_clear(overview: AlertOverview, caveat: str | None) -> str:
    """Why no alert fires, as Markdown: all is well only if rules were evaluated on complete data."""
    if caveat:
        return f":material/help: No firing alerts in the stored data, which may be incomplete. {markdown(caveat)}"
    if not any(rule.enabled for rule in overview.rules):
        return ":material/help: No rule is enabled, so no alert can fire."
    return ":material/check_circle: No firing alerts."


def _counts_line(counts: AlertCounts) -> str:
    """`3 firing · 1 acknowledged · 0 silenced`"""
    return " · ".join(f"{formatting.count(counts.number(state))} {state}" for state in OPEN_STATES)


def _total(counts: AlertCounts, filters: AlertFilter) -> int:
    severities = filters.severities or (None,)
    return sum(counts.number(*filters.states, severity=severity) for severity in severities)


def _history(filters: AlertFilter, counts: AlertCounts, zone: ZoneInfo, *, is_filtered: bool) -> None:
    order, total = alert_history.resolved_order(), _total(counts, filters)
    current, shown = _page("alerts", (filters, order), lambda cursor: alerts_data.history_list(filters, order, cursor))
    number = f"{formatting.count(total)} {'matching' if is_filtered else 'resolved'}"
    rows = ("alerts", lambda: alert_history.resolved_export(alerts_data.all_resolved(filters, order), zone))
    note = f"The {'matching ' if is_filtered else ''}resolved alerts of all pages"
    if total > alerts_data.MAX_EXPORTED:
        note = f"The first {formatting.count(alerts_data.MAX_EXPORTED)} of {formatting.count(total)} alerts"
    subtitle = f"{number} · {alert_history.order_text(order)} · {zone}"
    with panel("History", subtitle, export=rows, export_note=note):
        if not shown.items:
            st.caption(
                "No resolved alert matches the filters."
                if is_filtered
                else "No resolved alerts yet. Use Replay under Rules to see when a rule would have fired."
            )
            return
        alert_history.resolved_table(shown.items, zone, total)
        _pager("alerts", current, shown, total, ("Previous", "Next"))


def _page(name: str, reset_key: Hashable, load: Callable[[str | None], AlertList]) -> tuple[CursorPage, AlertList]:
    """The page that the URL selects; the first one if it does not exist, or if its alerts have left the list."""
    current = current_page(name, reset_key)
    try:
        shown = load(current.cursor)
    except InvalidCursor:
        report_bad_page(name, str(current))
        current, shown = CursorPage(), load(None)
    if current.cursor and not shown.items:
        current, shown = CursorPage(), load(None)
    return current, shown


def _pager(name: str, current: CursorPage, shown: AlertList, total: int, labels: tuple[str, str]) -> None:
    if total <= len(shown.items):
        return
    text = f"{formatting.count(len(shown.items))} of {pluralize(total, 'alert')}"
    pager(name, current, shown.previous, shown.next, text, labels)


def rules(overview: AlertOverview, now: datetime, zone: ZoneInfo, version: int) -> None:
    # Replays are cached by the hour.
    hour = now.replace(minute=0)
    export = "rules", lambda: rule_list.rules_export(overview.rules, hour)
    with panel("Rules", "conditions that open an alert and who gets notified", export=export):
        rule_list.rule_table(overview.rules, hour)
        st.button(
            "New rule",
            icon=":material/add:",
            key="rule-new",
            on_click=_open_rule,
            args=("new",),
            **session.button_rights(Role.ADMIN),
        )
    rule = _requested_rule(overview.rules)
    if rule is None:
        return
    with st.grid(2, min_column_width=500, gap="small"):
        with panel("New rule" if rule.id is None else rule.name, _rule_subtitle(rule)):
            changed = rule_form.rule_form(
                rule, _options(version), overview.channels or (), team_scopes.team_names(version)
            )
            _save_buttons(changed or rule, new=rule.id is None, is_valid=changed is not None)
        with panel("Replay", "this rule evaluated over the stored runs from the last 30 days, without saving it"):
            if changed is None:
                st.caption("The rule is not valid, so it cannot be replayed or saved. See the message in the form.")
            else:
                with st.spinner("Replaying 30 days of runs…", show_time=True):
                    replay = alerts_data.backtest(changed, hour)
                rule_list.preview(changed, replay, zone)


def _rule_subtitle(rule: Rule) -> str:
    return "built-in rule; the setting ALERT_THRESHOLD defines its threshold" if rule.built_in else ""


def _requested_rule(rules: Sequence[Rule]) -> Rule | None:
    value = st.query_params.get("rule", "")
    if value == "new":
        kind = RuleKind.FAILURE_RATE
        return Rule("New rule", kind, RULE_TYPES[kind].default_threshold)
    return next((rule for rule in rules if str(rule.id) == value), None)


def _save_buttons(rule: Rule, *, new: bool, is_valid: bool) -> None:
    """`is_valid`: whether the rule in the form can be saved. The buttons stay in place if not."""
    with st.container(horizontal=True, gap="small", key="rule-buttons"):
        save = st.button(
            "Create rule" if new else "Save",
            type="primary",
            icon=":material/save:",
            key="rule-save",
            **{"disabled": not is_valid} | session.button_rights(Role.ADMIN),
        )
        st.button("Close", key="rule-close", on_click=_open_rule, args=(None,))
        delete = (
            not new
            and not rule.built_in
            and st.button("Delete", icon=":material/delete:", key="rule-delete", **session.button_rights(Role.ADMIN))
        )
    if save:
        try:
            alerts_data.save_rule(rule)
        except BuiltInRuleError as error:
            st.error(markdown(error))
            return
        _open_rule(None)
        st.rerun()
    if delete and rule.id is not None:
        alerts_data.delete_rule(rule.id)
        _open_rule(None)
        st.rerun()


def _open_rule(rule_id: str | None) -> None:
    """Opens a rule, or none. The state of the form is deleted, so that it shows the stored rule when it is opened
    again."""
    for key in [key for key in st.session_state if str(key).startswith("rule-")]:
        del st.session_state[key]
    st.query_params.from_dict({"show": "rules"} | ({"rule": rule_id} if rule_id else {}))


def silences(overview: AlertOverview, version: int) -> None:
    names = rule_list.rule_names(overview.rules)
    with panel("Silences", "no notifications for matching alerts; alerts are still recorded"):
        rule_list.silences(overview.silences, names, overview.at)
        if not overview.silences:
            st.caption("No active silences.")
        if overview.ended_silences:
            number, key = len(overview.ended_silences), "ended-silences"
            label = f"Ended: last {number}" if number > 1 else "Ended: last one"
            with st.expander(label, expanded=view_state.is_open(key), key=key):
                rule_list.silences(overview.ended_silences, names, overview.at)
    with panel("Channels", "where notifications are sent; test messages use the same path"):
        channel_list.channels(_success_rate(version))
    with panel("New silence", "values within a field are ORed; fields are ANDed"):
        rule_list.new_silence(_options(version))


def _options(version: int) -> Mapping[str, Sequence[str]]:
    options = figures.filter_options(Scope(), window_end(version) - timedelta(days=90), version)
    return {"repos": options.repos, "workflows": options.workflows, "branches": options.branches}


def _success_rate(version: int) -> str:
    """The success rate over the last 30 days, as formatted on the Overview."""
    now = window_end(version)
    return display(alerts_data.overall_metrics(Window(now - timedelta(days=30), now), version))["success_rate"]
