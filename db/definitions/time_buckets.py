"""Time buckets of roll-ups: hours, days, and blocks of 4, 16 and 64 days.

A few buckets cover a window of any length. The id of a bucket is one integer, with the resolution in the high bits and
the number of the bucket in the low 32 bits, so that ids sort by resolution and time.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.definitions.scope import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = 0, 1
# Hours in a bucket, by resolution.
BUCKET_HOURS = (1, 24, 4 * 24, 16 * 24, 64 * 24)
COARSEST = len(BUCKET_HOURS) - 1
RESOLUTION_SHIFT = 32
SECONDS_PER_HOUR, HOURS_PER_WEEK = 3600, 168
# 1970 began on a Thursday: its first hour is this hour of a week that begins on Monday.
EPOCH_HOUR_OF_WEEK = 72


@dataclass(frozen=True)
class Coverage:
    """Buckets and the remaining windows at the edges: together exactly the window."""

    buckets: tuple[int, ...]
    remainder: tuple[Window, ...]


def bucket_id(resolution: int, hour: int) -> int:
    """Id of the bucket at that resolution that contains the hour (hours since 1970, UTC)."""
    return (resolution << RESOLUTION_SHIFT) | (hour // BUCKET_HOURS[resolution])


def day_bucket_id(day: int) -> int:
    """Id of the bucket of a day (days since 1970)."""
    return bucket_id(DAY, day * 24)


def start_hour(bucket: int) -> int:
    """Start of the bucket in hours since 1970."""
    return (bucket & ((1 << RESOLUTION_SHIFT) - 1)) * BUCKET_HOURS[bucket >> RESOLUTION_SHIFT]


def resolution_of(bucket: int) -> int:
    return bucket >> RESOLUTION_SHIFT


def start_time(bucket: int) -> datetime:
    return _EPOCH + timedelta(hours=start_hour(bucket))


def children(bucket: int) -> list[int]:
    """Buckets of the next finer resolution in this bucket, which is at least a day."""
    resolution, hour = resolution_of(bucket), start_hour(bucket)
    step = BUCKET_HOURS[resolution - 1]
    return [bucket_id(resolution - 1, hour + k * step) for k in range(BUCKET_HOURS[resolution] // step)]


def enclosing_bucket(bucket: int, resolution: int) -> int:
    """Id of the bucket at a coarser resolution that contains this bucket."""
    return bucket_id(resolution, start_hour(bucket))


def parents(buckets: Sequence[int]) -> list[int]:
    """Distinct buckets of the next coarser resolution that contain these buckets of one resolution; ascending."""
    return sorted({enclosing_bucket(bucket, resolution_of(bucket) + 1) for bucket in buckets})


def day_of(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(days=1)


def start_of_day(day: int) -> datetime:
    return _EPOCH + timedelta(days=day)


def hour_of_week(hour: int) -> int:
    """Hour of the week from 0 (Monday 00:00 UTC) to 167; `hour` in hours since 1970."""
    return (hour + EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK


def cover_window(window: Window, hours_from: datetime, *, coarsest: int = COARSEST) -> Coverage:
    """Covers the window with the smallest number of buckets up to the resolution `coarsest`. Buckets of hours exist
    from `hours_from`, the start of a day: with `coarsest` HOUR, earlier times are part of the remainder."""
    if coarsest == HOUR and window.since < hours_from:
        early = Window(window.since, min(window.until, hours_from))
        if early == window:
            return Coverage((), (window,))
        late = cover_window(Window(hours_from, window.until), hours_from, coarsest=HOUR)
        return Coverage(late.buckets, (early, *late.remainder))
    first = _round_up(window.since, HOUR if window.since >= hours_from else DAY)
    last = _round_down(window.until, HOUR if window.until >= hours_from else DAY)
    if first >= last:
        return Coverage((), (window,))
    edges = (Window(window.since, _time_of(first)), Window(_time_of(last), window.until))
    return Coverage(tuple(_bucket_ids(first, last, coarsest)), tuple(edge for edge in edges if edge.since < edge.until))


def split(window: Window, hours: Collection[int]) -> tuple[list[Window], list[Window]]:
    """Splits the window into the parts outside and inside these hours (hours since 1970)."""
    outside, inside, begin = [], [], window.since
    for first, last in _consecutive_ranges(sorted(hours)):
        start, end = max(_time_of(first), window.since), min(_time_of(last + 1), window.until)
        if start >= end:
            continue
        if start > begin:
            outside.append(Window(begin, start))
        inside.append(Window(start, end))
        begin = end
    if begin < window.until:
        outside.append(Window(begin, window.until))
    return outside, inside


def windows_of(buckets: Sequence[int]) -> list[Window]:
    """Windows that these buckets cover; adjacent buckets are one window."""
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(
        (start_hour(bucket), start_hour(bucket) + BUCKET_HOURS[resolution_of(bucket)]) for bucket in buckets
    ):
        if ranges and ranges[-1][1] == first:
            ranges[-1] = ranges[-1][0], last
        else:
            ranges.append((first, last))
    return [Window(_time_of(first), _time_of(last)) for first, last in ranges]


def _consecutive_ranges(hours: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for index in range(1, len(hours) + 1):
        if index == len(hours) or hours[index] != hours[index - 1] + 1:
            yield hours[first], hours[index - 1]
            first = index


def _bucket_ids(first: int, last: int, coarsest: int) -> Iterator[int]:
    hour = first
    while hour < last:
        resolution = HOUR
        while resolution < coarsest:
            hours = BUCKET_HOURS[resolution + 1]
            if hour % hours or hour + hours > last:
                break
            resolution += 1
        yield bucket_id(resolution, hour)
        hour += BUCKET_HOURS[resolution]


def _round_up(moment: datetime, resolution: int) -> int:
    return -(-(moment - _EPOCH) // timedelta(hours=BUCKET_HOURS[resolution])) * BUCKET_HOURS[resolution]


def _round_down(moment: datetime, resolution: int) -> int:
    return (moment - _EPOCH) // timedelta(hours=BUCKET_HOURS[resolution]) * BUCKET_HOURS[resolution]


def _time_of(hour: int) -> datetime:
    return _EPOCH + timedelta(hours=hour)
