"""Times and counts as text. Times are UTC."""

from datetime import datetime


def day(moment: datetime) -> str:
    """24 Oct 2026."""
    return f"{moment.day} {moment:%b %Y}"


def minute(moment: datetime) -> str:
    """3 Nov 10:02."""
    return f"{moment.day} {moment:%b %H:%M}"


def at(moment: datetime, now: datetime) -> str:
    """10:02 UTC; of another day than now, 3 Nov 10:02 UTC."""
    return f"{moment:%H:%M} UTC" if moment.date() == now.date() else f"{minute(moment)} UTC"


def span(since: datetime, until: datetime) -> str:
    """3 Nov 10:02 and 10:40; of two days, both are named."""
    end = f"{until:%H:%M}" if since.date() == until.date() else minute(until)
    return f"{minute(since)} and {end}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 run, 2 runs, 1,200 runs."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def numbers(first: int, last: int) -> str:
    return f"run number {first}" if first == last else f"run numbers {first}–{last}"
