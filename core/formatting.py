"""Numbers, durations and times as text, in the same form on the dashboard, in the API and in notifications.

All times are UTC. A missing value is written as NO_DATA."""

from datetime import UTC, datetime

NO_DATA = "–"


def percent(rate: float | None) -> str:
    """0.9345 → 93.5%. A rate that is not exactly 1 (or 0) never reads 100.0% (or 0.0%)."""
    if rate is None:
        return NO_DATA
    rounded = round(rate * 100, 1)
    if rounded == 100 and rate < 1:
        rounded = 99.9
    if rounded == 0 and rate > 0:
        rounded = 0.1
    return f"{rounded:.1f}%"


def duration(seconds: float | None) -> str:
    """8.4 → 8.4s, 272 → 4m 32s, 8000 → 2h 13m, 200000 → 2d 7h."""
    if seconds is None:
        return NO_DATA
    if seconds < 9.95:
        return "0s" if seconds == 0 else f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    hours = round(seconds / 3600)
    return f"{hours // 24}d {hours % 24}h"


def count(number: int) -> str:
    return f"{number:,}"


def money(usd: float) -> str:
    if 0 < usd < 0.01:
        return "<$0.01"
    return f"${usd:,.2f}" if usd < 1000 else f"${usd:,.0f}"


def minutes(seconds: float) -> str:
    """Compute time in whole minutes: 7260 → 121 min."""
    return f"{round(seconds / 60):,} min"


def size(byte_count: float | None) -> str:
    """Bytes in decimal units: 2_100_000_000 → 2.1 GB."""
    if byte_count is None:
        return NO_DATA
    for step, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if byte_count >= step * 0.9995:
            return f"{byte_count / step:.1f} {name}"
    return f"{byte_count / 1e3:.0f} kB"


def timestamp(moment: datetime | None) -> str:
    return NO_DATA if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def relative(seconds: float) -> str:
    """A rough age: 75 → 1 min ago."""
    if seconds < 5:
        return "just now"
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {name} ago"
    return f"{int(seconds)} s ago"


def iso_timestamp(moment: datetime, *, timespec: str = "auto") -> str:
    """ISO 8601 in UTC with the suffix Z. `timespec` as in datetime.isoformat: "auto" writes microseconds only where
    they are not 0, "seconds" drops them."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def format_day(moment: datetime) -> str:
    """24 Oct 2026."""
    return f"{moment.day} {moment:%b %Y}"


def format_minute(moment: datetime) -> str:
    """3 Nov 10:02."""
    return f"{moment.day} {moment:%b %H:%M}"


def format_time(moment: datetime, now: datetime) -> str:
    """10:02 UTC; on another day than `now`, 3 Nov 10:02 UTC."""
    return f"{moment:%H:%M} UTC" if moment.date() == now.date() else f"{format_minute(moment)} UTC"


def format_time_span(since: datetime, until: datetime) -> str:
    """3 Nov 10:02 and 10:40; with both days where they differ."""
    end = f"{until:%H:%M}" if since.date() == until.date() else format_minute(until)
    return f"{format_minute(since)} and {end}"


def pluralize(number: int, singular: str, plural: str | None = None) -> str:
    """1 run, 2 runs, 1,200 runs."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def run_numbers_text(first: int, last: int) -> str:
    return f"run number {first}" if first == last else f"run numbers {first}–{last}"
