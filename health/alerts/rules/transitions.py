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

    QUIET = "quiet"
    FIRST = "first"
    STILL = "still"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Previous:
    """A firing alert as it stands. `told_at`: the last message that went out, null while there was none.
    `was_silenced`: a silence held when it was looked at before."""

    told_at: datetime | None
    acknowledged: bool = False
    was_silenced: bool = False


def needs_update(
    previous: Previous | None, *, fires: bool, now: datetime, silenced: bool = False, repeat: timedelta | None = None
) -> Reason:
    """`previous` is null where nothing fires yet, `repeat` where a rule tells once. Who acknowledged hears no more
    until it is over; what fires on when a silence ends is told."""
    if previous is None:
        return Reason.FIRST if fires else Reason.QUIET
    if not fires:
        return Reason.RESOLVED
    if silenced or previous.acknowledged:
        return Reason.STILL
    if previous.told_at is None:
        return Reason.FIRST
    if previous.was_silenced or (repeat is not None and now - previous.told_at >= repeat):
        return Reason.REPEAT
    return Reason.STILL


def is_told(reason: Reason, previous: Previous | None, *, silenced: bool) -> bool:
    """A recovery is told to those who were told of the alert."""
    if silenced:
        return False
    if reason is Reason.RESOLVED:
        return previous is not None and previous.told_at is not None
    return reason in (Reason.FIRST, Reason.REPEAT)


# More than these of one rule in one evaluation are one message.
STORM = 4


@dataclass(frozen=True)
class News:
    """Of the alert `alert_id`. `group_id`: it was told together with others before; `cause`: what the failing jobs
    have in common with those of other places, where that is known."""

    alert_id: int
    rule_id: int
    reason: Reason
    group_id: int | None = None
    cause: str | None = None


def bundle(news: Sequence[News]) -> list[list[News]]:
    """What was told together stays together; what opens from one cause, and more than STORM of one rule and reason, is
    told together. In the order of their first."""
    bundles: dict[Hashable, list[News]] = {}
    many = Counter((each.rule_id, each.reason) for each in news)
    causes = Counter((each.rule_id, each.reason, each.cause) for each in news)
    for each in news:
        place: Hashable = ("alone", each.alert_id)
        if each.group_id is not None:
            place = ("group", each.reason, each.group_id)
        elif many[each.rule_id, each.reason] > STORM:
            place = ("storm", each.reason, each.rule_id)
        elif each.cause and causes[each.rule_id, each.reason, each.cause] > 1:
            place = ("cause", each.reason, each.rule_id, each.cause)
        bundles.setdefault(place, []).append(each)
    return list(bundles.values())
