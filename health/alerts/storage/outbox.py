"""What waits in the outbox for one channel, as db.alerting.outbox plans with it.

Taking messages out of the outbox, and what became of them. Nothing is deleted: a message is pending, sent, given up,
or folded into another one.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, aliased

from db.enums import AlertState, DeliveryState
from db.models import Alert, ChannelState, Notification
from db.sql import insert_ignore
from health.alerts.rules.transitions import Reason
from health.alerts.storage.outbox_plan import TEST, DispatchPlan, PendingNotification, plan_dispatch


def pending_notifications(session: Session, channel: str, now: datetime) -> dict[int, PendingNotification]:
    """By id."""
    columns = (
        Notification.id, Notification.reason, Notification.alert_id, Notification.alert_ids, Notification.due_at, Notification.tries,
        Notification.claimed_until,
    )  # fmt: skip
    query = select(*columns).where(Notification.state == DeliveryState.PENDING, Notification.channel == channel)
    pending = session.execute(query.order_by(Notification.id)).all()
    alerts = {row.id: alert_ids_of(row.alert_id, row.alert_ids) for row in pending}
    carried = _superseded_reasons(session, channel)
    loud, unknown = _notifiable_alerts(session, now)
    found: dict[int, PendingNotification] = {}
    for row in pending:
        opens = Reason.FIRST in (row.reason, *carried[row.id])
        wanted = loud if opens or row.reason != Reason.REPEAT else unknown
        found[row.id] = PendingNotification(
            row.id, row.reason, alerts[row.id], row.due_at, row.tries,
            in_flight=row.claimed_until is not None and min(row.claimed_until, row.due_at) > now,
            is_obsolete=bool(alerts[row.id]) and not alerts[row.id] & wanted,
            is_first=opens,
            episode_count=1 + carried[row.id].count(Reason.RESOLVED) if Reason.FIRST in carried[row.id] else 0,
        )  # fmt: skip
    return found


def _notifiable_alerts(session: Session, now: datetime) -> tuple[set[int], set[int]]:
    """Alerts that fire and that no silence covers now, and those of them that nobody acknowledged."""
    query = select(Alert.id, Alert.silenced_until, Alert.acknowledged_at).where(Alert.state == AlertState.FIRING)
    loud = [row for row in session.execute(query) if row.silenced_until is None or row.silenced_until <= now]
    return {row.id for row in loud}, {row.id for row in loud if row.acknowledged_at is None}


def _superseded_reasons(session: Session, channel: str) -> dict[int, list[str]]:
    """By the waiting message that carries them. A join: there may be more of them than a query can name."""
    found: dict[int, list[str]] = defaultdict(list)
    carrier = aliased(Notification)
    query = (
        select(Notification.merged_into, Notification.reason)
        .join(carrier, carrier.id == Notification.merged_into)
        .where(carrier.state == DeliveryState.PENDING, carrier.channel == channel)
    )
    for number, reason in session.execute(query):
        found[number or 0].append(reason)
    return found


def alert_ids_of(alert_id: int | None, alert_ids: Sequence[int] | None) -> frozenset[int]:
    return frozenset(alert_ids or ([] if alert_id is None else [alert_id]))


# A claim that was never settled (the process died) is free again after this long.
CLAIM_DURATION = timedelta(minutes=2)
EXPIRE_AFTER = timedelta(days=1)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)
_OBSOLETE_NOTE = "It was over without a message, silenced, or acknowledged, before this one could be sent."


@dataclass(frozen=True)
class SupersededNotification:
    """A message whose news another one brings."""

    id: int
    reason: str
    message: dict[str, Any]
    alert_ids: frozenset[int]


@dataclass(frozen=True)
class SentNotification:
    """An opening that this channel took, and where it put it (null where it does not say)."""

    id: int
    message: dict[str, Any]
    receipt: dict[str, Any] | None


@dataclass(frozen=True)
class ClaimedNotification:
    """A message that this process, and no other, sends now. `carried`: what is folded into it, oldest first;
    `openings`: what people were told of its alerts before; `failing`: the channel did not take the last one."""

    id: int
    channel: str
    reason: str
    message: dict[str, Any]
    tries: int
    created_at: datetime
    alert_ids: frozenset[int] = frozenset()
    superseded: tuple[SupersededNotification, ...] = ()
    first_notifications: tuple[SentNotification, ...] = ()
    channel_failing: bool = False


def enqueue(
    session: Session, alert_id: int | None, reason: str, messages: Mapping[str, dict[str, Any]], now: datetime, *,
    alert_ids: Collection[int] | None = None,
) -> None:  # fmt: skip
    """One row a channel; delivered whatever happens to this process afterwards. `alert_ids`: all that it is about,
    where `alert_id` is not the only one. A test is about no alert."""
    listed = sorted(alert_ids) if alert_ids else None
    for channel, message in messages.items():
        session.add(
            Notification(
                alert_id=alert_id, channel=channel, reason=reason, message=message, alert_ids=listed,
                state=DeliveryState.PENDING, created_at=now, due_at=now, tries=0,
            )
        )  # fmt: skip
    session.flush()


def claim_due_notifications(
    session: Session, now: datetime, channels: Sequence[str], *, limit: int = 20
) -> list[ClaimedNotification]:
    """Takes messages that are due by conditional UPDATEs: of two processes only one gets each. One channel that fails
    does not hold up the others."""
    claimed: list[ClaimedNotification] = []
    for channel in channels:
        while len(claimed) < limit and (found := _claim_one(session, channel, now)):
            claimed.append(found)
    return claimed


def _claim_one(session: Session, channel: str, now: datetime) -> ClaimedNotification | None:
    pending = (Notification.state == DeliveryState.PENDING, Notification.channel == channel)
    if session.scalar(select(Notification.id).where(*pending, Notification.due_at <= now).limit(1)) is None:
        return None
    state = _lock_channel(session, channel)
    rows = pending_notifications(session, channel, now)
    found = plan_dispatch(rows.values(), now, channel_failing=state.failures > 0)
    held = state.circuit_open_until is not None and state.circuit_open_until > now
    chosen = next((number for number in found.send_order if not held or rows[number].reason == TEST), None)
    if chosen is None and not (found.obsolete and not held):
        return None
    with session.begin_nested() as attempt:
        taken = _apply_plan(session, found, rows) and (chosen is None or _claim(session, rows[chosen], now))
        if not taken:
            # Somebody of an older version, who does not wait for the lock, came between.
            attempt.rollback()
            return None
    if chosen is None:
        return None
    if state.failures and rows[chosen].reason != TEST:
        # One trial at a time; if this process dies, another one may try when the claim has ended.
        state.circuit_open_until = now + CLAIM_DURATION
    return _load_claimed(session, chosen, failing=state.failures > 0)


def _lock_channel(session: Session, channel: str) -> ChannelState:
    """One program at a time plans for a channel; SQLite has one writer anyway."""
    insert_ignore(session, ChannelState, [{"channel": channel, "failures": 0}])
    query = select(ChannelState).where(ChannelState.channel == channel).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _apply_plan(session: Session, found: DispatchPlan, rows: Mapping[int, PendingNotification]) -> bool:
    """False where a row is no longer what the plan was made for."""
    for number in found.obsolete:
        if not _update_pending(session, rows[number], state=DeliveryState.MERGED, note=_OBSOLETE_NOTE):
            return False
    for number, carrier in found.merges.items():
        if not _update_pending(session, rows[number], state=DeliveryState.MERGED, merged_into=carrier):
            return False
        session.execute(update(Notification).where(Notification.merged_into == number).values(merged_into=carrier))
    return True


def _claim(session: Session, row: PendingNotification, now: datetime) -> bool:
    return _update_pending(
        session, row, tries=row.tries + 1, due_at=now + CLAIM_DURATION, claimed_until=now + CLAIM_DURATION
    )


def _update_pending(session: Session, row: PendingNotification, **values: Any) -> bool:
    query = update(Notification).where(
        Notification.id == row.id, Notification.state == DeliveryState.PENDING, Notification.tries == row.tries
    )
    done = session.execute(query.values(values), execution_options={"synchronize_session": False})
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def _load_claimed(session: Session, number: int, *, failing: bool) -> ClaimedNotification:
    fresh = {"populate_existing": True}
    row = session.get_one(Notification, number, execution_options=fresh)
    query = (
        select(Notification)
        .where(Notification.merged_into == number)
        .order_by(Notification.id)
        .execution_options(**fresh)
    )
    carried = tuple(
        SupersededNotification(each.id, each.reason, dict(each.message), alert_ids_of(each.alert_id, each.alert_ids))
        for each in session.scalars(query)
    )
    alerts = alert_ids_of(row.alert_id, row.alert_ids)
    everything = _union([alerts, *(each.alert_ids for each in carried)])
    openings = () if row.reason == Reason.FIRST else _first_notifications(session, row.channel, everything)
    return ClaimedNotification(
        row.id, row.channel, row.reason, dict(row.message), row.tries, row.created_at, alerts, carried, openings,
        failing,
    )  # fmt: skip


def _union(sets: Collection[frozenset[int]]) -> list[int]:
    return sorted(frozenset().union(*sets))


def _first_notifications(session: Session, channel: str, alerts: Collection[int]) -> tuple[SentNotification, ...]:
    """The messages by which people heard of these alerts first: their openings, or what carried them."""
    told_together = session.execute(select(Alert.id, Alert.group_id).where(Alert.id.in_(list(alerts))))
    leads = {row.group_id or row.id for row in told_together}
    carrier = aliased(Notification)
    query = (
        select(Notification, carrier)
        .join(carrier, carrier.id == Notification.merged_into, isouter=True)
        .where(Notification.channel == channel, Notification.reason == Reason.FIRST, Notification.alert_id.in_(leads))
        .order_by(Notification.id)
    )
    found: dict[int, SentNotification] = {}
    for opening, other in session.execute(query.execution_options(populate_existing=True)):
        row = other or opening
        if row.state == DeliveryState.SENT and row.reason != Reason.RESOLVED:
            found[row.id] = SentNotification(row.id, dict(row.message), dict(row.receipt) if row.receipt else None)
    return tuple(found.values())


def mark_sent(
    session: Session, delivery_id: int, now: datetime, *, receipt: dict[str, Any] | None = None, note: str | None = None
) -> None:
    """The channel works: what waited for it may go. Who comes late, after another one folded the message into a newer
    one, says that it is out all the same: the newer one need not bring its news any more."""
    channel = session.scalar(select(Notification.channel).where(Notification.id == delivery_id))
    if channel:
        _close_circuit(session, _lock_channel(session, channel), now)
    values = {"state": DeliveryState.SENT, "sent_at": now, "error": None, "claimed_until": None, "note": note,
              "merged_into": None}  # fmt: skip
    query = update(Notification).where(Notification.id == delivery_id)
    session.execute(query.values(**values, **({} if receipt is None else {"receipt": receipt})))


def mark_failed(
    session: Session, claimed: ClaimedNotification, error: str, now: datetime, *,
    retry_after: timedelta | None = None, permanent: bool = False,
) -> DeliveryState | None:  # fmt: skip
    """Schedules the next try, with a growing delay; the notification is dead after a day, or at once for a permanent
    error. The circuit of the channel opens, with a growing delay of its own: one trial message shows whether the channel
    works again. Changes nothing if the claim expired and another process claimed the notification. Returns the state of
    the notification; null if it was deleted meanwhile."""
    state = _lock_channel(session, claimed.channel)
    ours = (
        Notification.id == claimed.id,
        Notification.tries == claimed.tries,
        Notification.state == DeliveryState.PENDING,
    )
    if session.scalar(select(Notification.id).where(*ours).with_for_update()) is None:
        current = session.scalar(select(Notification.state).where(Notification.id == claimed.id))
        return None if current is None else DeliveryState(current)
    delay = retry_after or _retry_delay(claimed.tries)
    if permanent:
        # A channel that refuses is a channel that answers.
        _close_circuit(session, state, now)
    else:
        hold = _open_circuit(state, claimed, error, now, retry_after)
        delay = hold if claimed.channel_failing else delay
        _expire_old(session, claimed, error, now + hold)
    dead = permanent or now + delay - claimed.created_at > EXPIRE_AFTER
    settled = DeliveryState.DEAD if dead else DeliveryState.PENDING
    query = update(Notification).where(*ours)
    session.execute(query.values(state=settled, due_at=now + delay, claimed_until=None, error=error[:1000]))
    return settled


def _retry_delay(failures: int) -> timedelta:
    # A power of two beyond this is no timedelta.
    return min(_FIRST_DELAY * (1 << min(failures - 1, 20)), _LONGEST_DELAY)


def _open_circuit(
    state: ChannelState, claimed: ClaimedNotification, error: str, now: datetime, retry_after: timedelta | None
) -> timedelta:
    """From now on; a test that somebody asks for meanwhile makes nobody else wait longer."""
    if claimed.reason != TEST or not state.failures:
        state.failures += 1
        state.failing_since = state.failing_since or now
        state.circuit_open_until = now + (retry_after or _retry_delay(state.failures))
    state.error = error[:1000]
    return max((state.circuit_open_until or now) - now, _FIRST_DELAY)


def _close_circuit(session: Session, state: ChannelState, now: datetime) -> None:
    failures = state.failures
    state.failures, state.circuit_open_until, state.failing_since, state.error = 0, None, None, None
    if failures > 1:
        # They wait for the channel, which is back. After one failure it may be the message that is to blame.
        query = update(Notification).where(
            Notification.channel == state.channel, Notification.state == DeliveryState.PENDING,
            Notification.claimed_until.is_(None), Notification.due_at > now,
        )  # fmt: skip
        session.execute(query.values(due_at=now), execution_options={"synchronize_session": False})


def _expire_old(session: Session, claimed: ClaimedNotification, error: str, until: datetime) -> None:
    """Those that wait behind it wait no longer than if they had been tried themselves."""
    query = update(Notification).where(
        Notification.channel == claimed.channel, Notification.state == DeliveryState.PENDING, Notification.id != claimed.id,
        Notification.claimed_until.is_(None), Notification.created_at < until - EXPIRE_AFTER,
    )  # fmt: skip
    values = {"state": DeliveryState.DEAD, "error": error[:1000]}
    session.execute(query.values(values), execution_options={"synchronize_session": False})


def expire_unconfigured_channels(session: Session, channels: Sequence[str], now: datetime) -> int:
    """Messages for a channel that nobody has configured for a day. Not at once: this may be a command that was started
    without a setting that the service has."""
    query = update(Notification).where(
        Notification.state == DeliveryState.PENDING, Notification.created_at < now - EXPIRE_AFTER
    )
    if channels:
        query = query.where(or_(Notification.channel.not_in(list(channels))))
    query = query.values(state=DeliveryState.DEAD, error="The channel is not configured any more.")
    return int(session.execute(query).rowcount)  # type: ignore[attr-defined]
