"""The outbox: notifications are enqueued, claimed, and marked as sent or failed. Nothing is deleted: a notification is
pending, sent, dead, or merged into another one."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, aliased

from db.enums import AlertState, DeliveryState
from db.models import Alert, ChannelState, Notification
from db.sql import insert_ignore
from health.alerts.rules.transitions import Reason
from health.alerts.storage.alert_groups import alert_ids_of, possible_leads
from health.alerts.storage.outbox_plan import TEST, DispatchPlan, PendingNotification, plan_dispatch


def pending_notifications(session: Session, channel: str, now: datetime) -> dict[int, PendingNotification]:
    """The pending notifications of a channel by id, as plan_dispatch takes them."""
    columns = (
        Notification.id,
        Notification.reason,
        Notification.alert_id,
        Notification.alert_ids,
        Notification.due_at,
        Notification.tries,
        Notification.claimed_until,
    )
    query = select(*columns).where(Notification.state == DeliveryState.PENDING, Notification.channel == channel)
    pending = session.execute(query.order_by(Notification.id)).all()
    alerts = {row.id: alert_ids_of(row.alert_id, row.alert_ids) for row in pending}
    superseded = _superseded_reasons(session, channel)
    unsilenced, unacknowledged = _notifiable_alerts(session, now)
    notifications: dict[int, PendingNotification] = {}
    for row in pending:
        is_first = Reason.FIRST in (row.reason, *superseded[row.id])
        relevant = unsilenced if is_first or row.reason != Reason.REPEAT else unacknowledged
        notifications[row.id] = PendingNotification(
            row.id,
            row.reason,
            alerts[row.id],
            row.due_at,
            row.tries,
            in_flight=row.claimed_until is not None and min(row.claimed_until, row.due_at) > now,
            is_obsolete=bool(alerts[row.id]) and not alerts[row.id] & relevant,
            is_first=is_first,
            episode_count=1 + superseded[row.id].count(Reason.RESOLVED) if Reason.FIRST in superseded[row.id] else 0,
        )
    return notifications


def _notifiable_alerts(session: Session, now: datetime) -> tuple[set[int], set[int]]:
    """The ids of firing alerts that no silence covers now, and of those among them that are not acknowledged."""
    query = select(Alert.id, Alert.silenced_until, Alert.acknowledged_at).where(Alert.state == AlertState.FIRING)
    unsilenced = [row for row in session.execute(query) if row.silenced_until is None or row.silenced_until <= now]
    return {row.id for row in unsilenced}, {row.id for row in unsilenced if row.acknowledged_at is None}


def _superseded_reasons(session: Session, channel: str) -> dict[int, list[str]]:
    """The reasons of merged notifications, by the id of the pending one that contains them. A join, because there may
    be more of them than one statement can have parameters."""
    reasons: dict[int, list[str]] = defaultdict(list)
    carrier = aliased(Notification)
    query = (
        select(Notification.merged_into, Notification.reason)
        .join(carrier, carrier.id == Notification.merged_into)
        .where(carrier.state == DeliveryState.PENDING, carrier.channel == channel)
    )
    for number, reason in session.execute(query):
        reasons[number or 0].append(reason)
    return reasons


# A claim that was never settled, because its process died, expires after this time.
CLAIM_DURATION = timedelta(minutes=2)
EXPIRE_AFTER = timedelta(days=1)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)
_OBSOLETE_NOTE = "Not sent: meanwhile the alert was silenced, acknowledged, or resolved without a notification."


@dataclass(frozen=True)
class SupersededNotification:
    """A notification that was merged into another one."""

    id: int
    reason: str
    message: dict[str, Any]
    alert_ids: frozenset[int]


@dataclass(frozen=True)
class SentNotification:
    """The first notification of an alert that this channel accepted, and its receipt, if the channel gave one."""

    id: int
    message: dict[str, Any]
    receipt: dict[str, Any] | None


@dataclass(frozen=True)
class ClaimedNotification:
    """A notification that only this process sends now. `superseded`: what was merged into it, oldest first;
    `first_notifications`: those of its alerts that were sent before; `channel_failing`: the channel did not accept the
    last notification."""

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
    session: Session,
    alert_id: int | None,
    reason: str,
    messages: Mapping[str, dict[str, Any]],
    now: datetime,
    *,
    alert_ids: Collection[int] | None = None,
) -> None:
    """Stores one notification a channel; it is delivered even if this process ends. `alert_id` is the alert that lists
    it (null for a test), `alert_ids` all alerts that it is about, if there are several."""
    listed = sorted(alert_ids) if alert_ids else None
    for channel, message in messages.items():
        session.add(
            Notification(
                alert_id=alert_id,
                channel=channel,
                reason=reason,
                message=message,
                alert_ids=listed,
                state=DeliveryState.PENDING,
                created_at=now,
                due_at=now,
                tries=0,
            )
        )
    session.flush()


def claim_due_notifications(
    session: Session, now: datetime, channels: Sequence[str], *, limit: int = 20
) -> list[ClaimedNotification]:
    """Claims due notifications by conditional UPDATEs, so that only one of several processes gets each. A failing
    channel does not delay the others."""
    claimed: list[ClaimedNotification] = []
    for channel in channels:
        while len(claimed) < limit and (notification := _claim_one(session, channel, now)):
            claimed.append(notification)
    return claimed


def _claim_one(session: Session, channel: str, now: datetime) -> ClaimedNotification | None:
    pending = (Notification.state == DeliveryState.PENDING, Notification.channel == channel)
    if session.scalar(select(Notification.id).where(*pending, Notification.due_at <= now).limit(1)) is None:
        return None
    state = _lock_channel(session, channel)
    rows = pending_notifications(session, channel, now)
    plan = plan_dispatch(rows.values(), now, channel_failing=state.failures > 0)
    circuit_open = state.circuit_open_until is not None and state.circuit_open_until > now
    chosen = next((number for number in plan.send_order if not circuit_open or rows[number].reason == TEST), None)
    if chosen is None and not (plan.obsolete and not circuit_open):
        return None
    with session.begin_nested() as savepoint:
        applied = _apply_plan(session, plan, rows) and (chosen is None or _claim(session, rows[chosen], now))
        if not applied:
            # A process of an older version, which does not take the lock, changed a row meanwhile.
            savepoint.rollback()
            return None
    if chosen is None:
        return None
    if state.failures and rows[chosen].reason != TEST:
        # One trial at a time; if this process dies, another one may try when the claim has expired.
        state.circuit_open_until = now + CLAIM_DURATION
    return _load_claimed(session, chosen, failing=state.failures > 0)


def _lock_channel(session: Session, channel: str) -> ChannelState:
    """Locks the channel's row: one process at a time plans for a channel. SQLite has only one writer anyway."""
    insert_ignore(session, ChannelState, [{"channel": channel, "failures": 0}])
    query = select(ChannelState).where(ChannelState.channel == channel).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _apply_plan(session: Session, plan: DispatchPlan, rows: Mapping[int, PendingNotification]) -> bool:
    """Stores what is obsolete and merged. False if a row changed since it was read for the plan."""
    for number in plan.obsolete:
        if not _update_pending(session, rows[number], state=DeliveryState.MERGED, note=_OBSOLETE_NOTE):
            return False
    for number, carrier in plan.merges.items():
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
    result = session.execute(query.values(values), execution_options={"synchronize_session": False})
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def _load_claimed(session: Session, number: int, *, failing: bool) -> ClaimedNotification:
    fresh = {"populate_existing": True}
    row = session.get_one(Notification, number, execution_options=fresh)
    query = (
        select(Notification)
        .where(Notification.merged_into == number)
        .order_by(Notification.id)
        .execution_options(**fresh)
    )
    superseded = tuple(
        SupersededNotification(
            merged.id, merged.reason, dict(merged.message), alert_ids_of(merged.alert_id, merged.alert_ids)
        )
        for merged in session.scalars(query)
    )
    alert_ids = alert_ids_of(row.alert_id, row.alert_ids)
    all_ids = sorted(alert_ids.union(*(merged.alert_ids for merged in superseded)))
    firsts = () if row.reason == Reason.FIRST else _first_notifications(session, row.channel, all_ids)
    return ClaimedNotification(
        row.id,
        row.channel,
        row.reason,
        dict(row.message),
        row.tries,
        row.created_at,
        alert_ids,
        superseded,
        firsts,
        failing,
    )


