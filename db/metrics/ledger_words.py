"""How the ledger is said, for people. Times are UTC."""

from datetime import datetime


def day(moment: datetime) -> str:
    """24 Oct 2026."""
    return f"{moment.day} {moment:%b %Y}"


def minute(moment: datetime) -> str:
    """3 Nov 10:02."""
    return f"{moment.day} {moment:%b %H:%M}"


def span(since: datetime, until: datetime) -> str:
    """3 Nov 10:02 and 10:40; of two days, both are named."""
    end = f"{until:%H:%M}" if since.date() == until.date() else minute(until)
    return f"{minute(since)} and {end}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 run, 2 runs, 1,200 runs."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def numbers(first: int, last: int) -> str:
    return f"run number {first}" if first == last else f"run numbers {first}–{last}"


def holes_line(workflow: str, holes: int, missing: int, first: int, last: int) -> str:
    if holes == 1:
        verb = "is" if missing == 1 else "are"
        return f"{numbers(first, last)} of {workflow} {verb} missing; GitHub is being asked for them"
    return (
        f"{counted(missing, 'run')} of {workflow} in {holes:,} places from number {first} to {last} are missing; "
        "GitHub is being asked for them"
    )


def history_line(since: datetime, until: datetime, done: int, expected: int | None, *, reading: bool) -> str:
    when = f"history from {day(since)} to {day(until)}"
    if not reading:
        return f"{when} is stored, and being compared once more with GitHub, whose search may lag"
    about = f" of about {max(expected, done):,}" if expected else ""
    return f"{when} is still being read: {done:,}{about} runs so far"


def unfilled_line(runs: int) -> str:
    return f"{counted(runs, 'run')} still without their jobs: their durations and costs are estimates or missing"
