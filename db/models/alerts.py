"""Tables of alert rules, alerts, silences, and the outbox of notifications."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.sql import ErrorText

_FIRING = text("state = 'firing'")


class AlertRule(Base):
    """An alert rule. A null column means the default of the rule's type (health.alerts.rules.types). An empty list of
    patterns matches everything. `teams`: keys of the teams whose repositories the rule is about; empty: all."""

    __tablename__ = "alert_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(50))
    open_at: Mapped[float] = mapped_column(Float)
    close_at: Mapped[float | None] = mapped_column(Float)
    window_seconds: Mapped[float | None] = mapped_column(Float)
    minimum: Mapped[int | None] = mapped_column(Integer)
    objective: Mapped[float | None] = mapped_column(Float)
    per: Mapped[str] = mapped_column(String(20))
    repos: Mapped[list[Any]]
    workflows: Mapped[list[Any]]
    branches: Mapped[list[Any]]
    severity: Mapped[str] = mapped_column(String(20))
    channels: Mapped[list[Any]]
    teams: Mapped[list[Any]] = mapped_column(server_default="[]", default=list)
    repeat_seconds: Mapped[float | None] = mapped_column(Float)
    enabled: Mapped[bool] = mapped_column(Boolean)
    built_in: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Alert(Base):
    """One episode of a rule for one target: it is opened once and resolved once, and at most one per target is firing.
    `target` identifies the rule and what it applies to. `notified_at`: time of the last message; `group_id`: the first
    of the alerts that share a message. `rule` is the kind; name, kind and severity do not change when the rule is
    changed or deleted."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_state_opened_at", "state", "opened_at"),
        Index(
            "ux_alerts_firing_target",
            "repository_id",
            "rule",
            "target",
            unique=True,
            postgresql_where=_FIRING,
            sqlite_where=_FIRING,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    workflow_id: Mapped[int | None]
    rule: Mapped[str] = mapped_column(String(50))
    threshold: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rule_id: Mapped[int | None]
    rule_name: Mapped[str | None] = mapped_column(String(200))
    severity: Mapped[str] = mapped_column(String(20), server_default="critical")
    branch: Mapped[str | None] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text, server_default="")
    notified_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(200))
    acknowledged_comment: Mapped[str | None] = mapped_column(Text)
    silenced_until: Mapped[datetime | None]
    group_id: Mapped[int | None]
    assignee: Mapped[str | None] = mapped_column(String(200))
    assigned_by: Mapped[str | None] = mapped_column(String(200))
    assigned_at: Mapped[datetime | None]


class AlertSilence(Base):
    """Suppresses messages about matching alerts from `starts_at` to `ends_at` (exclusive). `rule_id` null: any rule."""

    __tablename__ = "silences"
    __table_args__ = (Index("ix_silences_ends_at", "ends_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repos: Mapped[list[Any]]
    workflows: Mapped[list[Any]]
    branches: Mapped[list[Any]]
    rule_id: Mapped[int | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    comment: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class Notification(Base):
    """The outbox: one row per message and channel, written with the alert's state in one transaction. `alert_id` is
    null for a requested test message; `alert_ids` are all alerts in the message (null: only `alert_id`).
    `claimed_until`: a program is sending the message, or ended without releasing it. `receipt` identifies the message
    in the channel, `note` is a problem with a message that the channel accepted. `merged_into`: the row whose message
    includes this one."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_state_due_at", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    channel: Mapped[str] = mapped_column(String(60))
    reason: Mapped[str] = mapped_column(String(20))
    message: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(ErrorText)
    alert_ids: Mapped[list[Any] | None]
    claimed_until: Mapped[datetime | None]
    receipt: Mapped[dict[str, Any] | None]
    note: Mapped[str | None] = mapped_column(ErrorText)
    merged_into: Mapped[int | None] = mapped_column(index=True)


class ChannelState(Base):
    """The circuit breaker of a channel. After `failures` consecutive failures, its messages wait until
    `circuit_open_until`; then one message is tried."""

    __tablename__ = "channel_states"

    channel: Mapped[str] = mapped_column(String(60), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    failing_since: Mapped[datetime | None]
    circuit_open_until: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(ErrorText)
