"""Time series, hours of the week and regressions as data frames for charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pandas as pd

from app.filters.hours import Hours
from core import formatting
from db.definitions.scope import INTERVAL_LENGTHS, Window, bucket_start
from db.enums import Interval
from health.insights.regressions import Regression
from health.metrics.definitions.offset_periods import offset_periods
from health.metrics.definitions.percentiles import ratio
from health.metrics.service import HourCell, Point

# The failure rate of fewer runs is noise: the cell stays empty.
_MIN_SAMPLES = 5
UTC = ZoneInfo("UTC")
SO_FAR = "so far"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def series(
    points: Sequence[Point],
    before: Sequence[Point] = (),
    zone: ZoneInfo = UTC,
    *,
    window: Window | None = None,
    now: datetime | None = None,
) -> pd.DataFrame:
    """One row per time bucket, partial ones included, so that they add up to the figure of the window. `partial` and
    `note`: see `partial_notes`. `before`: the buckets of the previous period. `at`: the position on the axis, in
    `zone`."""
    earlier: Sequence[Point | None] = before if len(before) == len(points) else [None] * len(points)
    cuts = partial_notes(points, zone, window, now)
    rows = [
        _bucket(point, zone) | _previous_values(past) | {"partial": point.partial, "note": note}
        for point, past, note in zip(points, earlier, cuts, strict=True)
    ]
    return pd.DataFrame(rows)


class Bucket(Protocol):
    """A point of any series."""

    @property
    def start(self) -> datetime: ...

    @property
    def partial(self) -> bool: ...


def partial_notes(
    points: Sequence[Bucket], zone: ZoneInfo, window: Window | None = None, now: datetime | None = None
) -> list[str]:
    """For each bucket: an empty string if it is complete, `so far` for the current one, and `from 30 Nov 10:19` or
    `until 30 Nov 10:19` if the window starts or ends in it. Without a window, the last bucket is the current one."""
    return [_partial_note(point, point is points[-1], zone, window, now) if point.partial else "" for point in points]


def _partial_note(point: Bucket, last: bool, zone: ZoneInfo, window: Window | None, now: datetime | None) -> str:
    if last and (window is None or now is None or window.until >= now):
        return SO_FAR
    if window is None:
        return "partial"
    if point.start < window.since:
        return f"from {window.since.astimezone(zone):%d %b %H:%M}"
    return f"until {window.until.astimezone(zone):%d %b %H:%M}"


def _bucket(point: Point, zone: ZoneInfo) -> dict[str, Any]:
    metrics = point.metrics
    return {
        "at": axis_time(point.start, zone),
        "success_rate": metrics.success_rate,
        "written": formatting.percent(metrics.success_rate),
        "decided": metrics.runs.success + metrics.runs.failure,
        "remaining_rate": metrics.success_rate_without_infrastructure,
        "remaining_written": formatting.percent(metrics.success_rate_without_infrastructure),
        "infrastructure": metrics.infrastructure_failures or 0,
        "p50": metrics.duration_seconds.p50,
        "p95": metrics.duration_seconds.p95,
        "p50_written": formatting.duration(metrics.duration_seconds.p50),
        "p95_written": formatting.duration(metrics.duration_seconds.p95),
        "queue_p95": metrics.queue_seconds.p95,
        "cost": metrics.cost_usd,
        "compute": metrics.compute_seconds,
        "wasted": metrics.wasted_seconds,
        "wasted_share": ratio(metrics.wasted_seconds, metrics.compute_seconds),
        "runs": metrics.runs.total,
        "success": metrics.runs.success,
        "failure": metrics.runs.failure,
        "cancelled": metrics.runs.cancelled,
        "skipped": metrics.runs.skipped,
        "other": metrics.runs.other,
        "running": metrics.runs.in_progress,
    }


def _previous_values(point: Point | None) -> dict[str, Any]:
    return {
        "before_rate": point.metrics.success_rate if point else None,
        "before_rate_written": formatting.percent(point.metrics.success_rate) if point else "",
        "before_p50": point.metrics.duration_seconds.p50 if point else None,
        "before_p50_written": formatting.duration(point.metrics.duration_seconds.p50) if point else "",
    }


def axis_time(moment: datetime, zone: ZoneInfo) -> str:
    """The position of a moment on a time axis: the local time in `zone`, without an offset, as Plotly has no time
    zones."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def axis(window: Window, zone: ZoneInfo = UTC, interval: Interval = Interval.HOUR) -> tuple[str, str]:
    """The range of the axis in whole hours, so that a chart is not redrawn every minute. Bars are centred on the start
    of their bucket, so the range extends half an `interval` beyond the first and the last one."""
    half = INTERVAL_LENGTHS[interval] / 2
    since = window.since.replace(minute=0, second=0, microsecond=0) - half
    until = (window.until + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    if window.until > window.since:
        since = min(since, bucket_start(window.since, interval) - half)
        until = max(until, bucket_start(window.until - timedelta(microseconds=1), interval) + half)
    return axis_time(since, zone), axis_time(until, zone)


def bucket_text(interval: Interval, frame: pd.DataFrame, partial_style: str = "hatched") -> str:
    """The interval of a chart, and the meaning of its hatched or dashed buckets, for its subtitle."""
    cut = set(frame["note"]) - {""} if len(frame) else set()
    how = [SO_FAR] if SO_FAR in cut else []
    how += ["partial"] if cut - {SO_FAR} else []
    return f"per {interval}" + (f" · {partial_style}: {' or '.join(how)}" if how else "")


def bucket_zone(interval: Interval, zone: ZoneInfo) -> ZoneInfo:
    """The time zone of an axis: UTC for days and weeks, which are stored in UTC; the viewer's for hours."""
    return zone if interval is Interval.HOUR else UTC


@dataclass(frozen=True)
class LocalWeek:
    """Hours of the week in the time zone `zone`."""

    frame: pd.DataFrame
    zone: str


@dataclass(frozen=True)
class ViewerClock:
    """The viewer's time zone as whole hours ahead of UTC; UTC if it has no such constant offset."""

    hours: int
    zone: str


def clock_shift(zone: ZoneInfo, window: Window) -> ViewerClock:
    """The offset of `zone` in the window; UTC if the offset changes within it (daylight saving time): hours of the day
    are stored in UTC, and one shift would be wrong for a part of them."""
    periods = offset_periods(window, zone)
    hours = periods[0].offset_hours if len(periods) == 1 else None
    return ViewerClock(0, "UTC") if hours is None else ViewerClock(hours, str(zone))


def local_week(cells: Sequence[HourCell] | None, utc: Sequence[HourCell], zone: ZoneInfo) -> LocalWeek:
    """`cells`: the hours in `zone`; if None, the hours in UTC are used and labelled so."""
    if cells is None:
        return LocalWeek(heatmap(utc, in_utc=True), "UTC")
    return LocalWeek(heatmap(cells, 0, str(zone)), str(zone))


def heatmap(cells: Sequence[HourCell], shift: int = 0, zone: str = "UTC", *, in_utc: bool = False) -> pd.DataFrame:
    """`shift`: the hours by which the time zone `zone` is ahead of UTC. `in_utc`: the hours are in UTC although the
    viewer's time zone is another one. `query` selects the runs of a cell on the Runs page."""
    rows = []
    for cell in cells:
        weekday, hour = divmod((cell.weekday * 24 + cell.hour + shift) % 168, 24)
        label = f"{_WEEKDAYS[weekday]} {hour:02d}:00 {zone}"
        label += f" ({_WEEKDAYS[cell.weekday][:3]} {cell.hour:02d}:00 UTC)" if shift else ""
        rows.append(
            {
                "weekday": weekday,
                "hour": hour,
                "rate": cell.failure_rate if cell.decided >= _MIN_SAMPLES else None,
                "hover": f"{label}: {formatting.percent(cell.failure_rate)} failed "
                f"({cell.failure} of {cell.decided} completed runs)",
                "query": f"hours={Hours(weekday, hour, in_utc).query_value}",
            }
        )
    return pd.DataFrame(rows, columns=["weekday", "hour", "rate", "hover", "query"])


def markers(regressions: Sequence[Regression], kind: str, window: Window, zone: ZoneInfo = UTC) -> pd.DataFrame:
    """Columns: at, label, tone. The regressions of one kind within the window."""
    rows = [
        {
            "at": axis_time(regression.since, zone),
            "label": f"{regression.repo} · {regression.workflow}: {regression.text} "
            f"({regression.first_run.head_sha[:7]})",
            "tone": "bad",
        }
        for regression in marked(regressions, kind, window)
    ]
    return pd.DataFrame(rows, columns=["at", "label", "tone"])


def marked(regressions: Sequence[Regression], kind: str, window: Window) -> list[Regression]:
    """The regressions that have a marker in a chart of their kind."""
    return [
        regression
        for regression in regressions
        if regression.kind == kind and window.since <= regression.since < window.until
    ]
