"""Which workflows run by the clock."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.types import Remark


class WorkflowSchedule(Base):
    """The schedule of a workflow's file on the default branch. `crons`: its lines, each a text (UTC) or a mapping of
    `cron` and `timezone`; `since`: they hold from then on, as far as is known; `error`: why the file, or which of its
    lines, could not be read the last time."""

    __tablename__ = "workflow_schedules"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    crons: Mapped[list[Any]]
    since: Mapped[datetime]
    read_at: Mapped[datetime]
    etag: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Remark)
