"""The sections of the Alerts page: alerts, rules, silences and channels. The URL selects the section."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.alerts import alert_list, channel_list, rule_form, rule_list
from app.components.page_head import Crumb, breadcrumb, set_title
from app.data import alerts as alerts_data
from app.data import figures
from app.data.alerts import AlertOverview
from app.data.status import window_end
from app.widgets.panel import panel
from app.widgets.text import html, markdown
from core import formatting
from db.definitions.scope import Scope, Window
from db.enums import AlertState, RuleKind
from health.alerts.rules.rules import Rule
from health.alerts.rules.types import RULE_TYPES
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.stored_rules import BuiltInRuleError
from health.metrics.definitions.catalogue import display

_SECTIONS = ("alerts", "rules", "silences")
_HISTORY_CURSORS, _FIRING_CURSORS = "alerts-trail", "firing-trail"


def section_choice(overview: AlertOverview) -> str:
    value = st.query_params.get("show", "")
    labels = {
        "alerts": f"Alerts · {overview.open_count}",
        "rules": f"Rules · {len(overview.rules)}",
        "silences": f"Silences and channels · {len(overview.silences)}",
    }
    shown = value if value in _SECTIONS else "alerts"
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


def alert_panel(alert: AlertRow, now: datetime, zone: ZoneInfo) -> None:
    set_title(f"Alert #{alert.id}", alert_list.title(alert), "Alerts")
    crumbs = breadcrumb((Crumb("Alerts", "alerts"), Crumb(f"Alert #{alert.id}")))
    st.html(f'{crumbs}<h1 class="ph-title">{html(alert_list.title(alert))}</h1>')
    with panel(f"Alert #{alert.id}", "details and notifications"):
        alert_list.alert_detail(alert, now, zone)


def alerts(overview: AlertOverview, zone: ZoneInfo, caveat: str | None = None) -> None:
    """`caveat`: why the data may be out of date or absent. With a caveat, an empty list does not mean all-clear."""
    with panel("Firing now", _counts_line(overview)):
        if overview.open_count > len(overview.firing):
            _firing_pages(overview)
        elif overview.firing:
            alert_list.firing_list(overview.firing, overview.first_bad_runs, overview.at)
        else:
            all_clear = ":material/check_circle: No firing alerts."
            st.caption(
                f":material/help: No firing alerts in the stored data, which may be incomplete. {markdown(caveat)}"
                if caveat
                else all_clear
            )
    if overview.undelivered:
        with panel("Undelivered notifications", "last 30 days"):
            channel_list.undelivered_table(overview.undelivered, overview.at)
    _history(overview, zone)


def _counts_line(overview: AlertOverview) -> str:
    words = {AlertState.FIRING: "firing", AlertState.ACKNOWLEDGED: "acknowledged", AlertState.SILENCED: "silenced"}
    return " · ".join(f"{overview.counts[state]} {word}" for state, word in words.items())


def _history(overview: AlertOverview, zone: ZoneInfo) -> None:
    trail: list[str] = st.session_state.setdefault(_HISTORY_CURSORS, [])
    page = alerts_data.history_page(trail[-1] if trail else None)
    subtitle = f"{overview.counts[AlertState.RESOLVED]:,} resolved · newest first · {zone}"
    rows = ("alerts", lambda: alert_list.resolved_export(page.items, zone))
    with panel("History", subtitle, export=rows, export_note="The alerts on this page only"):
        if not page.items:
            st.caption("No resolved alerts yet. Use Replay under Rules to see when a rule would have fired.")
            return
        alert_list.resolved_table(page.items, zone)
        _pager("alerts", trail, page.next)


def _firing_pages(overview: AlertOverview) -> None:
    trail: list[str] = st.session_state.setdefault(_FIRING_CURSORS, [])
    shown = alerts_data.firing_page(trail[-1] if trail else None)
    if trail and not shown.page.items:
        # The alerts of this page have been resolved meanwhile.
        trail.clear()
        shown = alerts_data.firing_page(None)
    alert_list.firing_list(shown.page.items, shown.first_bad_runs, overview.at)
    first = len(trail) * alerts_data.MAX_FIRING
    last = first + len(shown.page.items)
    st.caption(
        f"{formatting.count(first + 1)} to {formatting.count(last)} of {formatting.count(overview.open_count)} alerts, "
        "newest first"
    )
    _pager("firing", trail, shown.page.next)


def _pager(name: str, cursors: list[str], next_cursor: str | None) -> None:
    """`cursors`: those of the pages before and of the current one; the first page has none."""
    if not next_cursor and not cursors:
        return
    with st.container(horizontal=True, gap="small", key=f"{name}-pager"):
        st.button(
            "Newer",
            disabled=not cursors,
            on_click=_previous_page,
            args=(cursors,),
            key=f"{name}-newer",
            icon=":material/chevron_left:",
        )
        st.button(
            "Older",
            disabled=next_cursor is None,
            on_click=cursors.append,
            args=(next_cursor,),
            key=f"{name}-older",
            icon=":material/chevron_right:",
        )


def _previous_page(cursors: list[str]) -> None:
    cursors.pop()


def rules(overview: AlertOverview, now: datetime, zone: ZoneInfo, version: int) -> None:
    # Replays are cached by the hour.
    hour = now.replace(minute=0)
    export = "rules", lambda: rule_list.rules_export(overview.rules, hour)
    with panel("Rules", "conditions that open an alert and who gets notified", export=export):
        rule_list.rule_table(overview.rules, hour)
        st.button("New rule", icon=":material/add:", key="rule-new", on_click=_open_rule, args=("new",))
    rule = _requested_rule(overview.rules)
    if rule is None:
        return
    with st.grid(2, min_column_width=500, gap="small"):
        with panel("New rule" if rule.id is None else rule.name, _rule_subtitle(rule)):
            changed = rule_form.rule_form(rule, _options(version), overview.channels or ())
            _save_buttons(changed or rule, new=rule.id is None, is_valid=changed is not None)
        with panel("Replay", "this rule evaluated over the stored runs from the last 30 days, without saving it"):
            if changed is None:
                st.caption("The rule is not valid, so it cannot be replayed or saved. See the message in the form.")
            else:
                with st.spinner("Replaying 30 days of runs…", show_time=True):
                    replay = alerts_data.backtest(changed, hour)
                rule_list.preview(changed, replay, zone)


def _rule_subtitle(rule: Rule) -> str:
    return "defined by ALERT_THRESHOLD" if rule.built_in else ""


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
            disabled=not is_valid,
        )
        st.button("Close", key="rule-close", on_click=_open_rule, args=(None,))
        delete = not new and not rule.built_in and st.button("Delete", icon=":material/delete:", key="rule-delete")
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
            with st.expander(
                f"Ended: last {len(overview.ended_silences)}" if len(overview.ended_silences) > 1 else "Ended: last one"
            ):
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
