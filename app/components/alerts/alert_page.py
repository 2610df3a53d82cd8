"""The page of one alert: its state, actions, evidence, timeline and notifications."""

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import run_links
from app.components.alerts.alert_card import DELIVERY_LABELS, alert_card, figures, rule_name, title
from app.components.alerts.alert_list import alert_buttons
from app.components.alerts.dialogs import may_edit
from app.components.alerts.timeline import timeline_html
from app.components.page_head import Crumb, breadcrumb, set_title
from app.components.run_links import Repositories
from app.data import alert_details
from app.data import alerts as alerts_data
from app.data.alert_details import AlertEvidence
from app.data.alerts import AlertOverview
from app.filters import view_state
from app.widgets import cells
from app.widgets.panel import panel
from app.widgets.table import Column, Row, table
from app.widgets.text import html
from core import formatting
from db.enums import AlertState
from health.alerts.open_alerts import covering_silence
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.notification_queries import NotificationRow

_NOTIFICATION_COLUMNS = (
    Column("Notification"),
    Column("Channel"),
    Column("State"),
    Column("Attempts", "right", show="wide_only"),
    Column("Time", "right"),
    Column("Error", show="wide_only"),
)


def requested_alert() -> AlertRow | None:
    """The alert that the URL selects, as the links in notifications do; None without one. Reports an unknown alert."""
    value = st.query_params.get("alert", "")
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    alert = alerts_data.alert_by_id(number) if number is not None else None
    if value and alert is None:
        view_state.report(f"alert={value[:60]} is ignored: this alert does not exist or has been deleted.")
    return alert


def alert_page(alert: AlertRow, overview: AlertOverview, zone: ZoneInfo) -> None:
    """One alert, without the lists of all alerts."""
    set_title(f"Alert #{alert.id}", title(alert), "Alerts")
    crumbs = breadcrumb((Crumb("Alerts", "alerts"), Crumb(f"Alert #{alert.id}")))
    st.html(f'{crumbs}<h1 class="ph-title">{html(title(alert))}</h1>')
    evidence = alert_details.evidence(alert.id)
    with panel(f"Alert #{alert.id}", f"{rule_name(alert)} · state and actions"):
        _state(alert, overview, evidence)
    with panel("Evidence", "what fired, and where it began"):
        facts = evidence_facts(alert, evidence, run_links.github_repositories())
        st.html("".join(f"<dt>{html(name)}</dt><dd>{shown}</dd>" for name, shown in facts).join(_FACTS))
    with panel("Timeline", f"oldest first · {zone}"):
        st.html(timeline_html(alert_details.timeline(alert), zone))
    with panel("Notifications", "attempts and errors of each channel"):
        _notifications(alert, overview.at)


_FACTS = ('<dl class="ph-alert-facts">', "</dl>")


def _state(alert: AlertRow, overview: AlertOverview, evidence: AlertEvidence) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"alert-{alert.id}"):
        card = alert_card(alert, overview.at, evidence.runs, silence=covering_silence(alert, overview.silences))
        st.html(card, width="stretch")
        if alert.state != AlertState.RESOLVED and may_edit():
            alert_buttons(alert)


def evidence_facts(alert: AlertRow, evidence: AlertEvidence, github: Repositories) -> list[tuple[str, str]]:
    """Names and values as HTML. A run that is not stored any more is not named."""
    detail, runs = alert.detail, evidence.runs
    facts = [
        ("Measured", html(figures(alert)) or formatting.NO_DATA),
        ("Threshold", html(alert.threshold)),
        ("Team", ", ".join(cells.anchor(name, "alerts", [("team", name)]) for name in evidence.teams) or "no team"),
    ]
    for label, run_id in (
        ("First bad run", detail.first_bad_run),
        ("Latest failed run", detail.last_run),
        ("Run", detail.run_id),
        ("Resolved by", detail.resolved_by),
    ):
        if run := runs.get(run_id or 0):
            facts.append((label, f"{run_links.commit_text(run, github.get(run.repo))}"))
    if evidence.error_line:
        line = f"<code>{html(evidence.error_line)}</code>"
        cause = cells.anchor("all runs with this cause", "failures", [("cause", evidence.cause)])
        facts.append(("Failure cause", f"{line} {cause}" if evidence.cause else line))
    return facts


def _notifications(alert: AlertRow, now: datetime) -> None:
    if not alert.deliveries:
        st.caption("No notification was sent: no channel was configured, or a silence was active.")
        return
    rows = [_delivery_row(delivery, now) for delivery in alert.deliveries]
    cut = alert.deliveries_total > len(rows)
    number = f", latest {len(rows):,} of {alert.deliveries_total:,}" if cut else ""
    table("messages", _NOTIFICATION_COLUMNS, rows, caption=f"Notifications about this alert{number}")


def _delivery_row(delivery: NotificationRow, now: datetime) -> Row:
    return (
        cells.text(delivery.reason.capitalize()),
        cells.text(delivery.channel),
        cells.text(DELIVERY_LABELS[delivery.state].capitalize()),
        cells.count(delivery.tries),
        cells.ago(delivery.sent_at or delivery.created_at, now),
        cells.text(delivery.error or delivery.note or ""),
    )
