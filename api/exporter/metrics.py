"""Construction of metric families, and the families of runs, outbox and storage.

All names begin with pipeline_health_."""

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
from health.alerts.storage.channel_queues import ChannelQueue
from health.metrics import service

PREFIX = "pipeline_health_"
# Label values to a number; a null number makes no series.
Samples = Mapping[Any, float | None]


def gauge(
    name: str, documentation: str, values: Mapping[Any, float | None] | float | None, label: str | None = None
) -> GaugeMetricFamily:
    """One series per value of `label`, or a single series without one. Null values make no series."""
    family = GaugeMetricFamily(PREFIX + name, documentation, labels=[label] if label else None)
    for key, value in values.items() if isinstance(values, Mapping) else [(None, values)]:
        if value is not None:
            family.add_metric([str(key)] if label else [], value)
    return family


def gauges(name: str, documentation: str, labels: Iterable[str], samples: Samples) -> GaugeMetricFamily:
    """One series per combination of label values."""
    family = GaugeMetricFamily(PREFIX + name, documentation, labels=list(labels))
    for values, number in samples.items():
        if number is not None:
            family.add_metric(values, number)
    return family


def counter(name: str, documentation: str, labels: Iterable[str], samples: Samples) -> Metric:
    """`name` is without the suffix _total, which the text format adds."""
    family = CounterMetricFamily(PREFIX + name, documentation, labels=list(labels))
    for values, number in samples.items():
        if number is not None:
            family.add_metric(values, number)
    return family


def summary(
    name: str, documentation: str, labels: Iterable[str], samples: Mapping[tuple[str, ...], tuple[float, float]]
) -> Metric:
    """`samples`: number of observations, and their sum in seconds."""
    family = SummaryMetricFamily(PREFIX + name, documentation, labels=list(labels))
    for values, (number, total) in samples.items():
        family.add_metric(values, count_value=int(number), sum_value=total)
    return family


def render(families: Iterable[Metric]) -> bytes:
    """The families in the Prometheus text format."""
    return generate_latest(_StaticCollector(families))


class _StaticCollector:
    """Adapts a list of families to the collector that generate_latest expects."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def timestamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def outbox(channels: Sequence[ChannelQueue], now: datetime) -> list[Metric]:
    """The outbox of notifications, by channel."""

    def lag(queue: ChannelQueue) -> float:
        return max((now - queue.oldest_at).total_seconds(), 0.0) if queue.oldest_at else 0.0

    return [
        gauge(
            "outbox_waiting",
            "Notifications that are not sent yet, by channel",
            {queue.channel: queue.pending for queue in channels},
            "channel",
        ),
        gauge(
            "outbox_lag_seconds",
            "Age of the oldest notification that is not sent; 0 if none waits",
            {queue.channel: lag(queue) for queue in channels},
            "channel",
        ),
        gauge(
            "channel_failures",
            "Consecutive failed sends of the channel; 0 after a success",
            {queue.channel: queue.failures for queue in channels},
            "channel",
        ),
    ]


def storage(invalidated_days: int, size: int, free: int | None, replica: ReplicaStatus | None) -> list[Metric]:
    """`replica` is null without a replica, `free` for a database that is not a local file."""
    return [
        gauge("rollup_marks_waiting", "Days of repositories whose roll-ups are to be recomputed", invalidated_days),
        gauge("database_size_bytes", "Size of the database", size),
        gauge("database_free_bytes", "Free space on the disk of the SQLite file", free),
        gauge(
            "replica_lag_seconds",
            "Lag of DATABASE_REPLICA_URL; absent while unknown",
            replica.lag_seconds if replica else None,
        ),
        gauge(
            "replica_answers",
            "1 if the replica serves reads, 0 if the primary database does",
            float(replica.from_replica) if replica else None,
        ),
    ]


_CONCLUSIONS = ("success", "failure", "cancelled", "skipped", "other", "in_progress")


def pipelines(session: Session, window: Window) -> list[Metric]:
    """Runs created in the window, by repository and workflow."""
    labels = ["repo", "workflow"]
    runs = GaugeMetricFamily(
        "pipeline_health_runs_24h", "Runs created in the last 24 hours, by conclusion", labels=[*labels, "conclusion"]
    )
    rate = GaugeMetricFamily(
        "pipeline_health_success_ratio_24h", "Share of completed runs that succeeded, last 24 hours", labels=labels
    )
    p50 = GaugeMetricFamily(
        "pipeline_health_duration_seconds_p50_24h", "Median duration of runs, last 24 hours", labels=labels
    )
    p95 = GaugeMetricFamily(
        "pipeline_health_duration_seconds_p95_24h",
        "95th percentile of the duration of runs, last 24 hours",
        labels=labels,
    )
    first = GaugeMetricFamily(
        "pipeline_health_success_ratio_first_attempt_24h",
        "Share of completed first attempts that passed, last 24 hours",
        labels=labels,
    )
    passed = GaugeMetricFamily(
        "pipeline_health_success_duration_seconds_p50_24h",
        "Median duration of successful runs, last 24 hours",
        labels=labels,
    )
    remaining = GaugeMetricFamily(
        "pipeline_health_success_ratio_without_infrastructure_24h",
        "Share of completed runs without infrastructure failures that succeeded, last 24 hours",
        labels=labels,
    )
    infrastructure = GaugeMetricFamily(
        "pipeline_health_infrastructure_failures_24h",
        "Failed runs whose failure causes are infrastructure alone, last 24 hours; absent if no failed run has a cause",
        labels=labels,
    )
    unnamed = GaugeMetricFamily(
        "pipeline_health_failures_without_cause_24h",
        "Failed runs without a known failure cause, last 24 hours",
        labels=labels,
    )
    failures = service.read_failures(session, Scope(), window)
    groups = service.groups(session, Scope(), window, GroupBy.WORKFLOW, failures=failures)
    names = Counter((group.repo, group.key) for group in groups)
    for group in groups:
        # Two workflows with one name would make duplicate series, which Prometheus rejects.
        ambiguous = names[group.repo, group.key] > 1
        key = [group.repo or "", f"{group.key} ({group.workflow_id})" if ambiguous else group.key or ""]
        for conclusion in _CONCLUSIONS:
            runs.add_metric([*key, conclusion], getattr(group.metrics.runs, conclusion))
        metrics, duration = group.metrics, group.metrics.duration_seconds
        for family, value in (
            (rate, metrics.success_rate),
            (p50, duration.p50),
            (p95, duration.p95),
            (first, metrics.success_rate_first_attempt),
            (passed, metrics.success_duration_seconds.p50),
            (remaining, metrics.success_rate_without_infrastructure),
            (infrastructure, metrics.infrastructure_failures),
            (unnamed, metrics.failures_without_cause),
        ):
            if value is not None:
                family.add_metric(key, value)
    return [runs, rate, first, p50, p95, passed, remaining, infrastructure, unnamed]
