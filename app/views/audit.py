"""Audit page: who changed what, when, by which way, from what to what."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.components.audit_events import COLUMNS, event_rows
from app.components.audit_filters import audit_filters
from app.data.audit import MAX_EXPORTED, all_events, audit_actors, audit_list
from app.data.connection import utc_now
from app.widgets.exports import listed_note
from app.widgets.paging import CursorPage, current_page, pager, report_bad_page
from app.widgets.panel import panel
from app.widgets.table import Column, Row, table
from app.widgets.text import markdown
from core.formatting import pluralize
from core.roles import Role
from db.runs.cursors import InvalidCursor

if not session.may(Role.ADMIN):
    st.info(markdown(session.missing_role(Role.ADMIN)), icon=":material/lock:")
    st.stop()

zone = session.zone()
selection = audit_filters(audit_actors(), utc_now())
current = current_page("events", selection.key)
try:
    events = audit_list(selection.filter, current.cursor)
except InvalidCursor:
    report_bad_page("events", str(current))
    current = CursorPage()
    events = audit_list(selection.filter, None)


def _files() -> tuple[Sequence[Column], list[Row]]:
    return COLUMNS, event_rows(all_events(selection.filter), zone)


with panel(
    "Changes",
    f"{pluralize(events.total, 'event')} · {selection.period} · newest first · {zone}",
    export=("audit", _files) if events.total else None,
    export_note=listed_note(min(events.total, MAX_EXPORTED), events.total),
):
    if events.page.items:
        table("events", COLUMNS, event_rows(events.page.items, zone), caption="Changes, newest first", is_partial=True)
    elif selection.is_filtered:
        st.caption("No event matches these filters.")
    else:
        st.caption(
            "No change has been recorded yet: changes of rules, silences, alerts, teams and settings appear here."
        )
    if events.page.next or current.cursor:
        text = pluralize(len(events.page.items), "event")
        pager("events", current, None, events.page.next, text, ("First page", "Next page"))
