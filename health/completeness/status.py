"""Is it complete? The answer in a sentence, for all repositories together. Pure.

The ledgers of all repositories together: in numbers, and those with trouble first. Pure.

The ledger of one repository, line by line: what is stored, what is missing, and what to do about it. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core import formatting
from core.formatting import at, counted, day, minute, numbers, span
from db.enums import GapKind, LedgerState
from health.completeness.gaps import (
    Gap,
    History,
    LogCounts,
    MissingNumbers,
    NumberHoles,
    Reading,
    RepositoryLedger,
    Unfilled,
    advice,
    history_line,
    reading_line,
    reading_of,
    time_left,
)


class Tone(StrEnum):
    """NOTE is for what is no fault and will not change."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    NOTE = "note"


@dataclass(frozen=True)
class Verdict:
    tone: Tone
    headline: str
    more: str = ""


def verdict(
    ledgers: Sequence[RepositoryLedger], unread: int, now: datetime, *, silent: bool = False,
    stopped_at: datetime | None = None,
) -> Verdict:  # fmt: skip
    """`unread` names of GITHUB_REPOS led to no repository; `silent`: no collector is at work, since `stopped_at` where
    it ended in order."""
    total = len(ledgers) + unread
    if not total:
        return Verdict(Tone.NOTE, "Nothing is monitored yet", "Set GITHUB_REPOS=owner/name and start the collector.")
    complete = [each for each in ledgers if each.complete]
    if len(complete) == total:
        return _all_complete(complete, now, silent, stopped_at)
    failing = unread + sum(each.state == LedgerState.FAILING for each in ledgers)
    gaps = sum(each.state == LedgerState.GAPS for each in ledgers)
    busy = total - len(complete) - failing - gaps
    parts = _parts(total, ((failing, "cannot be read"), (gaps, "has gaps|have gaps"),
                           (busy, "is catching up|are catching up")))  # fmt: skip
    more = [_history(ledgers, now)] if busy else []
    if complete:
        rest = _since(complete)
        more.append(
            f"Everything of the other {counted(len(complete), 'repository', 'repositories')}{rest} is complete."
        )
    tone = Tone.BAD if failing or gaps or silent else Tone.BUSY
    return Verdict(tone, parts, " ".join(filter(None, [*more, _looked(ledgers, now, silent, stopped_at)])))


def _all_complete(
    complete: Sequence[RepositoryLedger], now: datetime, silent: bool, stopped_at: datetime | None
) -> Verdict:
    looked = min((each.synced_at for each in complete if each.synced_at), default=now)
    if silent:
        return Verdict(
            Tone.BAD,
            f"Everything{_since(complete)} is complete up to {minute(looked)} UTC",
            f"Nothing was looked at since, {formatting.relative((now - looked).total_seconds())}: "
            f"the collector {_away(stopped_at, now)}.",
        )
    ago = formatting.relative((now - looked).total_seconds())
    deep = min((each.relooked_deep_at or each.synced_at or now for each in complete), default=now)
    return Verdict(
        Tone.GOOD,
        f"Everything{_since(complete)} is complete, last look {ago}",
        f"Re-runs and late changes of the last 31 days were looked for {formatting.relative((now - deep).total_seconds())}.",
    )


def _since(ledgers: Sequence[RepositoryLedger]) -> str:
    latest = max((each.complete_since for each in ledgers if each.complete_since), default=None)
    return f" since {day(latest)}" if latest else ""


def _parts(total: int, found: Sequence[tuple[int, str]]) -> str:
    """1 of 41 repositories cannot be read, 3 have gaps."""
    said: list[str] = []
    for number, verbs in found:
        one, _, many = verbs.partition("|")
        verb = one if number == 1 or not many else many
        if number:
            of_all = f"{number:,} of {counted(total, 'repository', 'repositories')}" if total > 1 else "The repository"
            said.append(f"{number:,} {verb}" if said else f"{of_all} {verb}")
    return ", ".join(said)


def _history(ledgers: Sequence[RepositoryLedger], now: datetime) -> str:
    found = reading_of(ledgers, now)
    if found is None:
        return ""
    return f"{reading_line(found.done, found.expected, found.seconds_left)}."


def _away(stopped_at: datetime | None, now: datetime) -> str:
    return f"stopped at {at(stopped_at, now)}" if stopped_at else "is not running"


def _looked(ledgers: Sequence[RepositoryLedger], now: datetime, silent: bool, stopped_at: datetime | None) -> str:
    if silent:
        return f"The collector {_away(stopped_at, now)}."
    looked = max((each.synced_at for each in ledgers if each.synced_at), default=None)
    return f"Last look {formatting.relative((now - looked).total_seconds())}." if looked else ""


_WORST_FIRST = (LedgerState.FAILING, LedgerState.GAPS, LedgerState.CATCHING_UP)


@dataclass(frozen=True)
class Totals:
    """Every state and every kind of gap is there, with 0 where there is none. `unread` names of GITHUB_REPOS led to no
    repository; each is a gap, too. `numbers_missing` are run numbers that GitHub is still asked for."""

    states: Mapping[LedgerState, int]
    gaps: Mapping[GapKind, int]
    unread: int
    runs: int
    jobs_missing: int
    numbers_missing: int
    numbers_absent: int
    logs: LogCounts
    reading: Reading | None


def totals(ledgers: Sequence[RepositoryLedger], unread: int, now: datetime) -> Totals:
    states = Counter(ledger.state for ledger in ledgers)
    gaps = Counter(gap.kind for ledger in ledgers for gap in ledger.gaps)
    gaps[GapKind.UNREADABLE] += unread
    return Totals(
        states={state: states[state] for state in LedgerState},
        gaps={kind: gaps[kind] for kind in GapKind},
        unread=unread,
        runs=sum(ledger.runs for ledger in ledgers),
        jobs_missing=sum(ledger.jobs_missing for ledger in ledgers),
        numbers_missing=sum(each.numbers for ledger in ledgers for each in ledger.missing.holes if each.open),
        numbers_absent=sum(ledger.runs_absent for ledger in ledgers),
        logs=LogCounts(
            pending=sum(ledger.logs.pending for ledger in ledgers),
            expired=sum(ledger.logs.expired for ledger in ledgers),
            missing=sum(ledger.logs.missing for ledger in ledgers),
        ),
        reading=reading_of(ledgers, now),
    )


def troubled(ledgers: Iterable[RepositoryLedger]) -> list[RepositoryLedger]:
    """Those that are not complete: what cannot be read first, then what has gaps (most first), then the rest."""
    listed = [ledger for ledger in ledgers if not ledger.complete]
    return sorted(listed, key=lambda each: (_WORST_FIRST.index(each.state), -len(each.gaps), each.repo.lower()))


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
        ago = f", {formatting.relative((now - ledger.error_at).total_seconds())}," if ledger.error_at else ""
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