def _first_notifications(session: Session, channel: str, alerts: Collection[int]) -> tuple[SentNotification, ...]:
    """The first notifications of these alerts that were sent, or those into which they were merged."""
    leads = possible_leads(session, alerts)
    carrier = aliased(Notification)
    query = (
        select(Notification, carrier)
        .join(carrier, carrier.id == Notification.merged_into, isouter=True)
        .where(Notification.channel == channel, Notification.reason == Reason.FIRST, Notification.alert_id.in_(leads))
        .order_by(Notification.id)
    )
    sent: dict[int, SentNotification] = {}
    for first, merged_into in session.execute(query.execution_options(populate_existing=True)):
        row = merged_into or first
        if not alert_ids_of(first.alert_id, first.alert_ids) & set(alerts):
            continue
        if row.state == DeliveryState.SENT and row.reason != Reason.RESOLVED:
            sent[row.id] = SentNotification(row.id, dict(row.message), dict(row.receipt) if row.receipt else None)
    return tuple(sent.values())


def mark_sent(
    session: Session, delivery_id: int, now: datetime, *, receipt: dict[str, Any] | None = None, note: str | None = None
) -> None:
    """Stores that the notification was sent, and closes the circuit of the channel. A notification that was merged into
    a newer one while it was sent is marked as sent all the same: the newer one need not contain it any more."""
    channel = session.scalar(select(Notification.channel).where(Notification.id == delivery_id))
    if channel:
        _close_circuit(session, _lock_channel(session, channel), now)
    values = {
        "state": DeliveryState.SENT,
        "sent_at": now,
        "error": None,
        "claimed_until": None,
        "note": note,
        "merged_into": None,
    }
    query = update(Notification).where(Notification.id == delivery_id)
    session.execute(query.values(**values, **({} if receipt is None else {"receipt": receipt})))


