"""What people read of a message that waited: what was folded into it, from beginning to end. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core import formatting
from db.enums import Severity
from health.alerts.channels.base import Message, NotificationEvent
from health.alerts.rules.transitions import Reason
from health.alerts.storage.outbox import ClaimedNotification, SupersededNotification

# Later than this it says when it was written: what it tells may be known by now.
_LATE = timedelta(minutes=10)
# Of a digest; each channel cuts where it must, and the API has them all.
_MAX_LISTED = 60
_MAX_ERROR_LENGTH = 150
_EVENTS: dict[str, NotificationEvent] = {
    Reason.FIRST: NotificationEvent.FIRING,
    Reason.REPEAT: NotificationEvent.STILL_FIRING,
    Reason.RESOLVED: NotificationEvent.RESOLVED,
}
_SEVERITY_ORDER = tuple(Severity)


def event_of(claimed: ClaimedNotification) -> NotificationEvent:
    """A repeat that carries its own opening is the first that people hear of it."""
    if claimed.reason == Reason.REPEAT and any(each.reason == Reason.FIRST for each in claimed.superseded):
        return NotificationEvent.FIRING
    return _EVENTS.get(claimed.reason, NotificationEvent.TEST)


def message_of(claimed: ClaimedNotification, now: datetime) -> Message:
    message = Message.from_dict(claimed.message)
    if claimed.reason == Reason.RESOLVED:
        own = SupersededNotification(claimed.id, claimed.reason, claimed.message, claimed.alert_ids)
        ends = [*(each for each in claimed.superseded if each.reason == Reason.RESOLVED), own]
        episodes = [_episode_message(end, claimed.superseded) for end in ends]
        message = episodes[0] if len(episodes) == 1 else _digest_message(episodes)
    late = now - claimed.created_at
    if claimed.reason in _EVENTS and late >= _LATE:
        told = f"{formatting.timestamp(claimed.created_at)}, {formatting.duration(late.total_seconds())} before it could be sent"
        message = replace(message, fields=(*message.fields, ("Written", told)))
    return message


def _episode_message(end: SupersededNotification, carried: Sequence[SupersededNotification]) -> Message:
    """An end as it is where people heard of the beginning; else with what the opening would have said."""
    message = Message.from_dict(end.message)
    openings = [each for each in carried if each.reason == Reason.FIRST and each.alert_ids <= end.alert_ids]
    if not openings:
        return message
    told = [Message.from_dict(each.message) for each in openings]
    whole = message.episode_summary or message.headline
    known = {label for label, _ in message.fields}
    first = told[0] if len(told) == 1 else Message("", "")
    return replace(
        message,
        subject=whole,
        headline=whole,
        fields=(*(pair for pair in first.fields if pair[0] not in known), *message.fields),
        lines=first.lines or message.lines,
        links=tuple({**dict(message.links), **dict(first.links)}.items()) if first.links else message.links,
        data=_merge_data(message.data, [each.data for each in told]),
    )


def _merge_data(end: Mapping[str, Any], openings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the end does not know of an alert, its opening knew."""
    before = {alert.get("id"): alert for data in openings for alert in data.get("alerts") or ()}
    alerts = [
        {**before.get(alert.get("id"), {}), **{name: value for name, value in alert.items() if value is not None}}
        for alert in end.get("alerts") or ()
    ]
    return {**end, "alerts": alerts}


def _digest_message(episodes: Sequence[Message]) -> Message:
    number = len(episodes)
    lines = [f"• {each.headline}{_error(each)}" for each in episodes[:_MAX_LISTED]]
    more = (f"and {number - _MAX_LISTED} more",) if number > _MAX_LISTED else ()
    headline = f"{number} alerts came and went while nobody could be told"
    severities = [each.data.get("severity") for each in episodes]
    return Message(
        subject=headline,
        headline=headline,
        lines=(*lines, *more),
        links=tuple(_alerts_page(episodes)),
        resolved=True,
        data={
            "severity": next((str(each) for each in _SEVERITY_ORDER if each in severities), None),
            "rule": None,
            "alerts": [alert for each in episodes for alert in each.data.get("alerts") or ()],
        },
    )


def _error(episode: Message) -> str:
    fields = dict(episode.fields)
    commit = fields.get("First bad commit", "").partition(":")[0]
    error = next((value for label, value in episode.fields if label.startswith(("Error", "Common cause"))), "")
    told = "; ".join(part for part in (f"since {commit}" if commit else "", error[:_MAX_ERROR_LENGTH]) if part)
    return f" ({told})" if told else ""


def _alerts_page(episodes: Sequence[Message]) -> Sequence[tuple[str, str]]:
    """Without the one alert that an address of theirs names."""
    found = (url for each in episodes for label, url in each.links if label in ("Alert", "Alerts"))
    return [("Alerts", url.partition("?")[0]) for url in list(found)[:1]]
