"""The notification channels of the collector, test messages, and undelivered notifications."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app import session
from app.data import alerts
from app.data.outages import Unavailable
from app.session import ActionRefused
from app.widgets import cells
from app.widgets.table import Column, Row, table
from app.widgets.text import html, markdown
from core import formatting
from core.roles import Role
from db.enums import DeliveryState
from health.alerts.channels.base import Message
from health.alerts.storage.notification_queries import MAX_DEAD, DeadNotification, NotificationRow

_LABELS = {"slack": "Slack", "email": "Email", "webhook": "Webhook"}
_REFRESH_SECONDS = 4
_SETTINGS = (
    "`SLACK_BOT_TOKEN` and `SLACK_CHANNEL`, `SLACK_WEBHOOK_URL`, `SMTP_URL` and `ALERT_EMAIL_TO`, or "
    "`ALERT_WEBHOOK_URL`"
)
_UNDELIVERED_COLUMNS = (
    Column("Notification"),
    Column("Channel"),
    Column("Reason", show="wide_only"),
    Column("Attempts", "right", show="wide_only"),
    Column("Created", "right", unit="UTC"),
    Column("Error"),
)


@st.fragment(run_every=_REFRESH_SECONDS)
def channels(figures: str) -> None:
    """The channels with the state of their last test message, refreshed every few seconds."""
    overview = alerts.alert_overview()
    names, tests, now = overview.channels, overview.test_deliveries, overview.at
    if names is None:
        st.caption("Channel status unavailable. Is the collector running?")
    elif not names:
        st.caption(
            "No notification channel is configured, so alerts only show up here. "
            f"Configure {_SETTINGS} for the collector."
        )
    for name in names or ():
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"channel-{name}"):
            st.html(_line(name, tests.get(name), now), width="stretch")
            if st.button("Send test", key=f"test-{name}", icon=":material/send:", **session.button_rights(Role.ADMIN)):
                _request_test(name, figures)


def _request_test(channel: str, figures: str) -> None:
    # The page catches no error of a fragment.
    try:
        alerts.request_test(channel, _message(figures))
    except (ActionRefused, Unavailable) as error:
        st.error(markdown(error), icon=":material/error:")
        return
    st.rerun()


def undelivered_table(deliveries: Sequence[DeadNotification], now: datetime) -> None:
    rows: list[Row] = [
        (
            cells.link(delivery.subject or "(no subject)", "alerts", [("alert", delivery.alert_id)])
            if delivery.alert_id
            else cells.text(delivery.subject or "(no subject)"),
            cells.text(_LABELS.get(delivery.channel, delivery.channel)),
            cells.text(delivery.reason.capitalize()),
            cells.count(delivery.tries),
            cells.ago(delivery.created_at, now),
            cells.text(delivery.error or ""),
        )
        for delivery in deliveries
    ]
    table("dead", _UNDELIVERED_COLUMNS, rows, caption="Undelivered notifications, newest first")
    if len(deliveries) == MAX_DEAD:
        st.caption(f"Latest {MAX_DEAD}; there may be more.")


def _line(name: str, last: NotificationRow | None, now: datetime) -> str:
    label = html(_LABELS.get(name, name))
    if last is None:
        never = f'<b>{label}</b><div class="ph-why">not tested yet</div>'
        return f'<div class="ph-alert ph-gray"><b aria-hidden="true">–</b><div>{never}</div></div>'
    ago = formatting.relative((now - (last.sent_at or last.created_at)).total_seconds())
    sign, colour, status_text = {
        DeliveryState.SENT: (
            "✓",
            "green",
            f"test delivered {ago}" + (f", with a note: {last.note}" if last.note else ""),
        ),
        DeliveryState.DEAD: ("✕", "red", f"test failed {ago}: {last.error}"),
    }.get(DeliveryState(last.state), ("◌", "blue", f"test requested {ago}" + (f": {last.error}" if last.error else "")))
    return (
        f'<div class="ph-alert ph-{colour}"><b aria-hidden="true">{sign}</b><div><b>{label}</b>'
        f'<div class="ph-why">{html(status_text)}</div></div></div>'
    )


def _message(figures: str) -> Message:
    return Message(
        subject="Pipeline Health: test notification",
        headline="Test notification: alerts of Pipeline Health are sent here",
        fields=(("Success rate, 30 days", figures),),
        resolved=True,
    )
