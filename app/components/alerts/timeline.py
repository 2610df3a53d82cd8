"""The timeline of one alert as HTML."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from app.components.alerts.alert_card import DELIVERY_LABELS
from app.widgets.cells import stamp
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from db.enums import DeliveryState
from health.alerts.storage.notification_queries import NotificationRow
from health.alerts.timeline import TimelineEntry, TimelineKind

# Sign, colour and words by kind.
_KINDS: Mapping[str, tuple[str, str, str]] = {
    TimelineKind.OPENED: ("!", "red", "Opened"),
    TimelineKind.SILENCED: ("⊘", "gray", "Silenced"),
    TimelineKind.ACKNOWLEDGED: ("✓", "blue", "Acknowledged"),
    TimelineKind.UNACKNOWLEDGED: ("↶", "orange", "Acknowledgement taken back"),
    TimelineKind.ASSIGNED: ("→", "blue", "Assigned"),
    TimelineKind.UNASSIGNED: ("→", "gray", "Unassigned"),
    TimelineKind.SILENCE_ENDED: ("⊘", "gray", "Silence ended"),
    TimelineKind.RESOLVED: ("✓", "green", "Resolved"),
}
_DELIVERY_SIGNS: Mapping[str, tuple[str, str]] = {
    DeliveryState.SENT: ("↗", "green"),
    DeliveryState.PENDING: ("◌", "blue"),
    DeliveryState.DEAD: ("✕", "red"),
    DeliveryState.MERGED: ("·", "gray"),
}
_REASONS = {"first": "Alert", "repeat": "Reminder", "resolved": "Resolution"}
# Longer timelines show their beginning and their newest entries.
_MAX_ENTRIES, _MAX_FIRST = 100, 20


def timeline_html(entries: Sequence[TimelineEntry], zone: ZoneInfo) -> str:
    """At most 100 entries: the first ones and the newest, with the number of those between."""
    omitted = len(entries) - _MAX_ENTRIES
    if omitted <= 0:
        return f'<ol class="ph-timeline">{"".join(_item(entry, zone) for entry in entries)}</ol>'
    first = "".join(_item(entry, zone) for entry in entries[:_MAX_FIRST])
    last = "".join(_item(entry, zone) for entry in entries[_MAX_FIRST + omitted :])
    number = pluralize(omitted, "more entry", "more entries")
    between = f'<li><time></time><b aria-hidden="true">⋮</b><div>{number}</div></li>'
    return f'<ol class="ph-timeline">{first}{between}{last}</ol>'


def _item(entry: TimelineEntry, zone: ZoneInfo) -> str:
    sign, colour, text, note = _notified(entry.delivery) if entry.delivery else _changed(entry, zone)
    small = f"<small>{html(note)}</small>" if note else ""
    return (
        f'<li>{stamp(entry.at, zone)}<b class="ph-{colour}" aria-hidden="true">{sign}</b>'
        f"<div>{html(text)}{small}</div></li>"
    )


def _changed(entry: TimelineEntry, zone: ZoneInfo) -> tuple[str, str, str, str]:
    sign, colour, text = _KINDS.get(entry.kind, ("·", "gray", entry.kind.replace("_", " ").capitalize()))
    note = entry.text
    if entry.kind is TimelineKind.ASSIGNED and entry.text:
        text, note = f"{text} to {entry.text}", ""
    if entry.kind is TimelineKind.SILENCED and entry.until:
        text += f" until {formatting.format_minute(entry.until.astimezone(zone))}"
    if entry.kind is TimelineKind.OPENED and entry.text:
        text, note = f"{text} by the rule {entry.text}", ""
    return sign, colour, f"{text} by {entry.by}" if entry.by else text, note


def _notified(delivery: NotificationRow) -> tuple[str, str, str, str]:
    sign, colour = _DELIVERY_SIGNS.get(delivery.state, ("·", "gray"))
    state = DELIVERY_LABELS.get(delivery.state, delivery.state)
    tries = f" after {pluralize(delivery.tries, 'attempt')}" if delivery.tries > 1 else ""
    merged = f" into notification {delivery.merged_into}" if delivery.merged_into else ""
    reason = _REASONS.get(delivery.reason, delivery.reason.capitalize())
    return sign, colour, f"{reason} {state}{merged}{tries}: {delivery.channel}", delivery.error or delivery.note or ""
