"""Points over time and hours of the week as frames for charts.

Moments when something changed, for the charts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pandas as pd

from core import formatting
from db.definitions.scope import INTERVAL_LENGTHS, Window, bucket_start
from db.enums import Interval
from health.insights.regressions import Regression
from health.metrics.definitions.distribution import ratio
from health.metrics.queries.local_hours import offset_periods
from health.metrics.service import HourCell, Point

# A rate of fewer runs than this is noise: the cell stays empty.
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
    """One row a bucket, so that their sum is the figure of the whole window. `partial` marks those that the window cuts
    short, `note` says how: see `cut_note`. `before` holds the same bucket of the period before. `at` is where it stands
    on the axis, which shows the viewer's time."""
    earlier: Sequence[Point | None] = before if len(before) == len(points) else [None] * len(points)
    cuts = partial_notes(points, zone, window, now)
    rows = [
        _bucket(point, zone) | _previous_values(past) | {"partial": point.partial, "note": note}
        for point, past, note in zip(points, earlier, cuts, strict=True)
    ]
    return pd.DataFrame(rows)


class Bucket(Protocol):
    """What a point of any series has."""

    @property
    def start(self) -> datetime: ...

    @property
    def partial(self) -> bool: ...


def partial_notes(
    points: Sequence[Bucket], zone: ZoneInfo, window: Window | None = None, now: datetime | None = None
) -> list[str]:
    """Of each bucket: empty where it is whole, `so far` where it still runs, `from 30 Nov 10:19` or `until …` where the
    window begins or ends in it. Without a window the last bucket is taken to be the running one."""
    return [_partial_note(point, point is points[-1], zone, window, now) if point.partial else "" for point in points]


def _partial_note(point: Bucket, last: bool, zone: ZoneInfo, window: Window | None, now: datetime | None) -> str:
    if last and (window is None or now is None or window.until >= now):
        return SO_FAR
    if window is None:
        return "part of it"
    if point.start < window.since:
        return f"from {window.since.astimezone(zone):%d %b %H:%M} on"
    return f"until {window.until.astimezone(zone):%d %b %H:%M}"


def _bucket(point: Point, zone: ZoneInfo) -> dict[str, Any]:
    metrics = point.metrics
    return {
        "at": axis_time(point.start, zone),
        "success_rate": metrics.success_rate,
        "written": formatting.percent(metrics.success_rate),
        "decided": metrics.runs.success + metrics.runs.failure,
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
    """Where a moment stands on a time axis: in the viewer's time, which Plotly is not told."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def axis(window: Window, zone: ZoneInfo = UTC, interval: Interval = Interval.HOUR) -> tuple[str, str]:
    """The window in whole hours: a chart whose axis moved every minute would be drawn anew every time. A bar stands
    around the start of its bucket: there is room for half an `interval` around the first and the last one."""
    half = INTERVAL_LENGTHS[interval] / 2
    since = window.since.replace(minute=0, second=0, microsecond=0) - half
    until = (window.until + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    if window.until > window.since:
        since = min(since, bucket_start(window.since, interval) - half)
        until = max(until, bucket_start(window.until - timedelta(microseconds=1), interval) + half)
    return axis_time(since, zone), axis_time(until, zone)


def bucket_text(interval: Interval, frame: pd.DataFrame, partial_style: str = "hatched") -> str:
    """How a chart is divided, for its subtitle, and what its marked buckets are."""
    cut = set(frame["note"]) - {""} if len(frame) else set()
    how = [SO_FAR] if SO_FAR in cut else []
    how += ["cut off by the period"] if cut - {SO_FAR} else []
    return f"by {interval}" + (f" · {partial_style}: {' or '.join(how)}" if how else "")


def bucket_zone(interval: Interval, zone: ZoneInfo) -> ZoneInfo:
    """Days and weeks are those of UTC, wherever one looks from; hours are shown in the viewer's time."""
    return zone if interval is Interval.HOUR else UTC


@dataclass(frozen=True)
class LocalWeek:
    """The hours of a week on the viewer's clock, named by `zone`."""

    frame: pd.DataFrame
    zone: str


@dataclass(frozen=True)
class ViewerClock:
    """The viewer's: so many whole hours ahead of UTC. UTC itself where no such number holds."""

    hours: int
    zone: str


def clock_shift(zone: ZoneInfo, window: Window) -> ViewerClock:
    """UTC, too, where the viewer's clock was set within the window: hours of the day are stored by UTC, and one shift
    would be wrong for a part of them."""
    periods = offset_periods(window, zone)
    hours = periods[0].offset_hours if len(periods) == 1 else None
    return ViewerClock(0, "UTC") if hours is None else ViewerClock(hours, str(zone))


def local_week(cells: Sequence[HourCell] | None, utc: Sequence[HourCell], zone: ZoneInfo) -> LocalWeek:
    """`cells` are those of the zone; where they are not known, those of UTC are shown and named so."""
    return LocalWeek(heatmap(utc), "UTC") if cells is None else LocalWeek(heatmap(cells, 0, str(zone)), str(zone))


def heatmap(cells: Sequence[HourCell], shift: int = 0, zone: str = "UTC") -> pd.DataFrame:
    """`shift`: hours that the viewer's clock is ahead of UTC, `zone` its name."""
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
                f"({cell.failure} of {cell.decided} decided runs)",
            }
        )
    return pd.DataFrame(rows, columns=["weekday", "hour", "rate", "hover"])


def markers(regressions: Sequence[Regression], kind: str, window: Window, zone: ZoneInfo = UTC) -> pd.DataFrame:
    """Columns: at, label, tone. Of one kind, within the window."""
    rows = [
        {
            "at": axis_time(regression.since, zone),
            "label": f"{regression.workflow} of {regression.repo}: {regression.text} ({regression.first_run.head_sha[:7]})",
            "tone": "bad",
        }
        for regression in regressions
        if regression.kind == kind and window.since <= regression.since < window.until
    ]
    return pd.DataFrame(rows, columns=["at", "label", "tone"])
