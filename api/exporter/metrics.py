"""Families of series by the label's value. All names begin with pipeline_health_.

The outbox of messages, the sums that are to be made, and the database itself.

The last 24 hours by repository and workflow.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import GroupBy
from db.replica import ReplicaStatus
from db.storage import ChannelQueue
from health.metrics import service

PREFIX = "pipeline_health_"
# Label values to a number; null ones are left out.
Samples = Mapping[Any, float | None]


def gauge(
    name: str, documentation: str, values: Mapping[Any, float | None] | float | None, label: str | None = None
) -> GaugeMetricFamily:
    """`values` by the label's value; null ones are left out."""
    family = GaugeMetricFamily(PREFIX + name, documentation, labels=[label] if label else None)
    for key, value in values.items() if isinstance(values, Mapping) else [(None, values)]:
        if value is not None:
            family.add_metric([str(key)] if label else [], value)
    return family


def gauges(name: str, documentation: str, labels: Iterable[str], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, documentation, labels=list(labels))
    for values, number in samples.items():
        if number is not None:
            family.add_metric(values, number)
    return family


def counter(name: str, documentation: str, labels: Iterable[str], samples: Samples) -> Metric:
    """`name` without _total, which the format adds."""
    family = CounterMetricFamily(PREFIX + name, documentation, labels=list(labels))
    for values, number in samples.items():
        if number is not None:
            family.add_metric(values, number)
    return family


def summary(
    name: str, documentation: str, labels: Iterable[str], samples: Mapping[tuple[str, ...], tuple[float, float]]
) -> Metric:
    """How often, and seconds in all."""
    family = SummaryMetricFamily(PREFIX + name, documentation, labels=list(labels))
    for values, (often, total) in samples.items():
        family.add_metric(values, count_value=int(often), sum_value=total)
    return family


def render(families: Iterable[Metric]) -> bytes:
    """In Prometheus' text format."""
    return generate_latest(_StaticCollector(families))


class _StaticCollector:
    """Families that are already there, in the shape that generate_latest reads."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def timestamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def outbox(channels: Sequence[ChannelQueue], now: datetime) -> list[Metric]:
    def lag(queue: ChannelQueue) -> float:
        return max((now - queue.oldest_at).total_seconds(), 0.0) if queue.oldest_at else 0.0

    return [
        gauge("outbox_waiting", "Messages that their channel has not taken yet",
              {each.channel: each.pending for each in channels}, "channel"),
        gauge("outbox_lag_seconds", "Since the oldest waiting message was written; 0 when none waits",
              {each.channel: lag(each) for each in channels}, "channel"),
        gauge("channel_failures", "Failures in a row; 0 while the channel takes messages",
              {each.channel: each.failures for each in channels}, "channel"),
    ]  # fmt: skip


def storage(marked_days: int, size: int, free: int | None, replica: ReplicaStatus | None) -> list[Metric]:
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


_CONCLUSIONS = ("success", "failure", "cancelled", "skipped", "other", "in_progress")


def pipelines(session: Session, window: Window) -> list[Metric]:
    labels = ["repo", "workflow"]
    runs = GaugeMetricFamily(
        "pipeline_health_runs_24h", "Runs created in the last 24 hours", labels=[*labels, "conclusion"]
    )
    rate = GaugeMetricFamily("pipeline_health_success_ratio_24h", "Success / decided, last 24 hours", labels=labels)
    p50 = GaugeMetricFamily("pipeline_health_duration_seconds_p50_24h", "Median duration", labels=labels)
    p95 = GaugeMetricFamily("pipeline_health_duration_seconds_p95_24h", "95th percentile of duration", labels=labels)
    first = GaugeMetricFamily(
        "pipeline_health_success_ratio_first_attempt_24h", "First attempts that passed / decided ones", labels=labels
    )
    passed = GaugeMetricFamily(
        "pipeline_health_success_duration_seconds_p50_24h", "Median duration of successful runs", labels=labels
    )
    groups = service.groups(session, Scope(), window, GroupBy.WORKFLOW)
    names = Counter((group.repo, group.key) for group in groups)
    for group in groups:
        # Two workflows of one name would be the same series twice, which Prometheus refuses.
        twice = names[group.repo, group.key] > 1
        key = [group.repo or "", f"{group.key} ({group.workflow_id})" if twice else group.key or ""]
        for conclusion in _CONCLUSIONS:
            runs.add_metric([*key, conclusion], getattr(group.metrics.runs, conclusion))
        found, times = group.metrics, group.metrics.duration_seconds
        for family, value in (
            (rate, found.success_rate), (p50, times.p50), (p95, times.p95), (first, found.success_rate_first_attempt),
            (passed, found.success_duration_seconds.p50),
        ):  # fmt: skip
            if value is not None:
                family.add_metric(key, value)
    return [runs, rate, first, p50, p95, passed]
