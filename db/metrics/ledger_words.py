"""How the ledger is said, for people. Times are UTC."""

from datetime import datetime

from db.metrics.phrases import counted, day, numbers


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


def time_left(seconds: float | None) -> str:
    """Roughly, as nobody knows: about 8 min left. Empty while it is not known."""
    if seconds is None:
        return ""
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"about {round(seconds / size)} {name} left"
    return "less than a minute left"


def reading_line(done: int, expected: int | None, seconds: float | None) -> str:
    """History: 3,400 of about 12,000 runs read, about 8 min left."""
    about = f" of about {max(expected, done):,}" if expected else ""
    left = time_left(seconds)
    return f"History: {done:,}{about} runs read{', ' + left if left else ''}"


def advice(error: str) -> str:
    """What to do about an error that a look ended with."""
    for mark, told in _ADVICE:
        if mark in error:
            return told
    return "Nothing: it is tried again at every look. What is stored stays."


_ADVICE = (
    ("(401", "Renew the token or key of the collector, and restart it. What is stored stays."),
    ("(403", "Give the token the right to read Actions of this repository; in an organisation with single sign-on, "
             "authorise it there. What is stored stays."),
    ("(404)", "Check the name in GITHUB_REPOS, and that the token may see the repository. Where it was deleted on "
              "purpose, take it out of GITHUB_REPOS."),
    ("no organisation or user", "Check the name in GITHUB_REPOS, and that the token may see its repositories."),
    ("(451", "GitHub has closed this repository; take it out of GITHUB_REPOS."),
)  # fmt: skip
