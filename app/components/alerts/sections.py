"""The parts of the page of alerts. Which is shown stands in the address."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.alerts import alert_list, channel_list, rule_form, rule_list
from app.data import alerts as alerts_data
from app.data import figures
from app.data.alerts import AlertOverview
from app.data.status import window_end
from app.widgets.panel import panel
from app.widgets.text import markdown
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
    with panel(f"Alert {alert.id}", "as its message named it"):
        alert_list.alert_detail(alert, now, zone)


def alerts(overview: AlertOverview, zone: ZoneInfo, caveat: str | None = None) -> None:
    """`doubt`: why the data may be out of date or absent; then that nothing fires is no all-clear."""
    with panel("Firing now", _counts_line(overview)):
        if overview.open_count > len(overview.firing):
            _firing_pages(overview)
        elif overview.firing:
            alert_list.firing_list(overview.firing, overview.first_bad_runs, overview.at)
        else:
            calm = ":material/check_circle: Nothing fires."
            st.caption(
                f":material/help: No alert fires, but rules see stored data alone. {markdown(caveat)}"
                if caveat
                else calm
            )
    if overview.undelivered:
        with panel("Messages that nobody got", "of the last 30 days"):
            channel_list.undelivered_table(overview.undelivered, overview.at)
    _history(overview, zone)


def _counts_line(overview: AlertOverview) -> str:
    words = {AlertState.FIRING: "firing", AlertState.ACKNOWLEDGED: "acknowledged", AlertState.SILENCED: "silenced"}
    return " · ".join(f"{overview.counts[state]} {word}" for state, word in words.items())


def _history(overview: AlertOverview, zone: ZoneInfo) -> None:
    trail: list[str] = st.session_state.setdefault(_HISTORY_CURSORS, [])
    page = alerts_data.history_page(trail[-1] if trail else None)
    subtitle = f"{overview.counts[AlertState.RESOLVED]:,} that are over · newest first · {zone}"
    with panel("History", subtitle, csv=("alerts", lambda: alert_list.resolved_csv(page.items, zone))):
        if not page.items:
            st.caption("No alert is over yet. What a rule would have done before, its replay shows under Rules.")
            return
        alert_list.resolved_table(page.items, zone)
        _pager("alerts", trail, page.next)


def _firing_pages(overview: AlertOverview) -> None:
    trail: list[str] = st.session_state.setdefault(_FIRING_CURSORS, [])
    shown = alerts_data.firing_page(trail[-1] if trail else None)
    if trail and not shown.page.items:
        # They are over by now.
        trail.clear()
        shown = alerts_data.firing_page(None)
    alert_list.firing_list(shown.page.items, shown.first_bad_runs, overview.at)
    first = len(trail) * alerts_data.MAX_FIRING
    last = first + len(shown.page.items)
    st.caption(
        f"{formatting.count(first + 1)} to {formatting.count(last)} of {formatting.count(overview.open_count)} alerts, newest first"
    )
    _pager("firing", trail, shown.page.next)


def _pager(name: str, cursors: list[str], next_cursor: str | None) -> None:
    """`trail`: the cursors of the pages up to the one that is shown, of which the first has none."""
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
    # A replay is kept for the hour it was made for.
    hour = now.replace(minute=0)
    csv = "rules", lambda: rule_list.rules_file(overview.rules, hour)
    with panel("Rules", "what is measured where, and from which value on somebody is told", csv=csv):
        rule_list.rule_table(overview.rules, hour)
        st.button("New rule", icon=":material/add:", key="rule-new", on_click=_open_rule, args=("new",))
    rule = _requested_rule(overview.rules)
    if rule is None:
        return
    with st.grid(2, min_column_width=500, gap="small"):
        with panel("New rule" if rule.id is None else rule.name, _rule_subtitle(rule)):
            changed = rule_form.rule_form(rule, _options(version), overview.channels or ())
            _save_buttons(changed or rule, new=rule.id is None, is_valid=changed is not None)
        with panel("Replay", "the same rule over the stored runs of the last 30 days, before it is saved"):
            if changed is None:
                st.caption("The rule cannot be replayed or saved as it is: see the message beside it.")
            else:
                with st.spinner("Looking at 30 days of runs …", show_time=True):
                    replay = alerts_data.backtest(changed, hour)
                rule_list.preview(changed, replay, zone)


def _rule_subtitle(rule: Rule) -> str:
    return "what it measures is said by ALERT_THRESHOLD" if rule.built_in else ""


def _requested_rule(rules: Sequence[Rule]) -> Rule | None:
    value = st.query_params.get("rule", "")
    if value == "new":
        kind = RuleKind.FAILURE_RATE
        return Rule("My rule", kind, RULE_TYPES[kind].default_threshold)
    return next((rule for rule in rules if str(rule.id) == value), None)


def _save_buttons(rule: Rule, *, new: bool, is_valid: bool) -> None:
    """`usable` false: the rule of the form cannot be saved; the buttons stay where they are."""
    with st.container(horizontal=True, gap="small", key="rule-buttons"):
        save = st.button(
            "Add the rule" if new else "Save",
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
    """Widgets of a rule that was left show what is stored when they come again."""
    for key in [key for key in st.session_state if str(key).startswith("rule-")]:
        del st.session_state[key]
    st.query_params.from_dict({"show": "rules"} | ({"rule": rule_id} if rule_id else {}))


def silences(overview: AlertOverview, version: int) -> None:
    names = rule_list.rule_names(overview.rules)
    with panel("Silences", "no messages about what they match; alerts open and close as ever"):
        rule_list.silences(overview.silences, names, overview.at)
        if not overview.silences:
            st.caption("Nothing is silent.")
        if overview.ended_silences:
            with st.expander(
                f"Over: the last {len(overview.ended_silences)}"
                if len(overview.ended_silences) > 1
                else "Over: the last one"
            ):
                rule_list.silences(overview.ended_silences, names, overview.at)
    with panel("Channels", "where messages go; a test takes the same way as an alert"):
        channel_list.channels(_success_rate(version))
    with panel("New silence", "patterns of one field are alternatives, fields narrow each other"):
        rule_list.new_silence(_options(version))


def _options(version: int) -> Mapping[str, Sequence[str]]:
    options = data.filter_options(Scope(), data.now(version) - timedelta(days=90), version)
    return {"repos": options.repos, "workflows": options.workflows, "branches": options.branches}


def _success_rate(version: int) -> str:
    """The success rate as the Overview shows it."""
    now = window_end(version)
    return display(alerts_data.overall_metrics(Window(now - timedelta(days=30), now), version))["success_rate"]
