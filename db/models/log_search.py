"""Tables of the search index over stored logs. Their contents are defined in health.log_search.

A log is an entry until it is a part of a segment. The index can name logs that were replaced or deleted since: every
match is verified in the stored text. Segments cover all repositories, so that their number depends on the number of
logs only; they are not distributed."""

from datetime import datetime

from sqlalchemy import Index, Integer, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class LogSearchEntry(Base):
    """A stored log that no segment contains yet. `created_at` is that of its run, `fetched_at` that of the log;
    `trigrams` is null until the collector has read the text."""

    __tablename__ = "log_search_entries"
    __table_args__ = (
        # For the collector, which indexes the newest of these logs first.
        Index(
            "ix_log_search_entries_unindexed",
            "created_at",
            postgresql_where=text("trigrams IS NULL"),
            sqlite_where=text("trigrams IS NULL"),
        ),
    )

    repository_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime]
    fetched_at: Mapped[datetime]
    trigrams: Mapped[bytes | None] = mapped_column(LargeBinary)


class LogSearchSegment(Base):
    """`oldest_at` and `newest_at` are the limits of the runs' creation; `documents` are the logs of the segment."""

    __tablename__ = "log_search_segments"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    logs: Mapped[int] = mapped_column(Integer)
    oldest_at: Mapped[datetime]
    newest_at: Mapped[datetime]
    documents: Mapped[bytes] = mapped_column(LargeBinary)


class LogSearchPosting(Base):
    """The logs of a segment that contain each trigram of a bucket. The bucket comes first in the key, because a query
    reads the rows of a bucket of all segments."""

    __tablename__ = "log_search_postings"

    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
