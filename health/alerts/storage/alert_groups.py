"""Alerts that share a notification, by channel."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Alert, Notification
from health.alerts.rules.transitions import Reason


def alert_ids_of(alert_id: int | None, alert_ids: Sequence[int] | None) -> frozenset[int]:
    """All alerts of a stored notification. `alert_ids` is null for one alert, both are null for a test."""
    return frozenset(alert_ids or ([] if alert_id is None else [alert_id]))


def possible_leads(session: Session, alerts: Collection[int]) -> set[int]:
    """The alerts that may list a notification about one of these: themselves, and those that opened together with
    them. Channels get different parts of such a group, each listed by the first of its alerts."""
    groups = session.scalars(select(Alert.group_id).where(Alert.id.in_(list(alerts)), Alert.group_id.is_not(None)))
    together = list(set(groups))
    members = session.scalars(select(Alert.id).where(Alert.group_id.in_(together))) if together else ()
    return {*alerts, *(group for group in together if group), *members}


def first_groups(session: Session, alerts: Collection[int]) -> dict[int, dict[str, tuple[int, ...]]]:
    """By alert and channel: the alerts of the latest first notification about it that was written for the channel."""
    wanted = set(alerts)
    query = select(Notification.channel, Notification.alert_id, Notification.alert_ids).where(
        Notification.reason == Reason.FIRST, Notification.alert_id.in_(possible_leads(session, alerts))
    )
    groups: dict[int, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for channel, alert_id, alert_ids in session.execute(query.order_by(Notification.id)):
        listed = alert_ids_of(alert_id, alert_ids)
        for number in listed & wanted:
            groups[number][channel] = tuple(sorted(listed))
    return dict(groups)
