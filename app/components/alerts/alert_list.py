"""The list of open alerts with its actions."""

from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from app.components import run_links
from app.components.alerts import bulk
from app.components.alerts.alert_card import SEVERITY_SIGNS, alert_card, title
from app.components.alerts.dialogs import (
    acknowledge_button,
    acknowledge_dialog,
    assign_dialog,
    may_edit,
    silence_dialog,
    unacknowledge,
)
from app.data.alerts import AlertList, AlertOverview
from app.widgets.text import html
from core import formatting
from db.enums import AlertState
from health.alerts.notifications.text import SEVERITIES
from health.alerts.open_alerts import covering_silence
from health.alerts.storage.alert_facets import OPEN_STATES, AlertCounts
from health.alerts.storage.alert_queries import AlertRow


def firing_list(
    shown: AlertList, overview: AlertOverview, counts: AlertCounts | None, states: Sequence[str] = OPEN_STATES
) -> None:
    """Open alerts in one of `states`, with their actions. `counts`: the numbers of all alerts by severity, for a list
    that is sorted by it; null for another order."""
    editable = may_edit()
    github = run_links.github_repositories()
    if editable:
        bulk.selection_bar()
    for severity, group in groupby(shown.items, key=lambda alert: alert.severity if counts else ""):
        if counts:
            st.html(_heading(severity, counts.number(*states, severity=severity)))
        for alert in group:
            silence = covering_silence(alert, overview.silences)
            card = alert_card(alert, overview.at, shown.first_bad_runs, github, silence)
            _row(alert, card, editable=editable)


def _heading(severity: str, number: int) -> str:
    sign, colour = SEVERITY_SIGNS.get(severity, ("·", "gray"))
    return (
        f'<h3 class="ph-severity-head ph-{colour}"><i aria-hidden="true">{sign}</i> '
        f"{html(SEVERITIES.get(severity, severity))} <span>{formatting.count(number)}</span></h3>"
    )


def _row(alert: AlertRow, card: str, *, editable: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"alert-{alert.id}"):
        if not editable:
            st.html(card, width="stretch")
            return
        label = f"Select alert #{alert.id}"
        box = f'<input type="checkbox" class="ph-choose" value="{alert.id}" aria-label="{label}">'
        st.html(f'<div class="ph-choice">{box}{card}</div>', width="stretch")
        alert_buttons(alert)


def alert_buttons(alert: AlertRow) -> None:
    """The actions on an open alert."""
    with st.container(horizontal=True, gap="small", width="content", key=f"do-{alert.id}"):
        if alert.acknowledged_at is None:
            acknowledge_button(alert, title(alert))
        else:
            if not alert.acknowledged_comment and st.button(
                "Comment", key=f"comment-{alert.id}", icon=":material/comment:", help="Adds a comment"
            ):
                acknowledge_dialog(alert.id, title(alert))
            st.button(
                "Unacknowledge",
                key=f"unack-{alert.id}",
                icon=":material/undo:",
                help="Takes back the acknowledgement: reminders start again",
                on_click=unacknowledge,
                args=(alert.id,),
            )
        if alert.state != AlertState.SILENCED and st.button(
            "Silence",
            key=f"add-silence-{alert.id}",
            icon=":material/notifications_off:",
            help="Pauses notifications for a set time",
        ):
            silence_dialog(alert, title(alert))
        if st.button("Assign", key=f"assign-{alert.id}", icon=":material/person:", help="Sets or removes the assignee"):
            assign_dialog(alert, title(alert))


def sort_labels() -> dict[str, str]:
    """Labels of the orders of the list by their value in URLs."""
    return {"": "Most severe first", "-opened": "Newest first", "opened": "Oldest first"}
