"""Changes of several alerts at once: the bar that selects them, and the dialog."""

from dataclasses import dataclass

import streamlit as st

from app import session
from app.components.alerts.alert_card import title
from app.components.alerts.dialogs import (
    ASSIGNEE_HELP,
    MAX_COMMENT_LENGTH,
    MAX_NAME_LENGTH,
    SPANS,
    clean_text,
    field_value,
    name_input,
    note_failure,
    recorded_name,
)
from app.data import alert_details
from app.data import alerts as alerts_data
from app.data.outages import Unavailable
from app.filters import view_state
from app.session import ActionRefused
from app.widgets.text import markdown
from core.formatting import pluralize
from health.alerts.storage.alert_queries import AlertRow

# Counts the changes, so that the browser clears its selection (`app/javascript/navigation/alert_selection.js`).
_CHANGES_KEY = "bulk-changes"
# As in the browser.
MAX_SELECTED = 200
_MAX_TITLES = 5
_NO_SILENCE, _SAME = "No", "Unchanged"


def selection_bar() -> None:
    """A check box that selects all alerts of the page, and a button that opens the dialog. The browser keeps the
    selection, in the URL as `selected`, and shows the button while it is not empty."""
    changes = st.session_state.get(_CHANGES_KEY, 0)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="selected-alerts"):
        st.html(
            f'<div class="ph-choices" data-changes="{changes}"><label><input type="checkbox">Select all on this page'
            '</label><b role="status">0 selected</b><button type="button">Clear selection</button></div>',
            width="content",
        )
        if st.button("Change selected alerts", key="bulk-open", icon=":material/checklist:"):
            bulk_dialog(selected_ids())


def selected_ids() -> tuple[int, ...]:
    """The selected alerts; `view_state.begin_problems` reports invalid IDs."""
    values = st.query_params.get(view_state.SELECTED, "").split(",")
    ids = (int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 19)
    return tuple(dict.fromkeys(ids))[:MAX_SELECTED]


@st.dialog("Change selected alerts", icon=":material/checklist:", on_dismiss="rerun")
def bulk_dialog(ids: tuple[int, ...]) -> None:
    session.record_dialog()
    selected = alert_details.open_alerts_by_id(ids)
    if not selected:
        st.caption("Select open alerts first.")
        return
    st.markdown(f"**{pluralize(len(selected), 'open alert')}**\n\n{_titles(selected)}")
    if len(selected) < len(ids):
        st.caption(f"{pluralize(len(ids) - len(selected), 'selected alert')} resolved meanwhile and stay unchanged.")
    with st.form("bulk", border=False):
        st.checkbox("Acknowledge", value=True, key="bulk-acknowledge", help="Stops reminders until the alerts resolve")
        st.segmented_control("Silence", [_NO_SILENCE, *SPANS], default=_NO_SILENCE, required=True, key="bulk-silence")
        names = alert_details.assignee_names(tuple({(row.repository_id, row.workflow_id) for row in selected}))
        st.selectbox(
            "Assignee",
            [_SAME, *_own_name(), *names],
            key="bulk-assignee",
            accept_new_options=True,
            help=ASSIGNEE_HELP,
        )
        st.text_input("Comment (optional)", key="bulk-comment", max_chars=MAX_COMMENT_LENGTH)
        name_input("bulk-name")
        send = st.form_submit_button(
            f"Change {pluralize(len(selected), 'alert')}",
            type="primary",
            key="bulk-send",
            on_click=_apply,
            args=(tuple(row.id for row in selected),),
        )
    if send:
        st.rerun()


def _titles(alerts: list[AlertRow]) -> str:
    lines = [f"- {markdown(title(alert))}" for alert in alerts[:_MAX_TITLES]]
    rest = len(alerts) - len(lines)
    return "\n".join([*lines, *([f"- {rest} more"] if rest else [])])


def _own_name() -> list[str]:
    name = session.current_user_name()
    return [name] if name else []


@dataclass(frozen=True)
class BulkChange:
    """What to do with all selected alerts. `silence`: a name of SPANS, or empty; `assignee`: empty for no change."""

    acknowledge: bool
    silence: str
    assignee: str
    comment: str
    by: str


def _apply(ids: tuple[int, ...]) -> None:
    assignee, silence = field_value("bulk-assignee"), field_value("bulk-silence")
    change = BulkChange(
        acknowledge=bool(st.session_state.get("bulk-acknowledge")),
        silence=silence if silence in SPANS else "",
        assignee="" if assignee == _SAME else clean_text(assignee)[:MAX_NAME_LENGTH],
        comment=clean_text(field_value("bulk-comment")),
        by=recorded_name(field_value("bulk-name")),
    )
    try:
        errors = _change(ids, change)
    except (ActionRefused, Unavailable) as error:
        note_failure(str(error))
        return
    st.session_state[_CHANGES_KEY] = st.session_state.get(_CHANGES_KEY, 0) + 1
    if errors:
        note_failure(f"{pluralize(len(errors), 'alert was', 'alerts were')} not changed. {errors[0]}")


def _change(ids: tuple[int, ...], change: BulkChange) -> list[str]:
    """The reasons why alerts were not changed, one for each."""
    errors: dict[int, str] = {}
    if change.acknowledge:
        results = alerts_data.acknowledge_all(ids, change.by, change.comment)
        errors |= {result.alert_id: result.error for result in results if result.error}
    if change.silence:
        results = alerts_data.silence_all(ids, SPANS[change.silence], change.comment, change.by)
        errors |= {result.alert_id: result.error for result in results if result.error}
    if change.assignee:
        alert_details.assign_all(ids, change.assignee)
    return list(errors.values())
