"""Open alerts with their actions, one alert with its notifications, and the table of resolved alerts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import run_links
from app.components.alerts.dialogs import acknowledge_dialog, silence_dialog
from app.data import alerts
from app.filters import view_state
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, table
from app.widgets.text import html
from core import formatting
from db.enums import AlertState, DeliveryState, Severity
from db.runs.run_queries import RunRow
from health.alerts.notifications.text import SEVERITIES, headline, measurement_text, past_headline
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.notification_queries import NotificationRow


def scope_text(scope: Patterns) -> str:
    """A scope in words, such as `acme/* · workflow CI or Deploy · branch main`."""
    parts = [
        _alternatives("", scope.repos) or "all repositories",
        _alternatives("workflow ", scope.workflows),
        _alternatives("branch ", scope.branches),
    ]
    return " · ".join(part for part in parts if part)


def _alternatives(label: str, patterns: tuple[str, ...]) -> str:
    return f"{label}{' or '.join(patterns)}" if patterns else ""


_NONE: Mapping[int, RunRow] = MappingProxyType({})
_SIGNS = {
    AlertState.FIRING: ("✕", "Firing", "red"),
    AlertState.ACKNOWLEDGED: ("✓", "Acknowledged", "blue"),
    AlertState.SILENCED: ("⊘", "Silenced", "gray"),
    AlertState.RESOLVED: ("✓", "Resolved", "green"),
}
# A firing alert has the colour of its severity, as on the Overview.
_FIRING_SIGNS: Mapping[str, tuple[str, str]] = {
    Severity.CRITICAL: ("✕", "red"),
    Severity.WARNING: ("!", "orange"),
    Severity.INFO: ("i", "blue"),
}
_DELIVERY_LABELS = {
    DeliveryState.SENT: "sent",
    DeliveryState.PENDING: "pending",
    DeliveryState.DEAD: "failed",
    DeliveryState.MERGED: "merged",
}
_COLUMNS = (
    Column("Alert", fluid=True),
    Column("Rule", show="wide_only"),
    Column("Severity", show="desk_only"),
    Column("Opened", "right", unit="UTC"),
    Column("Duration", "right", unit="s"),
    Column("Notified", show="wide_only"),
)
_NOTIFICATION_COLUMNS = (
    Column("Notification"),
    Column("Channel"),
    Column("State"),
    Column("Attempts", "right", show="wide_only"),
    Column("Time", "right"),
    Column("Error", show="wide_only"),
)


def firing_list(alerts: Sequence[AlertRow], first_bad_runs: Mapping[int, RunRow], now: datetime) -> None:
    """Open alerts with buttons to acknowledge and silence them. `first_bad_runs`: by run ID."""
    for alert in alerts:
        _alert_row(alert, first_bad_runs, now)


def _alert_row(alert: AlertRow, first_bad_runs: Mapping[int, RunRow], now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"alert-{alert.id}"):
        st.html(alert_card(alert, now, first_bad_runs), width="stretch")
        if alert.state == AlertState.RESOLVED:
            return
        with st.container(horizontal=True, gap="small", width="content", key=f"do-{alert.id}"):
            if alert.state != AlertState.ACKNOWLEDGED and st.button(
                "Acknowledge",
                key=f"ack-{alert.id}",
                icon=":material/check:",
                help="Stops reminders until the alert resolves",
            ):
                acknowledge_dialog(alert.id, title(alert))
            if alert.state != AlertState.SILENCED and st.button(
                "Silence",
                key=f"add-silence-{alert.id}",
                icon=":material/notifications_off:",
                help="Pauses notifications for a set time",
            ):
                silence_dialog(alert, title(alert))


def alert_detail(alert: AlertRow, first_bad_runs: Mapping[int, RunRow], now: datetime) -> None:
    """One alert with its notifications and, while it is open, its buttons. `first_bad_runs`: by run ID."""
    _alert_row(alert, first_bad_runs, now)
    if alert.deliveries:
        rows = [_delivery_row(delivery, now) for delivery in alert.deliveries]
        cut = alert.deliveries_total > len(rows)
        number = f", latest {len(rows):,} of {alert.deliveries_total:,}" if cut else ""
        table("messages", _NOTIFICATION_COLUMNS, rows, caption=f"Notifications about this alert{number}")
    else:
        st.caption("No notification was sent: no channel was configured, or a silence was active.")


def resolved_table(alerts: Sequence[AlertRow], zone: ZoneInfo, total: int) -> None:
    """`total`: the number of alerts of the list of which `alerts` are a page."""
    rows, is_partial = resolved_rows(alerts, zone), total > len(alerts)
    table("alerts", _COLUMNS, rows, caption="Resolved alerts, newest first", is_partial=is_partial)


def resolved_export(alerts: Sequence[AlertRow], zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, resolved_rows(alerts, zone)


def resolved_rows(alerts: Sequence[AlertRow], zone: ZoneInfo) -> list[Row]:
    return [
        (
            Cell(f'<span class="ph-two">{_link(alert)}<small>{html(_figures(alert))}</small></span>', title(alert)),
            cells.text(_rule(alert)),
            cells.text(SEVERITIES.get(alert.severity, alert.severity)),
            cells.timestamp(alert.opened_at, zone),
            cells.duration(_duration(alert)),
            cells.muted(_delivery_summary(alert)),
        )
        for alert in alerts
    ]


def title(alert: AlertRow) -> str:
    write = past_headline if alert.state == AlertState.RESOLVED else headline
    return write(alert.rule, alert.alert_target)


def alert_card(alert: AlertRow, now: datetime, first_bad_runs: Mapping[int, RunRow] = _NONE) -> str:
    sign, word, colour = _SIGNS[AlertState(alert.state)]
    if alert.state == AlertState.FIRING:
        sign, colour = _FIRING_SIGNS.get(alert.severity, (sign, colour))
    since = _since(alert)
    parts = [_figures(alert), f"Rule: {_rule(alert)} (≥ {alert.threshold})", _delivery_summary(alert)]
    if alert.state == AlertState.SILENCED and alert.silenced_until:
        left = (alert.silenced_until - now).total_seconds()
        parts.append(f"silenced for {formatting.duration(max(left, 0))} more")
    details = cells.anchor(f"Alert #{alert.id}", "alerts", [("alert", alert.id)], hover="Details and notifications")
    facts = " · ".join([*(html(part) for part in parts if part), details])
    return (
        f'<div class="ph-alert ph-{colour}"><b aria-hidden="true">{sign}</b><div><div>{_link(alert)} '
        f'<span class="ph-pill ph-{colour}">{word}</span> {_severity(alert)}</div>'
        f'<div class="ph-why">{facts}{_first_bad_run(alert, first_bad_runs)}'
        f"{_acknowledged_text(alert, now)}</div></div>"
        f'<time title="since {formatting.timestamp(since)}; opened {formatting.timestamp(alert.opened_at)}">'
        f"{formatting.relative((now - since).total_seconds())}</time></div>"
    )


def _since(alert: AlertRow) -> datetime:
    """When the condition began, if known; otherwise when the alert opened."""
    return alert.detail.since or alert.opened_at


def _first_bad_run(alert: AlertRow, first_bad_runs: Mapping[int, RunRow]) -> str:
    run = first_bad_runs.get(alert.detail.first_bad_run or 0)
    if run is None:
        return ""
    return f"<br>first bad commit {run_links.commit_text(run, run_links.github_repositories().get(run.repo))}"


def _severity(alert: AlertRow) -> str:
    return f'<span class="ph-severity">{html(SEVERITIES.get(alert.severity, alert.severity))}</span>'


def _acknowledged_text(alert: AlertRow, now: datetime) -> str:
    if not alert.acknowledged_at:
        return ""
    ago = formatting.relative((now - alert.acknowledged_at).total_seconds())
    comment = f": {html(alert.acknowledged_comment)}" if alert.acknowledged_comment else ""
    by = f" by <b>{html(alert.acknowledged_by)}</b>" if alert.acknowledged_by else ""
    return f"<br>✓ Acknowledged{by} {ago}{comment}"


def _link(alert: AlertRow) -> str:
    run_id = alert.detail.last_run or alert.detail.run_id
    if run_id:
        return cells.anchor(title(alert), "run", [("run_id", run_id)])
    if alert.workflow_id:
        return cells.anchor(title(alert), "workflow", [("id", alert.workflow_id)])
    return cells.anchor(title(alert), "", [("repo", alert.repo)])


def _figures(alert: AlertRow) -> str:
    return measurement_text(alert.rule, alert.detail, alert.threshold)


def _rule(alert: AlertRow) -> str:
    return alert.rule_name or alert.rule.replace("_", " ")


def _delivery_summary(alert: AlertRow) -> str:
    """The state of the last notification of each channel."""
    last = {delivery.channel: delivery for delivery in alert.deliveries}
    if last:
        return ", ".join(f"{name} {_DELIVERY_LABELS[DeliveryState(delivery.state)]}" for name, delivery in last.items())
    return "grouped" if alert.group_id and alert.group_id != alert.id else "not notified"


def _duration(alert: AlertRow) -> float | None:
    return (alert.resolved_at - alert.opened_at).total_seconds() if alert.resolved_at else None


def _delivery_row(delivery: NotificationRow, now: datetime) -> Row:
    return (
        cells.text(delivery.reason.capitalize()),
        cells.text(delivery.channel),
        cells.text(_DELIVERY_LABELS[DeliveryState(delivery.state)].capitalize()),
        cells.count(delivery.tries),
        cells.ago(delivery.sent_at or delivery.created_at, now),
        cells.text(delivery.error or delivery.note or ""),
    )


def requested_alert() -> AlertRow | None:
    """The alert that the URL selects, as the links in notifications do; None without one. Reports an unknown alert."""
    value = st.query_params.get("alert", "")
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    alert = alerts.alert_by_id(number) if number is not None else None
    if value and alert is None:
        view_state.report(f"alert={value[:60]} is ignored: this alert does not exist or has been deleted.")
    return alert
