"""Blocks of time that roll-ups are kept for: hours, days, and blocks of 4, 16 and 64 days. A long window is covered
by few of them, whatever its length. A tile is one integer, level and number of the block, that sorts by both."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.definitions.scope import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = 0, 1
# Hours of a block, by level.
BUCKET_HOURS = (1, 24, 4 * 24, 16 * 24, 64 * 24)
COARSEST = len(BUCKET_HOURS) - 1
RESOLUTION_SHIFT = 32
SECONDS_PER_HOUR, HOURS_PER_WEEK = 3600, 168
# 1970 began on a Thursday: its first hour is this hour of a week that begins on Monday.
EPOCH_HOUR_OF_WEEK = 72


@dataclass(frozen=True)
class Coverage:
    """The tiles and what remains at the edges: together exactly the window."""

    buckets: tuple[int, ...]
    remainder: tuple[Window, ...]


def bucket_id(resolution: int, hour: int) -> int:
    """The block of that level that holds the hour (whole hours since 1970, UTC)."""
    return (resolution << RESOLUTION_SHIFT) | (hour // BUCKET_HOURS[resolution])


def day_bucket_id(day: int) -> int:
    """`day` in whole days since 1970."""
    return bucket_id(DAY, day * 24)


def start_hour(bucket: int) -> int:
    """Whole hours since 1970 at which the tile begins."""
    return (bucket & ((1 << RESOLUTION_SHIFT) - 1)) * BUCKET_HOURS[bucket >> RESOLUTION_SHIFT]


def resolution_of(bucket: int) -> int:
    return bucket >> RESOLUTION_SHIFT


def start_time(bucket: int) -> datetime:
    return _EPOCH + timedelta(hours=start_hour(bucket))


def children(bucket: int) -> list[int]:
    """The tiles one level below, of a block of days."""
    level, hour = resolution_of(bucket), start_hour(bucket)
    step = BUCKET_HOURS[level - 1]
    return [bucket_id(level - 1, hour + k * step) for k in range(BUCKET_HOURS[level] // step)]


def enclosing_bucket(bucket: int, resolution: int) -> int:
    """The bucket of a coarser resolution that holds this one."""
    return bucket_id(resolution, start_hour(bucket))


def parents(buckets: Sequence[int]) -> list[int]:
    """The buckets one resolution above, of buckets of one resolution; ascending, each once."""
    return sorted({enclosing_bucket(bucket, resolution_of(bucket) + 1) for bucket in buckets})


def day_of(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(days=1)


def start_of_day(day: int) -> datetime:
    return _EPOCH + timedelta(days=day)


def hour_of_week(hour: int) -> int:
    """From 0 (Monday, 0 h UTC) to 167; `hour` in whole hours since 1970."""
    return (hour + EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK


def cover_window(window: Window, hours_from: datetime, *, coarsest: int = COARSEST) -> Coverage:
    """The fewest tiles of at most level `top`. Hours are kept from `hours_from` on, a start of a day: where `top` is
    HOUR, earlier times are in no tile and belong to the rest."""
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
    """What is left of the window without these hours (whole hours since 1970), and what of it they are."""
    left, taken, begin = [], [], window.since
    for first, last in _consecutive_ranges(sorted(hours)):
        start, end = max(_time_of(first), window.since), min(_time_of(last + 1), window.until)
        if start >= end:
            continue
        if start > begin:
            left.append(Window(begin, start))
        taken.append(Window(start, end))
        begin = end
    if begin < window.until:
        left.append(Window(begin, window.until))
    return left, taken


def windows_of(buckets: Sequence[int]) -> list[Window]:
    """The time that these tiles cover, adjacent ones as one window."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(
        (start_hour(each), start_hour(each) + BUCKET_HOURS[resolution_of(each)]) for each in buckets
    ):
        if found and found[-1][1] == first:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return [Window(_time_of(first), _time_of(last)) for first, last in found]


def _consecutive_ranges(hours: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for place in range(1, len(hours) + 1):
        if place == len(hours) or hours[place] != hours[place - 1] + 1:
            yield hours[first], hours[place - 1]
            first = place


def _bucket_ids(first: int, last: int, top: int) -> Iterator[int]:
    hour = first
    while hour < last:
        level = HOUR
        while level < top and hour % BUCKET_HOURS[level + 1] == 0 and hour + BUCKET_HOURS[level + 1] <= last:
            level += 1
        yield bucket_id(level, hour)
        hour += BUCKET_HOURS[level]


def _round_up(moment: datetime, level: int) -> int:
    return -(-(moment - _EPOCH) // timedelta(hours=BUCKET_HOURS[level])) * BUCKET_HOURS[level]


def _round_down(moment: datetime, level: int) -> int:
    return (moment - _EPOCH) // timedelta(hours=BUCKET_HOURS[level]) * BUCKET_HOURS[level]


def _time_of(hour: int) -> datetime:
    return _EPOCH + timedelta(hours=hour)
