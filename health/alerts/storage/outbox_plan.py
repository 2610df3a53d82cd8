"""What goes out next by one channel, and what is folded into what: after an outage people are told how things stand,
not all that they missed. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from health.alerts.rules.transitions import GROUP_THRESHOLD, Reason

# Asked for by a person, who waits for it.
TEST = "test"
# So often the message that should go first is tried before another one may show whether it is the message or the
# channel that is broken. With growing pauses that is an hour.
_TRIES_BEFORE_YIELDING = 8


@dataclass(frozen=True)
class PendingNotification:
    """A message that waits for the channel; `alerts` are those that it is about. `in_flight`: some program sends it.
    `over`: all its alerts are, or nobody is to hear of them any more. `opens`: it is an opening, or carries one.
    `episodes`: how many it tells from opening to end, because their openings were folded into it."""

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
    """`folds`: message to the one that carries it. `stale`: openings and repeats of what ended without a message.
    `order`: what may be sent now, the best first."""

    merges: dict[int, int]
    obsolete: tuple[int, ...]
    send_order: tuple[int, ...]


def plan_dispatch(
    pending: Iterable[PendingNotification], now: datetime, *, channel_failing: bool = False
) -> DispatchPlan:
    """`failing`: the channel did not take the last message, so that the next one is a trial. Nothing is said about an
    alert while another message about it is in flight: people would read it in the wrong order."""
    rows = sorted(pending, key=lambda row: row.id)
    busy = {alert for row in rows if row.in_flight for alert in row.alert_ids}
    free = {row.id: row for row in rows if not row.in_flight and not row.alert_ids & busy}
    folds: dict[int, int] = {}
    _coalesce_into_resolved(free, folds)
    ended = {alert for row in free.values() if row.reason == Reason.RESOLVED for alert in row.alert_ids}
    stale = tuple(row.id for row in free.values() if row.is_obsolete and _is_ongoing(row) and not row.alert_ids & ended)
    for number in stale:
        del free[number]
    _coalesce_into_newest(free, folds)
    _coalesce_into_digest(free, folds)
    due = [row for row in free.values() if row.due_at <= now]
    due.sort(key=lambda row: _rank(row, channel_failing))
    return DispatchPlan({row: _final_target(folds, row) for row in folds}, stale, tuple(row.id for row in due))


def _coalesce_into_resolved(free: dict[int, PendingNotification], folds: dict[int, int]) -> None:
    """What is over is told once: that it was, for how long, and why."""
    about = _by_alert(free)
    for end in [row for row in free.values() if row.reason == Reason.RESOLVED]:
        near = {row.id: row for alert in end.alert_ids for row in about[alert]}
        before = [row for row in near.values() if row.id in free and row.id < end.id and row.alert_ids <= end.alert_ids]
        for row in before:
            folds[row.id] = end.id
            del free[row.id]
        if any(row.is_first for row in before):
            free[end.id] = replace(end, episode_count=max(end.episode_count, 1))


def _coalesce_into_newest(free: dict[int, PendingNotification], folds: dict[int, int]) -> None:
    """Of what goes on the newest message says most."""
    about = _by_alert(free)
    for row in [row for row in free.values() if _is_ongoing(row)]:
        near = about[min(row.alert_ids)] if row.alert_ids else []
        newer = next((each for each in reversed(near) if row.alert_ids <= each.alert_ids), row)
        if newer is not row:
            folds[row.id] = newer.id
            del free[row.id]


def _coalesce_into_digest(free: dict[int, PendingNotification], folds: dict[int, int]) -> None:
    """Many things that came and went unseen are one message, that of the newest: it was never tried before, so that
    who got an earlier one in spite of an error does not take this one for the same."""
    untold = [row for row in free.values() if row.episode_count]
    if sum(row.episode_count for row in untold) <= GROUP_THRESHOLD:
        return
    for row in untold[:-1]:
        folds[row.id] = untold[-1].id
        del free[row.id]


def _is_ongoing(row: PendingNotification) -> bool:
    return row.reason in (Reason.FIRST, Reason.REPEAT)


def _by_alert(free: Mapping[int, PendingNotification]) -> dict[int, list[PendingNotification]]:
    """What goes on, oldest first: thousands may wait, and whoever plans holds up all others who write."""
    found: dict[int, list[PendingNotification]] = defaultdict(list)
    for row in free.values():
        for alert in row.alert_ids if _is_ongoing(row) else ():
            found[alert].append(row)
    return found


def _rank(row: PendingNotification, failing: bool) -> tuple[bool, int, bool, int]:
    """A test first; then what goes on, the newest first; then what is over."""
    stubborn = row.tries // _TRIES_BEFORE_YIELDING if failing else 0
    return row.reason != TEST, stubborn, row.reason == Reason.RESOLVED, -row.id


def _final_target(folds: dict[int, int], row: int) -> int:
    while row in folds:
        row = folds[row]
    return row
