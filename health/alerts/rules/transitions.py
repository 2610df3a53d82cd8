"""What to do about a rule at a place, and why: as Prometheus Alertmanager's notify.DedupStage.needsUpdate. Pure.

Which news go out in one message: a storm is one message, not one for each place it hits. Pure.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Reason(StrEnum):
    """FIRST, REPEAT and RESOLVED are news; whether people are told of them, `is_told` says."""

    NONE = "quiet"
    FIRST = "first"
    ONGOING = "still"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class PreviousState:
    """A firing alert as it stands. `told_at`: the last message that went out, null while there was none.
    `was_silenced`: a silence held when it was looked at before."""

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
    """`previous` is null where nothing fires yet, `repeat` where a rule tells once. Who acknowledged hears no more
    until it is over; what fires on when a silence ends is told."""
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
    """A recovery is told to those who were told of the alert."""
    if silenced:
        return False
    if reason is Reason.RESOLVED:
        return previous is not None and previous.notified_at is not None
    return reason in (Reason.FIRST, Reason.REPEAT)


# More than these of one rule in one evaluation are one message.
GROUP_THRESHOLD = 4


@dataclass(frozen=True)
class AlertEvent:
    """Of the alert `alert_id`. `group_id`: it was told together with others before; `cause`: what the failing jobs
    have in common with those of other places, where that is known."""

    alert_id: int
    rule_id: int
    reason: Reason
    group_id: int | None = None
    cause: str | None = None


def group_events(events: Sequence[AlertEvent]) -> list[list[AlertEvent]]:
    """What was told together stays together; what opens from one cause, and more than STORM of one rule and reason, is
    told together. In the order of their first."""
    bundles: dict[Hashable, list[AlertEvent]] = {}
    many = Counter((each.rule_id, each.reason) for each in events)
    causes = Counter((each.rule_id, each.reason, each.cause) for each in events)
    for each in events:
        place: Hashable = ("alone", each.alert_id)
        if each.group_id is not None:
            place = ("group", each.reason, each.group_id)
        elif many[each.rule_id, each.reason] > GROUP_THRESHOLD:
            place = ("storm", each.reason, each.rule_id)
        elif each.cause and causes[each.rule_id, each.reason, each.cause] > 1:
            place = ("cause", each.reason, each.rule_id, each.cause)
        bundles.setdefault(place, []).append(each)
    return list(bundles.values())
