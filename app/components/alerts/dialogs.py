"""The dialogs that acknowledge and silence an alert."""

from datetime import timedelta
from typing import Any

import streamlit as st

from app import session
from app.data import alert_details, alerts
from app.data.outages import Unavailable
from app.session import ActionRefused
from app.widgets.text import markdown
from core.roles import Role
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.bulk_actions import exact_patterns

SPANS = {
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "1 day": timedelta(days=1),
    "1 week": timedelta(weeks=1),
}
_NAME_KEY, _FAILURE_KEY = "user-name", "action-failed"
MAX_NAME_LENGTH, MAX_COMMENT_LENGTH = 100, 500
ASSIGNEE_HELP = "A member of a team that owns the repository, an assignee of another alert, or any other name"
PATTERN_HELP = "Select or type a pattern: * matches any text, ? one character; acme/* matches all repositories of acme"


def may_edit() -> bool:
    """Whether the user may acknowledge, assign and silence alerts."""
    return session.may(Role.EDITOR)


def name_input(key: str) -> str:
    """The field for the name, prefilled within a session; with a login, the name of the user instead."""
    user_name = session.current_user_name()
    if user_name is not None:
        st.caption(f"Recorded as {markdown(user_name)}")
        return user_name
    return st.text_input(
        "Your name", value=str(st.session_state.get(_NAME_KEY, "")), key=key, max_chars=MAX_NAME_LENGTH
    )


def recorded_name(name: str) -> str:
    """The name to record: that of the signed-in user, whatever name the browser sends; without a login, the given
    one."""
    user_name = session.current_user_name()
    if user_name is not None:
        return user_name
    tidy = " ".join(name.split())[:MAX_NAME_LENGTH]
    st.session_state[_NAME_KEY] = tidy
    return tidy or "anonymous"


def is_name_known() -> bool:
    """Whether actions can be recorded without asking for a name: by the login, or as it was entered before."""
    return session.current_user_name() is not None or bool(st.session_state.get(_NAME_KEY))


def acknowledge_button(alert: AlertRow, title: str) -> None:
    """Acknowledges with one click; without a login, the first time by a dialog with a field for the name."""
    known = is_name_known()
    pressed = st.button(
        "Acknowledge",
        key=f"ack-{alert.id}",
        icon=":material/check:",
        help="Stops reminders until the alert resolves",
        on_click=_acknowledge_now if known else None,
        args=(alert.id,) if known else None,
    )
    if pressed and not known:
        acknowledge_dialog(alert.id, title)


def _acknowledge_now(alert_id: int) -> None:
    try:
        alerts.acknowledge(alert_id, recorded_name(str(st.session_state.get(_NAME_KEY, ""))), "")
    except (ActionRefused, Unavailable) as error:
        note_failure(str(error))


def unacknowledge(alert_id: int) -> None:
    try:
        alerts.unacknowledge(alert_id)
    except (ActionRefused, Unavailable) as error:
        note_failure(str(error))


@st.dialog("Assign", icon=":material/person:", on_dismiss="rerun")
def assign_dialog(alert: AlertRow, title: str) -> None:
    """Assigns the alert to the user, to a member of an owning team, or to any name."""
    session.record_dialog()
    st.markdown(f"**{markdown(title)}**")
    user_name = session.current_user_name()
    sends: list[bool] = []
    with st.container(horizontal=True, gap="small"):
        if user_name:
            on_click: dict[str, Any] = {"on_click": _assign, "args": (alert.id, user_name)}
            sends.append(st.button("Assign to me", key="assign-me", type="primary", **on_click))
        if alert.assignee:
            on_click = {"on_click": _assign, "args": (alert.id, None)}
            sends.append(st.button("Unassign", key="assign-none", icon=":material/close:", **on_click))
    with st.form("assign", border=False):
        names = alert_details.assignee_names(((alert.repository_id, alert.workflow_id),))
        st.selectbox(
            "Assignee",
            list(dict.fromkeys([*filter(None, (alert.assignee, user_name)), *names])),
            index=0 if alert.assignee else None,
            key="assign-name",
            placeholder="Name",
            accept_new_options=True,
            help=ASSIGNEE_HELP,
        )
        sends.append(st.form_submit_button("Assign", key="assign-send", on_click=_assign_selected, args=(alert.id,)))
    if any(sends):
        st.rerun()


def _assign_selected(alert_id: int) -> None:
    _assign(alert_id, clean_text(field_value("assign-name"))[:MAX_NAME_LENGTH] or None)


def _assign(alert_id: int, assignee: str | None) -> None:
    try:
        alert_details.assign_all([alert_id], assignee)
    except (ActionRefused, Unavailable) as error:
        note_failure(str(error))


@st.dialog("Acknowledge", icon=":material/check:", on_dismiss="rerun")
def acknowledge_dialog(alert_id: int, title: str) -> None:
    session.record_dialog()
    st.markdown(f"**{markdown(title)}**")
    st.caption("Stops reminders until the alert resolves. The resolution is still notified.")
    with st.form("acknowledge", border=False):
        name_input("ack-name")
        st.text_input("Comment (optional)", key="ack-comment", max_chars=MAX_COMMENT_LENGTH)
        send = st.form_submit_button(
            "Acknowledge", type="primary", key="ack-send", on_click=_acknowledge, args=(alert_id,)
        )
    if send:
        st.rerun()


def _acknowledge(alert_id: int) -> None:
    try:
        alerts.acknowledge(alert_id, recorded_name(field_value("ack-name")), clean_text(field_value("ack-comment")))
    except (ActionRefused, Unavailable) as error:
        note_failure(str(error))


@st.dialog("Silence", icon=":material/notifications_off:", on_dismiss="rerun")
def silence_dialog(alert: AlertRow, title: str) -> None:
    """Silences exactly the scope of the alert, for its rule or for all rules."""
    session.record_dialog()
    st.markdown(f"**{markdown(title)}**")
    st.caption("No notifications until the silence ends. An alert that is still firing then is notified.")
    with st.form("silence", border=False):
        st.segmented_control("Duration", list(SPANS), default="1 hour", required=True, key="add-silence-span")
        st.checkbox("Silence all rules for this workflow and branch", key="add-silence-every")
        name_input("add-silence-name")
        st.text_input("Reason", key="add-silence-comment", max_chars=MAX_COMMENT_LENGTH)
        send = st.form_submit_button(
            "Silence", type="primary", key="add-silence-send", on_click=_silence, args=(alert,)
        )
    if send:
        st.rerun()


def _silence(alert: AlertRow) -> None:
    rule_id = None if st.session_state.get("add-silence-every") else alert.rule_id
    span = SPANS.get(field_value("add-silence-span"), SPANS["1 hour"])
    try:
        alerts.add_silence(
            exact_patterns(alert),
            rule_id,
            span,
            clean_text(field_value("add-silence-comment")),
            recorded_name(field_value("add-silence-name")),
        )
    except (ActionRefused, Unavailable) as error:
        note_failure(str(error))


def field_value(key: str) -> str:
    return str(st.session_state.get(key) or "")


def note_failure(message: str) -> None:
    st.session_state[_FAILURE_KEY] = message


def show_failure() -> None:
    """Shows once that an action could not be stored, with the reason."""
    line = st.session_state.pop(_FAILURE_KEY, None)
    if line:
        st.error(markdown(line), icon=":material/database_off:")


def clean_text(text: str) -> str:
    """One line of printable characters, cut to the maximum length."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[
        :MAX_COMMENT_LENGTH
    ]
