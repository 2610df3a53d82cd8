"""Writing alerts and their outbox. State and messages are written in one transaction by the caller's session."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from db.alerting.place import Place
from db.models import Alert, Delivery
from db.vocabulary import AlertState, DeliveryState, RuleKind, Severity

# A claim that was never settled (the process died) is free again after this long.
CLAIM = timedelta(minutes=2)
GIVE_UP = timedelta(days=1)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)


@dataclass(frozen=True)
class AlertScope:
    """What an alert is about; `workflow_id` is null for a rule over a whole repository. `target` names rule and place:
    at most one alert of it fires; null: the workflow or the repository."""

    repository_id: int
    workflow_id: int | None
    rule: RuleKind
    branch: str | None = None
    rule_id: int | None = None
    rule_name: str | None = None
    severity: Severity = Severity.CRITICAL
    target: str | None = None


@dataclass(frozen=True)
class Claimed:
    """A message that this process, and no other, sends now."""

    id: int
    channel: str
    reason: str
    message: dict[str, Any]
    tries: int
    created_at: datetime


def open_alert(
    session: Session, scope: AlertScope, threshold: str, detail: dict[str, Any], now: datetime, *,
    silenced_until: datetime | None = None,
) -> int:  # fmt: skip
    target = scope.target or Place(scope.repository_id, "", scope.workflow_id).target(scope.rule_id)
    alert = Alert(
        repository_id=scope.repository_id, workflow_id=scope.workflow_id, rule=scope.rule, threshold=threshold,
        state=AlertState.FIRING, opened_at=now, detail=detail, branch=scope.branch, rule_id=scope.rule_id,
        rule_name=scope.rule_name, severity=scope.severity, target=target, silenced_until=silenced_until,
    )  # fmt: skip
    session.add(alert)
    session.flush()
    return alert.id


def update_detail(session: Session, alert_id: int, detail: dict[str, Any]) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(detail=detail))


def resolve_alert(session: Session, alert_id: int, detail: dict[str, Any], now: datetime) -> bool:
    """False when somebody else resolved it before."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(state=AlertState.RESOLVED, resolved_at=now, detail=detail)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def note_told(session: Session, alert_ids: Collection[int], now: datetime, *, group_id: int | None = None) -> None:
    """People were told of these, in one message where a group is named."""
    values: dict[str, Any] = {"told_at": now} | ({"group_id": group_id} if group_id is not None else {})
    session.execute(update(Alert).where(Alert.id.in_(list(alert_ids))).values(values))


def acknowledge(session: Session, alert_id: int, by: str, comment: str, now: datetime) -> bool:
    """No repeats until it is over. Who says so last stands there. False where it does not fire (any more)."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(acknowledged_at=now, acknowledged_by=by, acknowledged_comment=comment)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def enqueue(
    session: Session, alert_id: int | None, reason: str, messages: Mapping[str, dict[str, Any]], now: datetime
) -> None:
    """One row a channel; delivered whatever happens to this process afterwards. A test is about no alert."""
    for channel, message in messages.items():
        session.add(
            Delivery(
                alert_id=alert_id, channel=channel, reason=reason, message=message,
                state=DeliveryState.PENDING, created_at=now, due_at=now, tries=0,
            )
        )  # fmt: skip
    session.flush()


def claim_due(session: Session, now: datetime, channels: Sequence[str], *, limit: int = 20) -> list[Claimed]:
    """Takes messages that are due by a conditional UPDATE: of two processes only one gets each."""
    due = (
        select(Delivery)
        .where(Delivery.state == DeliveryState.PENDING, Delivery.due_at <= now, Delivery.channel.in_(list(channels)))
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
    )
    claimed = []
    for row in session.scalars(due):
        query = update(Delivery).where(
            Delivery.id == row.id, Delivery.state == DeliveryState.PENDING, Delivery.tries == row.tries
        )
        query = query.values(tries=row.tries + 1, due_at=now + CLAIM)
        if session.execute(query, execution_options={"synchronize_session": False}).rowcount == 1:  # type: ignore[attr-defined]
            claimed.append(Claimed(row.id, row.channel, row.reason, dict(row.message), row.tries + 1, row.created_at))
    return claimed


def note_sent(session: Session, delivery_id: int, now: datetime) -> None:
    query = update(Delivery).where(Delivery.id == delivery_id)
    session.execute(query.values(state=DeliveryState.SENT, sent_at=now, error=None))


def note_failed(
    session: Session, claimed: Claimed, error: str, now: datetime, *,
    retry_after: timedelta | None = None, permanent: bool = False,
) -> DeliveryState:  # fmt: skip
    """Tried again with a growing delay; dead, and visible as such, after a day, or at once where trying again cannot
    help."""
    delay = retry_after or min(_FIRST_DELAY * 2 ** (claimed.tries - 1), _LONGEST_DELAY)
    dead = permanent or now + delay - claimed.created_at > GIVE_UP
    state = DeliveryState.DEAD if dead else DeliveryState.PENDING
    query = update(Delivery).where(Delivery.id == claimed.id)
    session.execute(query.values(state=state, due_at=now + delay, error=error[:1000]))
    return state


def drop_for_removed_channels(session: Session, channels: Sequence[str], now: datetime) -> int:
    """Messages for a channel that nobody has configured for a day. Not at once: this may be a command that was started
    without a setting that the service has."""
    query = update(Delivery).where(Delivery.state == DeliveryState.PENDING, Delivery.created_at < now - GIVE_UP)
    if channels:
        query = query.where(or_(Delivery.channel.not_in(list(channels))))
    query = query.values(state=DeliveryState.DEAD, error="The channel is not configured any more.")
    return int(session.execute(query).rowcount)  # type: ignore[attr-defined]