def mark_failed(
    session: Session,
    claimed: ClaimedNotification,
    error: str,
    now: datetime,
    *,
    retry_after: timedelta | None = None,
    permanent: bool = False,
) -> DeliveryState | None:
    """Schedules the next try, with a growing delay; the notification is dead after a day, or at once for a permanent
    error. The circuit of the channel opens, with a growing delay of its own: one trial message shows whether the
    channel works again. Changes nothing if the claim expired and another process claimed the notification. Returns the
    state of the notification; null if it was deleted meanwhile."""
    state = _lock_channel(session, claimed.channel)
    is_claimed = (
        Notification.id == claimed.id,
        Notification.tries == claimed.tries,
        Notification.state == DeliveryState.PENDING,
    )
    if session.scalar(select(Notification.id).where(*is_claimed).with_for_update()) is None:
        current = session.scalar(select(Notification.state).where(Notification.id == claimed.id))
        return None if current is None else DeliveryState(current)
    delay = retry_after or _retry_delay(claimed.tries)
    if permanent:
        # A channel that rejects a notification works.
        _close_circuit(session, state, now)
    else:
        open_for = _open_circuit(state, claimed, error, now, retry_after)
        delay = open_for if claimed.channel_failing else delay
        _expire_old(session, claimed, error, now + open_for)
    is_dead = permanent or now + delay - claimed.created_at > EXPIRE_AFTER
    new_state = DeliveryState.DEAD if is_dead else DeliveryState.PENDING
    query = update(Notification).where(*is_claimed)
    session.execute(query.values(state=new_state, due_at=now + delay, claimed_until=None, error=error[:1000]))
    return new_state


def _retry_delay(failures: int) -> timedelta:
    # A timedelta cannot hold larger powers of two.
    return min(_FIRST_DELAY * (1 << min(failures - 1, 20)), _LONGEST_DELAY)


def _open_circuit(
    state: ChannelState, claimed: ClaimedNotification, error: str, now: datetime, retry_after: timedelta | None
) -> timedelta:
    """Opens the circuit from now on and returns for how long. A failed test message does not prolong it."""
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
        # The pending ones waited for the channel, which works again. After a single failure the message may be at
        # fault.
        query = update(Notification).where(
            Notification.channel == state.channel,
            Notification.state == DeliveryState.PENDING,
            Notification.claimed_until.is_(None),
            Notification.due_at > now,
        )
        session.execute(query.values(due_at=now), execution_options={"synchronize_session": False})


def _expire_old(session: Session, claimed: ClaimedNotification, error: str, until: datetime) -> None:
    """Gives up the pending notifications of the channel that are too old, as if they had been tried themselves."""
    query = update(Notification).where(
        Notification.channel == claimed.channel,
        Notification.state == DeliveryState.PENDING,
        Notification.id != claimed.id,
        Notification.claimed_until.is_(None),
        Notification.created_at < until - EXPIRE_AFTER,
    )
    values = {"state": DeliveryState.DEAD, "error": error[:1000]}
    session.execute(query.values(values), execution_options={"synchronize_session": False})


def expire_unconfigured_channels(session: Session, channels: Sequence[str], now: datetime) -> int:
    """Gives up notifications older than a day of channels that are not configured, and returns their number. Not at
    once: this may be a command that was started without a setting of the service."""
    query = update(Notification).where(
        Notification.state == DeliveryState.PENDING, Notification.created_at < now - EXPIRE_AFTER
    )
    if channels:
        query = query.where(Notification.channel.not_in(list(channels)))
    query = query.values(state=DeliveryState.DEAD, error="The channel is no longer configured.")
    return int(session.execute(query).rowcount)  # type: ignore[attr-defined]
