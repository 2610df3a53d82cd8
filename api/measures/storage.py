"""The outbox of messages, the sums that are to be made, and the database itself."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client.core import Metric

from api.measures.families import gauge
from db.queries.queues import ChannelQueue
from db.reader import Standing


def outbox(channels: Sequence[ChannelQueue], now: datetime) -> list[Metric]:
    def lag(queue: ChannelQueue) -> float:
        return max((now - queue.oldest_at).total_seconds(), 0.0) if queue.oldest_at else 0.0

    return [
        gauge("outbox_waiting", "Messages that their channel has not taken yet",
              {each.channel: each.waiting for each in channels}, "channel"),
        gauge("outbox_lag_seconds", "Since the oldest waiting message was written; 0 when none waits",
              {each.channel: lag(each) for each in channels}, "channel"),
        gauge("channel_failures", "Failures in a row; 0 while the channel takes messages",
              {each.channel: each.failures for each in channels}, "channel"),
    ]  # fmt: skip


def storage(marked_days: int, size: int, free: int | None, replica: Standing | None) -> list[Metric]:
    """`replica` is null where there is none."""
    return [
        gauge("rollup_marks_waiting", "Days of a repository whose sums are to be made anew", marked_days),
        gauge("database_size_bytes", "What the database's files take", size),
        gauge("database_free_bytes", "Room on the disk of the SQLite file", free),
        gauge("replica_lag_seconds", "How far DATABASE_REPLICA_URL is behind; absent while that is not known",
              replica.lag_seconds if replica else None),
        gauge("replica_answers", "1 where the replica answers, 0 where the database itself does in its place",
              float(replica.from_replica) if replica else None),
    ]  # fmt: skip
