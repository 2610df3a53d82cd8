"""Plans the dispatch of one channel: which notification is sent next, and which are merged. After an outage, readers
get the current state and not every notification that they missed. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from health.alerts.rules.transitions import GROUP_THRESHOLD, Reason

# The reason of a test message. A person requested it and waits for it.
TEST = "test"
# A weekly digest, which is about no alert.
DIGEST = "digest"
# After this many tries of the best notification another one is tried, which shows whether the message or the channel is
# at fault. With increasing delays that is an hour.
_TRIES_BEFORE_YIELDING = 8


@dataclass(frozen=True)
class PendingNotification:
    """A pending notification about `alert_ids`. `in_flight`: a process sends it now. `is_obsolete`: all its alerts are
    resolved, silenced or (for repeats) acknowledged. `is_first`: it is a first notification or contains one.
    `episode_count`: how many resolved alerts it describes from start to end, because it contains their first
    notifications."""

    id: int
    reason: str
    alert_ids: frozenset[int]
    due_at: datetime
    tries: int = 0
    in_flight: bool = False
    is_obsolete: bool = False
    is_first: bool = False
    episode_count: int = 0


@dataclass(frozen=True)
class DispatchPlan:
    """`merges`: id of a notification to the id of the one that contains it. `obsolete`: ids of those that need not be
    sent. `send_order`: ids of those that may be sent now, the best first."""

    merges: dict[int, int]
    obsolete: tuple[int, ...]
    send_order: tuple[int, ...]


def plan_dispatch(
    pending: Iterable[PendingNotification], now: datetime, *, channel_failing: bool = False
) -> DispatchPlan:
    """`channel_failing`: the channel did not accept the last notification, and the next one is a trial. While a
    notification is in flight, no other one about its alerts is sent, because they could arrive in the wrong order."""
    rows = sorted(pending, key=lambda row: row.id)
    in_flight = {alert for row in rows if row.in_flight for alert in row.alert_ids}
    free = {row.id: row for row in rows if not row.in_flight and not row.alert_ids & in_flight}
    merges: dict[int, int] = {}
    _coalesce_into_resolved(free, merges)
    resolved = {alert for row in free.values() if row.reason == Reason.RESOLVED for alert in row.alert_ids}
    obsolete = tuple(
        row.id for row in free.values() if row.is_obsolete and _is_ongoing(row) and not row.alert_ids & resolved
    )
    for number in obsolete:
        del free[number]
    _coalesce_into_newest(free, merges)
    _coalesce_into_digest(free, merges)
    due = [row for row in free.values() if row.due_at <= now]
    due.sort(key=lambda row: _rank(row, channel_failing))
    return DispatchPlan({row: _final_target(merges, row) for row in merges}, obsolete, tuple(row.id for row in due))


def _coalesce_into_resolved(free: dict[int, PendingNotification], merges: dict[int, int]) -> None:
    """Merges the earlier notifications of an alert into that of its resolution."""
    about = _by_alert(free)
    for end in [row for row in free.values() if row.reason == Reason.RESOLVED]:
        related = {row.id: row for alert in end.alert_ids for row in about[alert]}
        before = [
            row for row in related.values() if row.id in free and row.id < end.id and row.alert_ids <= end.alert_ids
        ]
        for row in before:
            merges[row.id] = end.id
            del free[row.id]
        if any(row.is_first for row in before):
            free[end.id] = replace(end, episode_count=max(end.episode_count, 1))


def _coalesce_into_newest(free: dict[int, PendingNotification], merges: dict[int, int]) -> None:
    """Merges the notifications of an ongoing alert into the newest one."""
    about = _by_alert(free)
    for row in [row for row in free.values() if _is_ongoing(row)]:
        related = about[min(row.alert_ids)] if row.alert_ids else []
        newer = next((other for other in reversed(related) if row.alert_ids <= other.alert_ids), row)
        if newer is not row:
            merges[row.id] = newer.id
            del free[row.id]


def _coalesce_into_digest(free: dict[int, PendingNotification], merges: dict[int, int]) -> None:
    """Merges many alerts that opened and resolved without a notification into the newest notification. That one was
    never tried, so that a receiver that got an earlier one in spite of an error does not discard it as a duplicate."""
    episodes = [row for row in free.values() if row.episode_count]
    if sum(row.episode_count for row in episodes) <= GROUP_THRESHOLD:
        return
    for row in episodes[:-1]:
        merges[row.id] = episodes[-1].id
        del free[row.id]


def _is_ongoing(row: PendingNotification) -> bool:
    return row.reason in (Reason.FIRST, Reason.REPEAT)


def _by_alert(free: Mapping[int, PendingNotification]) -> dict[int, list[PendingNotification]]:
    """The notifications of ongoing alerts by alert, oldest first. An index, because thousands may be pending while the
    caller holds the lock of the channel."""
    by_alert: dict[int, list[PendingNotification]] = defaultdict(list)
    for row in free.values():
        for alert in row.alert_ids if _is_ongoing(row) else ():
            by_alert[alert].append(row)
    return by_alert


def _rank(row: PendingNotification, failing: bool) -> tuple[bool, int, bool, int]:
    """Sort key: tests, then ongoing alerts, then resolved ones, the newest first; often tried ones last."""
    yields = row.tries // _TRIES_BEFORE_YIELDING if failing else 0
    return row.reason != TEST, yields, row.reason == Reason.RESOLVED, -row.id


def _final_target(merges: dict[int, int], row: int) -> int:
    while row in merges:
        row = merges[row]
    return row
