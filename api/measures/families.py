"""Families of series by the label's value. All names begin with pipeline_health_."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

PREFIX = "pipeline_health_"
# Label values to a number; null ones are left out.
Samples = Mapping[Any, float | None]


def gauge(
    name: str, what: str, values: Mapping[Any, float | None] | float | None, label: str | None = None
) -> GaugeMetricFamily:
    """`values` by the label's value; null ones are left out."""
    family = GaugeMetricFamily(PREFIX + name, what, labels=[label] if label else None)
    for key, value in values.items() if isinstance(values, Mapping) else [(None, values)]:
        if value is not None:
            family.add_metric([str(key)] if label else [], value)
    return family


def gauges(name: str, what: str, labels: Iterable[str], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, what, labels=list(labels))
    for values, number in samples.items():
        if number is not None:
            family.add_metric(values, number)
    return family


def counter(name: str, what: str, labels: Iterable[str], samples: Samples) -> Metric:
    """`name` without _total, which the format adds."""
    family = CounterMetricFamily(PREFIX + name, what, labels=list(labels))
    for values, number in samples.items():
        if number is not None:
            family.add_metric(values, number)
    return family


def summary(
    name: str, what: str, labels: Iterable[str], samples: Mapping[tuple[str, ...], tuple[float, float]]
) -> Metric:
    """How often, and seconds in all."""
    family = SummaryMetricFamily(PREFIX + name, what, labels=list(labels))
    for values, (often, total) in samples.items():
        family.add_metric(values, count_value=int(often), sum_value=total)
    return family


def rendered(families: Iterable[Metric]) -> bytes:
    """In Prometheus' text format."""
    return generate_latest(_Fixed(families))


class _Fixed:
    """Families that are already there, in the shape that generate_latest reads."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def stamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
