"""What to do about a rule at a place, and why: as Prometheus Alertmanager's notify.DedupStage.needsUpdate. Pure."""

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
