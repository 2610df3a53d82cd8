"""Alerts and their outbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base

_FIRING = text("state = 'firing'")
_FIRING_WHOLE = text("state = 'firing' AND workflow_id IS NULL")


class Alert(Base):
    """One episode of a rule on a scope: opened once, resolved once, and only one at a time."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_state_opened_at", "state", "opened_at"),
        Index(
            "ux_alerts_firing_workflow", "repository_id", "workflow_id", "rule",
            unique=True, postgresql_where=_FIRING, sqlite_where=_FIRING,
        ),
        # Null differs from null in a unique index: an alert about a whole repository needs one of its own.
        Index(
            "ux_alerts_firing_repository", "repository_id", "rule",
            unique=True, postgresql_where=_FIRING_WHOLE, sqlite_where=_FIRING_WHOLE,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    workflow_id: Mapped[int | None]
    rule: Mapped[str] = mapped_column(String(50))
    threshold: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Delivery(Base):
    """The outbox: one row a message and channel, written with the alert's state in one transaction."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_state_due_at", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    channel: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(20))
    message: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
