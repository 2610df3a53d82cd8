"""What kiosk mode shows: read every few seconds, as a wall screen has nobody who reloads it."""

import streamlit as st

from app import session
from app.components import kiosk, page_head, page_states
from app.components.alerts.alert_card import alert_card
from app.components.freshness import completeness_note
from app.components.run_links import github_repositories
from app.data import alerts, figures, findings
from app.data.connection import utc_now
from app.data.outages import Unavailable
from app.data.status import CollectionStatus, load_status, window_end
from app.filters import active_view, problems, selection
from app.filters.url_state import TEAM_KEY, selected
from app.filters.view_filters import ViewFilters, view_filters
from health.alerts.open_alerts import covering_silence

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
        empty = "No workflow runs stored yet" if status.repositories else "No repositories configured"
        return kiosk.kiosk_notice(_head(status, ""), status.stale or status.syncing or empty)
    rotation, shown = session.kiosk_rotation(), active_view.kiosk_views()
    if shown:
        pages = {view.id: _page(status, view_filters(view), view.name) for view in shown}
        return kiosk.saved_views_html(pages, session.kiosk_view(), rotation)
    unknown = problems.unknown_names(status.version)
    if unknown.none_known:
        return kiosk.kiosk_notice(_head(status, ""), page_states.unknown_names_title(unknown))
    return kiosk.kiosk_html(_page(status), session.kiosk_view(), rotation)


def _page(status: CollectionStatus, filters: ViewFilters | None = None, name: str = "") -> kiosk.KioskPage:
    """A screen with the filters of the URL, or with those of the saved view `name`."""
    now = window_end(status.version)
    if filters:
        scope, window = filters.scope(status.version), filters.window(now)
        place, teams = filters.scope_of_all_teams(status.version), filters.teams
        comparison = figures.trends(scope, window, filters.interval, status.version).comparison
    else:
        scope, window = selection.scope(), selection.window(now)
        place, teams = selection.scope_of_all_teams(), selected(TEAM_KEY)
        comparison = selection.trends(status.version).comparison
    open_alerts, overview = alerts.open_alerts(place, teams), alerts.alert_overview()
    github = github_repositories()
    return kiosk.KioskPage(
        head=_head(status, completeness_note(comparison.current.data, window.since, scope.repos), filters, name),
        comparison=comparison,
        workflows=figures.workflows(scope, window, status.version),
        attention=findings.attention(scope, now, status.version),
        alerts=[
            alert_card(alert, now, open_alerts.first_bad_runs, github, covering_silence(alert, overview.silences))
            for alert in open_alerts.items
        ],
        open_alerts=open_alerts.total,
        caveat=status.caveat or _unknown_names(status, filters),
        alerts_caveat=None if any(rule.enabled for rule in overview.rules) else "No rule is enabled.",
    )


def _unknown_names(status: CollectionStatus, filters: ViewFilters | None) -> str | None:
    """The names of a saved view that are not stored: without them, its screen is no all-clear."""
    unknown = filters.unknown_names(status.version) if filters else problems.UnknownNames()
    if unknown.none_known:
        return f"{page_states.unknown_names_title(unknown)}."
    return " ".join(unknown.messages) or None


def _head(status: CollectionStatus, note: str, filters: ViewFilters | None = None, name: str = "") -> kiosk.KioskHead:
    period = filters.describe() if filters else selection.describe()
    return kiosk.KioskHead(
        now=utc_now(),
        period=period.removeprefix("the "),
        subject=name or " · ".join(page_head.selection_parts()),
        note=note,
        synced_at=status.synced_at,
    )
