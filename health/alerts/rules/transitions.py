"""State transitions of alerts, which of them are notified, and which share a notification. Pure.

Modelled on Prometheus Alertmanager's notify.DedupStage.needsUpdate.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Reason(StrEnum):
    """What an evaluation decided about an alert. should_notify says whether FIRST, REPEAT and RESOLVED are notified."""

    NONE = "quiet"
    FIRST = "first"
    ONGOING = "still"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class PreviousState:
    """A firing alert before the evaluation. `notified_at`: time of its last notification, null if there is none.
    `was_silenced`: a silence was active at the last evaluation."""

    notified_at: datetime | None
    acknowledged: bool = False
    was_silenced: bool = False


def needs_update(
    previous: PreviousState | None,
    *,
    firing: bool,
    now: datetime,
    silenced: bool = False,
    repeat: timedelta | None = None,
) -> Reason:
    """The transition of an alert. `previous` is null if no alert fires, `repeat` for a rule without repeats. An
    acknowledged alert is not repeated; one that still fires when its silence ends is."""
    if previous is None:
        return Reason.FIRST if firing else Reason.NONE
    if not firing:
        return Reason.RESOLVED
    if silenced or previous.acknowledged:
        return Reason.ONGOING
    if previous.notified_at is None:
        return Reason.FIRST
    if previous.was_silenced or (repeat is not None and now - previous.notified_at >= repeat):
        return Reason.REPEAT
    return Reason.ONGOING


def should_notify(reason: Reason, previous: PreviousState | None, *, silenced: bool) -> bool:
    """Whether a notification is due. A resolution is notified only if the alert was."""
    if silenced:
        return False
    if reason is Reason.RESOLVED:
        return previous is not None and previous.notified_at is not None
    return reason in (Reason.FIRST, Reason.REPEAT)


# More alerts of one rule in one evaluation share a notification.
GROUP_THRESHOLD = 4


@dataclass(frozen=True)
class AlertEvent:
    """A change of an alert that is to be notified. `group_id`: the group in which it was notified before; `cause`: the
    fingerprint of its error, which other targets may share, null if unknown."""

    alert_id: int
    rule_id: int
    reason: Reason
    group_id: int | None = None
    cause: str | None = None


def group_events(events: Sequence[AlertEvent]) -> list[list[AlertEvent]]:
    """Groups of events that share a notification, in the order of their first events. Alerts that were notified
    together stay together; those with a common cause, and more than GROUP_THRESHOLD of one rule and reason, form a
    group."""
    groups: dict[Hashable, list[AlertEvent]] = {}
    by_rule = Counter((event.rule_id, event.reason) for event in events)
    by_cause = Counter((event.rule_id, event.reason, event.cause) for event in events)
    for event in events:
        key: Hashable = ("alone", event.alert_id)
        if event.group_id is not None:
            key = ("group", event.reason, event.group_id)
        elif by_rule[event.rule_id, event.reason] > GROUP_THRESHOLD:
            key = ("storm", event.reason, event.rule_id)
        elif event.cause and by_cause[event.rule_id, event.reason, event.cause] > 1:
            key = ("cause", event.reason, event.rule_id, event.cause)
        groups.setdefault(key, []).append(event)
    return list(groups.values())
