"""The table of resolved alerts, and its files."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from app.components.alerts.alert_card import delivery_summary, figures, rule_name, severity_badge, title
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, sort_order, table
from app.widgets.text import html
from health.alerts.storage.alert_queries import NEWEST_FIRST, AlertOrder, AlertRow

_COLUMNS = (
    Column("Alert", fluid=True),
    Column("Rule", show="wide_only"),
    Column("Severity", show="desk_only"),
    Column("Assignee", show="desk_only"),
    Column("Acknowledged by", show="off"),
    Column("Opened", "right", unit="UTC"),
    Column("Duration", "right", unit="s"),
    Column("Notified", show="wide_only"),
)
# The columns by which the database sorts all alerts; the browser sorts a page by the others.
_SERVER_KEYS = ("opened", "severity")


def resolved_order() -> AlertOrder:
    """The order of the resolved alerts that the URL selects."""
    order = sort_order("alerts", _COLUMNS)
    if order is None or order.column not in _SERVER_KEYS:
        return NEWEST_FIRST
    return AlertOrder(by_severity=order.column == "severity", ascending=not order.descending)


def order_text(order: AlertOrder) -> str:
    if order.by_severity:
        return "least severe first" if order.ascending else "most severe first"
    return "oldest first" if order.ascending else "newest first"


def resolved_table(alerts: Sequence[AlertRow], zone: ZoneInfo, total: int) -> None:
    """`total`: the number of alerts of the list of which `alerts` are a page."""
    is_partial = total > len(alerts)
    keys = _SERVER_KEYS if is_partial else ()
    caption = f"Resolved alerts, {order_text(resolved_order())}"
    table("alerts", _COLUMNS, resolved_rows(alerts, zone), caption=caption, server_keys=keys, is_partial=is_partial)


def resolved_export(alerts: Sequence[AlertRow], zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, resolved_rows(alerts, zone)


def resolved_rows(alerts: Sequence[AlertRow], zone: ZoneInfo) -> list[Row]:
    return [
        (
            Cell(f'<span class="ph-two">{_link(alert)}<small>{html(figures(alert))}</small></span>', title(alert)),
            cells.text(rule_name(alert)),
            Cell(severity_badge(alert.severity), alert.severity, _RANKS.get(alert.severity, 0)),
            cells.link(alert.assignee, "alerts", [("assignee", alert.assignee)]) if alert.assignee else Cell("", None),
            cells.text(alert.acknowledged_by) if alert.acknowledged_by else Cell("", None),
            cells.timestamp(alert.opened_at, zone),
            cells.duration((alert.resolved_at - alert.opened_at).total_seconds() if alert.resolved_at else None),
            cells.muted(delivery_summary(alert)),
        )
        for alert in alerts
    ]


# Numbers, so that the most severe come first where a column is sorted in descending order.
_RANKS = {"critical": 3, "warning": 2, "info": 1}


def _link(alert: AlertRow) -> str:
    return cells.anchor(title(alert), "alerts", [("alert", alert.id)], hover="Timeline, evidence and notifications")
