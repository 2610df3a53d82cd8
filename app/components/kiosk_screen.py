"""What kiosk mode shows: read every few seconds, as a wall screen has nobody who reloads it."""

import streamlit as st

from app import session
from app.components import kiosk, page_head, page_states
from app.components.alerts.alert_list import alert_card
from app.components.freshness import completeness_note
from app.data import alerts, figures, findings
from app.data.connection import utc_now
from app.data.outages import Unavailable
from app.data.status import CollectionStatus, load_status, window_end
from app.filters import problems, selection

_REFRESH_SECONDS = 5


def show_kiosk() -> None:
    """Shows the Overview as a wall screen with an age, alerts and state of the collector that stay current while no new
    data is stored. Raises Unavailable."""
    # Read here as well: an error within a fragment does not reach the caller. The results are cached.
    kiosk_content()
    _screen()


@st.fragment(run_every=_REFRESH_SECONDS)
def _screen() -> None:
    try:
        content = kiosk_content()
    except Unavailable:
        st.rerun()
    st.html(content)


def kiosk_content() -> str:
    """The wall screen of this moment as HTML; without runs, the reason instead of figures. Raises Unavailable."""
    status = load_status()
    if not status.has_runs:
        return kiosk.kiosk_notice(_head(status, ""), status.stale or status.syncing or "No workflow runs stored yet")
    unknown = problems.unknown_names(status.version)
    if unknown.none_known:
        return kiosk.kiosk_notice(_head(status, ""), page_states.unknown_names_title(unknown))
    now, scope = window_end(status.version), selection.scope()
    window = selection.window(now)
    comparison = selection.trends(status.version).comparison
    open_alerts = alerts.open_alerts(scope)
    page = kiosk.KioskPage(
        head=_head(status, completeness_note(comparison.current.data, window.since, scope.repos)),
        comparison=comparison,
        workflows=figures.workflows(scope, window, status.version),
        attention=findings.attention(scope, now, status.version),
        alerts=[alert_card(alert, now, open_alerts.first_bad_runs) for alert in open_alerts.items],
        open_alerts=open_alerts.total,
        caveat=status.caveat,
    )
    return kiosk.kiosk_html(page, session.kiosk_view(), session.kiosk_rotation())


def _head(status: CollectionStatus, note: str) -> kiosk.KioskHead:
    return kiosk.KioskHead(
        now=utc_now(),
        period=selection.describe().removeprefix("the "),
        subject=" · ".join(page_head.selection_parts()),
        note=note,
        synced_at=status.synced_at,
    )
