"""What waits in the outbox for one channel, as db.alerting.outbox plans with it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from db.alerting.outbox import Waiting
from db.alerting.transitions import Reason
from db.models import Alert, Delivery
from db.vocabulary import AlertState, DeliveryState


def waiting_for(session: Session, channel: str, now: datetime) -> dict[int, Waiting]:
    """By id."""
    columns = (
        Delivery.id, Delivery.reason, Delivery.alert_id, Delivery.alert_ids, Delivery.due_at, Delivery.tries,
        Delivery.claimed_until,
    )  # fmt: skip
    query = select(*columns).where(Delivery.state == DeliveryState.PENDING, Delivery.channel == channel)
    pending = session.execute(query.order_by(Delivery.id)).all()
    alerts = {row.id: about(row.alert_id, row.alert_ids) for row in pending}
    carried = _reasons_carried(session, channel)
    loud, unknown = _of_interest(session, now)
    found: dict[int, Waiting] = {}
    for row in pending:
        opens = Reason.FIRST in (row.reason, *carried[row.id])
        wanted = loud if opens or row.reason != Reason.REPEAT else unknown
        found[row.id] = Waiting(
            row.id, row.reason, alerts[row.id], row.due_at, row.tries,
            in_flight=row.claimed_until is not None and min(row.claimed_until, row.due_at) > now,
            over=bool(alerts[row.id]) and not alerts[row.id] & wanted,
            opens=opens,
            episodes=1 + carried[row.id].count(Reason.RESOLVED) if Reason.FIRST in carried[row.id] else 0,
        )  # fmt: skip
    return found


def _of_interest(session: Session, now: datetime) -> tuple[set[int], set[int]]:
    """Alerts that fire and that no silence covers now, and those of them that nobody acknowledged."""
    query = select(Alert.id, Alert.silenced_until, Alert.acknowledged_at).where(Alert.state == AlertState.FIRING)
    loud = [row for row in session.execute(query) if row.silenced_until is None or row.silenced_until <= now]
    return {row.id for row in loud}, {row.id for row in loud if row.acknowledged_at is None}


def _reasons_carried(session: Session, channel: str) -> dict[int, list[str]]:
    """By the waiting message that carries them. A join: there may be more of them than a query can name."""
    found: dict[int, list[str]] = defaultdict(list)
    carrier = aliased(Delivery)
    query = (
        select(Delivery.folded_into, Delivery.reason)
        .join(carrier, carrier.id == Delivery.folded_into)
        .where(carrier.state == DeliveryState.PENDING, carrier.channel == channel)
    )
    for number, reason in session.execute(query):
        found[number or 0].append(reason)
    return found


def about(alert_id: int | None, alert_ids: Sequence[int] | None) -> frozenset[int]:
    return frozenset(alert_ids or ([] if alert_id is None else [alert_id]))
