"""The parts of the page of alerts. Which is shown stands in the address."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from app import data
from app.components.alerts import alert_list, channel_list, rule_form, rule_list
from app.data import alerts as alerts_data
from app.data.alerts import Board
from app.widgets.panel import panel
from app.widgets.text import markdown
from core import formatting
from db.definitions.scope import Scope, Window
from db.enums import AlertState, RuleKind
from health.alerts.rules.rules import Rule
from health.alerts.rules.types import KINDS
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.stored_rules import RuleIsBuiltIn
from health.metrics.definitions.catalogue import display

_SHOW = ("alerts", "rules", "silences")
_TRAIL, _FIRING_TRAIL = "alerts-trail", "firing-trail"


def choose(found: Board) -> str:
    asked = st.query_params.get("show", "")
    labels = {
        "alerts": f"Alerts · {found.open}", "rules": f"Rules · {len(found.rules)}",
        "silences": f"Silences and channels · {len(found.silences)}",
    }  # fmt: skip
    shown = asked if asked in _SHOW else "alerts"
    if st.session_state.get("show") not in (None, shown):
        st.session_state["show"] = shown
    picked = st.segmented_control("Show", list(_SHOW), default=shown, required=True, key="show",
                                  format_func=lambda each: labels[each], label_visibility="collapsed",
                                  on_change=_note_choice)  # fmt: skip
    return str(picked or shown)


def _note_choice() -> None:
    st.query_params.from_dict({"show": str(st.session_state["show"])})


def one(chosen: AlertRow, now: datetime, zone: ZoneInfo) -> None:
    with panel(f"Alert {chosen.id}", "as its message named it"):
        alert_list.one(chosen, now, zone)


def alerts(found: Board, zone: ZoneInfo, doubt: str | None = None) -> None:
    """`doubt`: why the data may be out of date or absent; then that nothing fires is no all-clear."""
    with panel("Firing now", _standing(found)):
        if found.open > len(found.firing):
            _firing_pages(found)
        elif found.firing:
            alert_list.firing(found.firing, found.firsts, found.at)
        else:
            calm = ":material/check_circle: Nothing fires."
            st.caption(
                f":material/help: No alert fires, but rules see stored data alone. {markdown(doubt)}" if doubt else calm
            )
    if found.dead:
        with panel("Messages that nobody got", "of the last 30 days"):
            channel_list.given_up(found.dead, found.at)
    _history(found, zone)


def _standing(found: Board) -> str:
    words = {AlertState.FIRING: "firing", AlertState.ACKNOWLEDGED: "acknowledged", AlertState.SILENCED: "silenced"}
    return " · ".join(f"{found.counts[state]} {word}" for state, word in words.items())


def _history(found: Board, zone: ZoneInfo) -> None:
    trail: list[str] = st.session_state.setdefault(_TRAIL, [])
    page = alerts_data.history(trail[-1] if trail else None)
    told = f"{found.counts[AlertState.RESOLVED]:,} that are over · newest first · {zone}"
    with panel("History", told, csv=("alerts", lambda: alert_list.past_file(page.items, zone))):
        if not page.items:
            st.caption("No alert is over yet. What a rule would have done before, its replay shows under Rules.")
            return
        alert_list.past_table(page.items, zone)
        _pager("alerts", trail, page.next)


def _firing_pages(found: Board) -> None:
    trail: list[str] = st.session_state.setdefault(_FIRING_TRAIL, [])
    shown = alerts_data.firing(trail[-1] if trail else None)
    if trail and not shown.page.items:
        # They are over by now.
        trail.clear()
        shown = alerts_data.firing(None)
    alert_list.firing(shown.page.items, shown.firsts, found.at)
    first = len(trail) * alerts_data.MOST_FIRING
    last = first + len(shown.page.items)
    st.caption(
        f"{formatting.count(first + 1)} to {formatting.count(last)} of {formatting.count(found.open)} alerts, newest first"
    )
    _pager("firing", trail, shown.page.next)


def _pager(name: str, trail: list[str], following: str | None) -> None:
    """`trail`: the cursors of the pages up to the one that is shown, of which the first has none."""
    if not following and not trail:
        return
    with st.container(horizontal=True, gap="small", key=f"{name}-pager"):
        st.button("Newer", disabled=not trail, on_click=_newer, args=(trail,), key=f"{name}-newer",
                  icon=":material/chevron_left:")  # fmt: skip
        st.button("Older", disabled=following is None, on_click=trail.append, args=(following,), key=f"{name}-older",
                  icon=":material/chevron_right:")  # fmt: skip


def _newer(trail: list[str]) -> None:
    trail.pop()


def rules(found: Board, now: datetime, zone: ZoneInfo, version: int) -> None:
    # A replay is kept for the hour it was made for.
    hour = now.replace(minute=0)
    csv = "rules", lambda: rule_list.rules_file(found.rules, hour)
    with panel("Rules", "what is measured where, and from which value on somebody is told", csv=csv):
        rule_list.rule_table(found.rules, hour)
        st.button("New rule", icon=":material/add:", key="rule-new", on_click=_edit, args=("new",))
    rule = _wanted(found.rules)
    if rule is None:
        return
    with st.grid(2, min_column_width=500, gap="small"):
        with panel("New rule" if rule.id is None else rule.name, _kind_of(rule)):
            changed = rule_form.rule_form(rule, _options(version), found.channels or ())
            _save(changed or rule, new=rule.id is None, usable=changed is not None)
        with panel("Replay", "the same rule over the stored runs of the last 30 days, before it is saved"):
            if changed is None:
                st.caption("The rule cannot be replayed or saved as it is: see the message beside it.")
            else:
                with st.spinner("Looking at 30 days of runs …", show_time=True):
                    made = alerts_data.replay(changed, hour)
                rule_list.preview(changed, made, zone)


def _kind_of(rule: Rule) -> str:
    return "what it measures is said by ALERT_THRESHOLD" if rule.built_in else ""


def _wanted(rules: Sequence[Rule]) -> Rule | None:
    asked = st.query_params.get("rule", "")
    if asked == "new":
        kind = RuleKind.FAILURE_RATE
        return Rule("My rule", kind, KINDS[kind].open_at)
    return next((rule for rule in rules if str(rule.id) == asked), None)


def _save(rule: Rule, *, new: bool, usable: bool) -> None:
    """`usable` false: the rule of the form cannot be saved; the buttons stay where they are."""
    with st.container(horizontal=True, gap="small", key="rule-buttons"):
        save = st.button(
            "Add the rule" if new else "Save",
            type="primary",
            icon=":material/save:",
            key="rule-save",
            disabled=not usable,
        )
        st.button("Close", key="rule-close", on_click=_edit, args=(None,))
        gone = not new and not rule.built_in and st.button("Delete", icon=":material/delete:", key="rule-delete")
    if save:
        try:
            alerts_data.save_rule(rule)
        except RuleIsBuiltIn as error:
            st.error(markdown(error))
            return
        _edit(None)
        st.rerun()
    if gone and rule.id is not None:
        alerts_data.delete_rule(rule.id)
        _edit(None)
        st.rerun()


def _edit(which: str | None) -> None:
    """Widgets of a rule that was left show what is stored when they come again."""
    for key in [key for key in st.session_state if str(key).startswith("rule-")]:
        del st.session_state[key]
    st.query_params.from_dict({"show": "rules"} | ({"rule": which} if which else {}))


def silences(found: Board, version: int) -> None:
    names = rule_list.named(found.rules)
    with panel("Silences", "no messages about what they match; alerts open and close as ever"):
        rule_list.silences(found.silences, names, found.at)
        if not found.silences:
            st.caption("Nothing is silent.")
        if found.ended:
            with st.expander(f"Over: the last {len(found.ended)}" if len(found.ended) > 1 else "Over: the last one"):
                rule_list.silences(found.ended, names, found.at)
    with panel("Channels", "where messages go; a test takes the same way as an alert"):
        channel_list.channels(_figures(version))
    with panel("New silence", "patterns of one field are alternatives, fields narrow each other"):
        rule_list.new_silence(_options(version))


def _options(version: int) -> Mapping[str, Sequence[str]]:
    known = data.options(Scope(), data.now(version) - timedelta(days=90), version)
    return {"repos": known.repos, "workflows": known.workflows, "branches": known.branches}


def _figures(version: int) -> str:
    """The success rate as the Overview shows it."""
    now = data.now(version)
    return display(alerts_data.figures(Window(now - timedelta(days=30), now), version))["success_rate"]
