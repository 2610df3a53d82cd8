"""The last 24 hours by repository and workflow."""

from collections import Counter

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from db import analytics
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.vocabulary import GroupBy

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
    groups = analytics.groups(session, Scope(), window, GroupBy.WORKFLOW)
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
