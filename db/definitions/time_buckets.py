"""Blocks of time that roll-ups are kept for: hours, days, and blocks of 4, 16 and 64 days. A long window is covered
by few of them, whatever its length. A tile is one integer, level and number of the block, that sorts by both."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.definitions.scope import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = 0, 1
# Hours of a block, by level.
HOURS = (1, 24, 4 * 24, 16 * 24, 64 * 24)
TOP = len(HOURS) - 1
SHIFT = 32


@dataclass(frozen=True)
class Cover:
    """The tiles and what remains at the edges: together exactly the window."""

    tiles: tuple[int, ...]
    rest: tuple[Window, ...]


def tile(level: int, hour: int) -> int:
    """The block of that level that holds the hour (whole hours since 1970, UTC)."""
    return (level << SHIFT) | (hour // HOURS[level])


def day_tile(day: int) -> int:
    """`day` in whole days since 1970."""
    return tile(DAY, day * 24)


def first_hour(number: int) -> int:
    """Whole hours since 1970 at which the tile begins."""
    return (number & ((1 << SHIFT) - 1)) * HOURS[number >> SHIFT]


def level_of(number: int) -> int:
    return number >> SHIFT


def begins(number: int) -> datetime:
    return _EPOCH + timedelta(hours=first_hour(number))


def children(number: int) -> list[int]:
    """The tiles one level below, of a block of days."""
    level, hour = level_of(number), first_hour(number)
    step = HOURS[level - 1]
    return [tile(level - 1, hour + k * step) for k in range(HOURS[level] // step)]


def day_of(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(days=1)


def start_of_day(day: int) -> datetime:
    return _EPOCH + timedelta(days=day)


def hour_of_the_week(hour: int) -> int:
    """From 0 (Monday, 0 h UTC) to 167; `hour` in whole hours since 1970, which began on a Thursday."""
    return (hour + 72) % 168


def cover(window: Window, hours_from: datetime, *, top: int = TOP) -> Cover:
    """The fewest tiles of at most level `top`. Hours are kept from `hours_from` on, a start of a day: where `top` is
    HOUR, earlier times are in no tile and belong to the rest."""
    if top == HOUR and window.since < hours_from:
        early = Window(window.since, min(window.until, hours_from))
        if early == window:
            return Cover((), (window,))
        late = cover(Window(hours_from, window.until), hours_from, top=HOUR)
        return Cover(late.tiles, (early, *late.rest))
    first = _up(window.since, HOUR if window.since >= hours_from else DAY)
    last = _down(window.until, HOUR if window.until >= hours_from else DAY)
    if first >= last:
        return Cover((), (window,))
    edges = (Window(window.since, _moment(first)), Window(_moment(last), window.until))
    return Cover(tuple(_tiles(first, last, top)), tuple(edge for edge in edges if edge.since < edge.until))


def without(window: Window, hours: Collection[int]) -> tuple[list[Window], list[Window]]:
    """What is left of the window without these hours (whole hours since 1970), and what of it they are."""
    left, taken, begin = [], [], window.since
    for first, last in _stretches(sorted(hours)):
        start, end = max(_moment(first), window.since), min(_moment(last + 1), window.until)
        if start >= end:
            continue
        if start > begin:
            left.append(Window(begin, start))
        taken.append(Window(start, end))
        begin = end
    if begin < window.until:
        left.append(Window(begin, window.until))
    return left, taken


def windows_of(numbers: Sequence[int]) -> list[Window]:
    """The time that these tiles cover, adjacent ones as one window."""
    found: list[tuple[int, int]] = []
    for first, last in sorted((first_hour(each), first_hour(each) + HOURS[level_of(each)]) for each in numbers):
        if found and found[-1][1] == first:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return [Window(_moment(first), _moment(last)) for first, last in found]


def _stretches(hours: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for place in range(1, len(hours) + 1):
        if place == len(hours) or hours[place] != hours[place - 1] + 1:
            yield hours[first], hours[place - 1]
            first = place


def _tiles(first: int, last: int, top: int) -> Iterator[int]:
    hour = first
    while hour < last:
        level = HOUR
        while level < top and hour % HOURS[level + 1] == 0 and hour + HOURS[level + 1] <= last:
            level += 1
        yield tile(level, hour)
        hour += HOURS[level]


def _up(moment: datetime, level: int) -> int:
    return -(-(moment - _EPOCH) // timedelta(hours=HOURS[level])) * HOURS[level]


def _down(moment: datetime, level: int) -> int:
    return (moment - _EPOCH) // timedelta(hours=HOURS[level]) * HOURS[level]


def _moment(hour: int) -> datetime:
    return _EPOCH + timedelta(hours=hour)
