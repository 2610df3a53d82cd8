"""The ledger of one repository, line by line: what is stored, what is missing, and what to do about it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.metrics import units
from db.metrics.completeness import Gap
from db.metrics.ledger import History, MissingNumbers, NumberHoles, RepositoryLedger, Unfilled
from db.metrics.ledger_words import advice, history_line, time_left
from db.metrics.phrases import counted, day, minute, numbers, span
from db.metrics.verdict import Tone

# Places with missing run numbers that are named one by one.
NAMED = 12
_ASKED_AGAIN = "Nothing: GitHub's lists can lag. It is asked again for seven hours; what is not there then was deleted."


@dataclass(frozen=True)
class Entry:
    """`todo` is what a person can do about it; empty where there is nothing to say."""

    tone: Tone
    text: str
    todo: str = ""


def entries(ledger: RepositoryLedger, missing: Sequence[MissingNumbers], now: datetime) -> list[Entry]:
    """The ledger of one repository. `missing` are its missing run numbers, or the first of them."""
    return [
        *_covered(ledger),
        *_error(ledger, now),
        *(_noted(gap) for gap in ledger.noted),
        *_numbers(missing, ledger.missing.holes, still_open=True),
        *(_reading(each, now) for each in ledger.missing.histories),
        *_unfilled(ledger.missing.unfilled),
        *_logs(ledger),
        *_numbers(missing, ledger.missing.holes, still_open=False),
    ]


def _covered(ledger: RepositoryLedger) -> Iterator[Entry]:
    if ledger.actions_missing_since:
        since = minute(ledger.actions_missing_since)
        text = f"There are no GitHub Actions in this repository (as of {since} UTC): nothing to collect."
        yield Entry(Tone.NOTE, text, "Nothing: once it has Actions, collection begins by itself.")
        if ledger.complete_since is None:
            return
    if ledger.complete_since is None or ledger.synced_at is None:
        known = f" {counted(ledger.runs, 'run')} so far." if ledger.runs else ""
        todo = "" if ledger.error else "Nothing: the collector does it next."
        yield Entry(Tone.BUSY, f"The first look through its runs is not over.{known}", todo)
        return
    but = ", but for what follows" if ledger.gaps else ""
    yield Entry(
        Tone.GOOD,
        f"Every run created since {day(ledger.complete_since)} is stored{but}: {counted(ledger.runs, 'run')} in all, "
        f"as of the last look on {minute(ledger.synced_at)} UTC.",
    )


def _error(ledger: RepositoryLedger, now: datetime) -> Iterator[Entry]:
    if ledger.error:
        ago = f", {units.relative((now - ledger.error_at).total_seconds())}," if ledger.error_at else ""
        yield Entry(Tone.BAD, f"The last look{ago} failed: {ledger.error}", advice(ledger.error))


def _noted(gap: Gap) -> Entry:
    told = {
        "capped": ("", "GitHub lists no more of them to anybody. Webhooks bring such runs as they happen."),
        "unreadable": ("GitHub's answer about a run could not be used: ",
                       "Nothing: it is read again with the next full look. Where it stays, update this program."),
        "job_lists": ("", "Nothing: GitHub is asked again for 15 minutes after the run's end, then after 1 h, 6 h and "
                      "a day. The page of the run on GitHub shows whether the jobs exist."),
    }  # fmt: skip
    before, todo = told.get(gap.kind, ("", ""))
    text = f"{before}{gap.detail}"
    return Entry(Tone.BAD, f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}", todo)


def _numbers(missing: Sequence[MissingNumbers], holes: Sequence[NumberHoles], *, still_open: bool) -> Iterator[Entry]:
    named = [each for each in missing if each.open == still_open][:NAMED]
    known = [each for each in holes if each.open == still_open]
    tone, todo = (Tone.BAD, _ASKED_AGAIN) if still_open else (Tone.NOTE, "")
    for each in named:
        what, when = numbers(each.first, each.last).capitalize(), span(each.after, each.before)
        state = "missing" if still_open else "not on GitHub any more"
        verb = "is" if each.first == each.last else "are"
        asked = f"asked {counted(each.looks, 'time')}"
        yield Entry(tone, f"{what} of {each.workflow} between {when} {verb} {state} ({asked}).", todo)
    left = sum(each.holes for each in known) - len(named)
    if left > 0:
        places, total = counted(left, "more place", "more places"), sum(each.numbers for each in known)
        yield Entry(tone, f"And in {places}: {counted(total, 'run number')} in all.")


def _reading(history: History, now: datetime) -> Entry:
    until = history.cursor if history.reading else history.until
    line = history_line(history.since, until, history.runs_done, history.runs_expected, reading=history.reading)
    left = time_left(history.seconds_left(now))
    todo = "Nothing: it goes on by itself, also after a restart." if history.reading else ""
    return Entry(Tone.BUSY, f"{line[:1].upper()}{line[1:]}{', ' + left if left else ''}.", todo)


def _unfilled(rest: Unfilled | None) -> Iterator[Entry]:
    if rest:
        lack = "its jobs: its duration and cost are" if rest.runs == 1 else "their jobs: durations and costs are"
        when = f"created on {day(rest.since)}" if rest.since.date() == rest.until.date() else (
            f"created from {day(rest.since)} to {day(rest.until)}")  # fmt: skip
        yield Entry(Tone.BUSY, f"{counted(rest.runs, 'run')}, {when}, still without {lack} estimates or missing.",
                    "Nothing: jobs are fetched as fast as the rate limit allows, failed runs first.")  # fmt: skip


def _logs(ledger: RepositoryLedger) -> Iterator[Entry]:
    logs = ledger.logs
    if logs.pending:
        yield Entry(Tone.BUSY, f"{counted(logs.pending, 'log')} still being fetched.")
    if logs.expired:
        yield Entry(Tone.NOTE, f"GitHub had deleted {counted(logs.expired, 'log')} before they were read.",
                    "GitHub keeps logs for 90 days, or as long as the organisation says.")  # fmt: skip
    if logs.missing:
        yield Entry(Tone.NOTE, f"GitHub has no log of {counted(logs.missing, 'job')}.",
                    "Some cancelled jobs have none. Asking for one on the page of its run tries it again.")  # fmt: skip
