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
from core.formatting import format_day, format_minute, format_time, format_time_span, pluralize, run_numbers_text
from db.enums import CompletenessState, GapKind
from health.completeness.gaps import (
    BackfillProgress,
    BackfillStatus,
    Gap,
    LogCounts,
    MissingRunNumbers,
    RepositoryCompleteness,
    RunNumberGaps,
    RunsWithoutJobs,
    backfill_progress,
    backfill_progress_text,
    backfill_text,
    remediation,
    time_left,
)


class Tone(StrEnum):
    """NOTE is for what is no fault and will not change."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    NOTE = "note"


@dataclass(frozen=True)
class CompletenessStatus:
    tone: Tone
    headline: str
    detail: str = ""


def completeness_status(
    ledgers: Sequence[RepositoryCompleteness], unresolved: int, now: datetime, *, is_stale: bool = False,
    stopped_at: datetime | None = None,
) -> CompletenessStatus:  # fmt: skip
    """`unread` names of GITHUB_REPOS led to no repository; `silent`: no collector is at work, since `stopped_at` where
    it ended in order."""
    total = len(ledgers) + unresolved
    if not total:
        return CompletenessStatus(
            Tone.NOTE, "Nothing is monitored yet", "Set GITHUB_REPOS=owner/name and start the collector."
        )
    complete = [each for each in ledgers if each.is_complete]
    if len(complete) == total:
        return _all_complete_status(complete, now, is_stale, stopped_at)
    failing = unresolved + sum(each.state == CompletenessState.FAILING for each in ledgers)
    gaps = sum(each.state == CompletenessState.GAPS for each in ledgers)
    busy = total - len(complete) - failing - gaps
    parts = _counts_text(total, ((failing, "cannot be read"), (gaps, "has gaps|have gaps"),
                           (busy, "is catching up|are catching up")))  # fmt: skip
    more = [_backfill_text(ledgers, now)] if busy else []
    if complete:
        rest = _since_text(complete)
        more.append(
            f"Everything of the other {pluralize(len(complete), 'repository', 'repositories')}{rest} is complete."
        )
    tone = Tone.BAD if failing or gaps or is_stale else Tone.BUSY
    return CompletenessStatus(
        tone, parts, " ".join(filter(None, [*more, _last_sync_text(ledgers, now, is_stale, stopped_at)]))
    )


def _all_complete_status(
    complete: Sequence[RepositoryCompleteness], now: datetime, silent: bool, stopped_at: datetime | None
) -> CompletenessStatus:
    looked = min((each.synced_at for each in complete if each.synced_at), default=now)
    if silent:
        return CompletenessStatus(
            Tone.BAD,
            f"Everything{_since_text(complete)} is complete up to {format_minute(looked)} UTC",
            f"Nothing was looked at since, {formatting.relative((now - looked).total_seconds())}: "
            f"the collector {_stopped_text(stopped_at, now)}.",
        )
    ago = formatting.relative((now - looked).total_seconds())
    deep = min((each.rescanned_deep_at or each.synced_at or now for each in complete), default=now)
    return CompletenessStatus(
        Tone.GOOD,
        f"Everything{_since_text(complete)} is complete, last look {ago}",
        f"Re-runs and late changes of the last 31 days were looked for {formatting.relative((now - deep).total_seconds())}.",
    )


def _since_text(ledgers: Sequence[RepositoryCompleteness]) -> str:
    latest = max((each.complete_since for each in ledgers if each.complete_since), default=None)
    return f" since {format_day(latest)}" if latest else ""


def _counts_text(total: int, found: Sequence[tuple[int, str]]) -> str:
    """1 of 41 repositories cannot be read, 3 have gaps."""
    said: list[str] = []
    for number, verbs in found:
        one, _, many = verbs.partition("|")
        verb = one if number == 1 or not many else many
        if number:
            of_all = (
                f"{number:,} of {pluralize(total, 'repository', 'repositories')}" if total > 1 else "The repository"
            )
            said.append(f"{number:,} {verb}" if said else f"{of_all} {verb}")
    return ", ".join(said)


def _backfill_text(ledgers: Sequence[RepositoryCompleteness], now: datetime) -> str:
    found = backfill_progress(ledgers, now)
    if found is None:
        return ""
    return f"{backfill_progress_text(found.done, found.expected, found.seconds_left)}."


def _stopped_text(stopped_at: datetime | None, now: datetime) -> str:
    return f"stopped at {format_time(stopped_at, now)}" if stopped_at else "is not running"


def _last_sync_text(
    ledgers: Sequence[RepositoryCompleteness], now: datetime, silent: bool, stopped_at: datetime | None
) -> str:
    if silent:
        return f"The collector {_stopped_text(stopped_at, now)}."
    looked = max((each.synced_at for each in ledgers if each.synced_at), default=None)
    return f"Last look {formatting.relative((now - looked).total_seconds())}." if looked else ""


_STATE_ORDER = (CompletenessState.FAILING, CompletenessState.GAPS, CompletenessState.CATCHING_UP)


@dataclass(frozen=True)
class CompletenessTotals:
    """Every state and every kind of gap is there, with 0 where there is none. `unread` names of GITHUB_REPOS led to no
    repository; each is a gap, too. `numbers_missing` are run numbers that GitHub is still asked for."""

    states: Mapping[CompletenessState, int]
    gaps: Mapping[GapKind, int]
    unresolved: int
    runs: int
    runs_without_jobs: int
    run_numbers_missing: int
    run_numbers_absent: int
    logs: LogCounts
    backfill: BackfillProgress | None


def completeness_totals(
    ledgers: Sequence[RepositoryCompleteness], unresolved: int, now: datetime
) -> CompletenessTotals:
    states = Counter(ledger.state for ledger in ledgers)
    gaps = Counter(gap.kind for ledger in ledgers for gap in ledger.gaps)
    gaps[GapKind.UNREADABLE] += unresolved
    return CompletenessTotals(
        states={state: states[state] for state in CompletenessState},
        gaps={kind: gaps[kind] for kind in GapKind},
        unresolved=unresolved,
        runs=sum(ledger.runs for ledger in ledgers),
        runs_without_jobs=sum(ledger.runs_without_jobs for ledger in ledgers),
        run_numbers_missing=sum(
            each.missing_numbers for ledger in ledgers for each in ledger.missing.number_gaps if each.is_open
        ),
        run_numbers_absent=sum(ledger.runs_absent for ledger in ledgers),
        logs=LogCounts(
            pending=sum(ledger.logs.pending for ledger in ledgers),
            expired=sum(ledger.logs.expired for ledger in ledgers),
            missing=sum(ledger.logs.missing for ledger in ledgers),
        ),
        backfill=backfill_progress(ledgers, now),
    )


def incomplete_repositories(ledgers: Iterable[RepositoryCompleteness]) -> list[RepositoryCompleteness]:
    """Those that are not complete: what cannot be read first, then what has gaps (most first), then the rest."""
    listed = [ledger for ledger in ledgers if not ledger.is_complete]
    return sorted(listed, key=lambda each: (_STATE_ORDER.index(each.state), -len(each.gaps), each.repo.lower()))


# Places with missing run numbers that are named one by one.
MAX_LISTED_GAPS = 12
_RECHECK_TEXT = (
    "Nothing: GitHub's lists can lag. It is asked again for seven hours; what is not there then was deleted."
)


@dataclass(frozen=True)
class CompletenessEntry:
    """`todo` is what a person can do about it; empty where there is nothing to say."""

    tone: Tone
    text: str
    remedy: str = ""


def completeness_entries(
    ledger: RepositoryCompleteness, missing: Sequence[MissingRunNumbers], now: datetime
) -> list[CompletenessEntry]:
    """The ledger of one repository. `missing` are its missing run numbers, or the first of them."""
    return [
        *_coverage_entries(ledger),
        *_error_entries(ledger, now),
        *(_recorded_gap_entry(gap) for gap in ledger.recorded_gaps),
        *_run_number_entries(missing, ledger.missing.number_gaps, still_open=True),
        *(_backfill_entry(each, now) for each in ledger.missing.backfills),
        *_runs_without_jobs_entries(ledger.missing.runs_without_jobs),
        *_log_entries(ledger),
        *_run_number_entries(missing, ledger.missing.number_gaps, still_open=False),
    ]


def _coverage_entries(ledger: RepositoryCompleteness) -> Iterator[CompletenessEntry]:
    if ledger.actions_missing_since:
        since = format_minute(ledger.actions_missing_since)
        text = f"There are no GitHub Actions in this repository (as of {since} UTC): nothing to collect."
        yield CompletenessEntry(Tone.NOTE, text, "Nothing: once it has Actions, collection begins by itself.")
        if ledger.complete_since is None:
            return
    if ledger.complete_since is None or ledger.synced_at is None:
        known = f" {pluralize(ledger.runs, 'run')} so far." if ledger.runs else ""
        todo = "" if ledger.error else "Nothing: the collector does it next."
        yield CompletenessEntry(Tone.BUSY, f"The first look through its runs is not over.{known}", todo)
        return
    but = ", but for what follows" if ledger.gaps else ""
    yield CompletenessEntry(
        Tone.GOOD,
        f"Every run created since {format_day(ledger.complete_since)} is stored{but}: {pluralize(ledger.runs, 'run')} in all, "
        f"as of the last look on {format_minute(ledger.synced_at)} UTC.",
    )


def _error_entries(ledger: RepositoryCompleteness, now: datetime) -> Iterator[CompletenessEntry]:
    if ledger.error:
        ago = f", {formatting.relative((now - ledger.error_at).total_seconds())}," if ledger.error_at else ""
        yield CompletenessEntry(Tone.BAD, f"The last look{ago} failed: {ledger.error}", remediation(ledger.error_code))


def _recorded_gap_entry(gap: Gap) -> CompletenessEntry:
    told = {
        "capped": ("", "GitHub lists no more of them to anybody. Webhooks bring such runs as they happen."),
        "unreadable": ("GitHub's answer about a run could not be used: ",
                       "Nothing: it is read again with the next full look. Where it stays, update this program."),
        "job_lists": ("", "Nothing: GitHub is asked again for 15 minutes after the run's end, then after 1 h, 6 h and "
                      "a day. The page of the run on GitHub shows whether the jobs exist."),
    }  # fmt: skip
    before, todo = told.get(gap.kind, ("", ""))
    text = f"{before}{gap.detail}"
    return CompletenessEntry(Tone.BAD, f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}", todo)


def _run_number_entries(
    missing: Sequence[MissingRunNumbers], holes: Sequence[RunNumberGaps], *, still_open: bool
) -> Iterator[CompletenessEntry]:
    named = [each for each in missing if each.is_open == still_open][:MAX_LISTED_GAPS]
    known = [each for each in holes if each.is_open == still_open]
    tone, todo = (Tone.BAD, _RECHECK_TEXT) if still_open else (Tone.NOTE, "")
    for each in named:
        what, when = (
            run_numbers_text(each.first, each.last).capitalize(),
            format_time_span(each.created_after, each.created_before),
        )
        state = "missing" if still_open else "not on GitHub any more"
        verb = "is" if each.first == each.last else "are"
        asked = f"asked {pluralize(each.checks, 'time')}"
        yield CompletenessEntry(tone, f"{what} of {each.workflow} between {when} {verb} {state} ({asked}).", todo)
    left = sum(each.gap_count for each in known) - len(named)
    if left > 0:
        places, total = pluralize(left, "more place", "more places"), sum(each.missing_numbers for each in known)
        yield CompletenessEntry(tone, f"And in {places}: {pluralize(total, 'run number')} in all.")


def _backfill_entry(history: BackfillStatus, now: datetime) -> CompletenessEntry:
    until = history.cursor if history.is_reading else history.until
    line = backfill_text(history.since, until, history.runs_done, history.runs_expected, is_reading=history.is_reading)
    left = time_left(history.seconds_left(now))
    todo = "Nothing: it goes on by itself, also after a restart." if history.is_reading else ""
    return CompletenessEntry(Tone.BUSY, f"{line[:1].upper()}{line[1:]}{', ' + left if left else ''}.", todo)


def _runs_without_jobs_entries(rest: RunsWithoutJobs | None) -> Iterator[CompletenessEntry]:
    if rest:
        lack = "its jobs: its duration and cost are" if rest.runs == 1 else "their jobs: durations and costs are"
        when = f"created on {format_day(rest.since)}" if rest.since.date() == rest.until.date() else (
            f"created from {format_day(rest.since)} to {format_day(rest.until)}")  # fmt: skip
        yield CompletenessEntry(Tone.BUSY, f"{pluralize(rest.runs, 'run')}, {when}, still without {lack} estimates or missing.",
                    "Nothing: jobs are fetched as fast as the rate limit allows, failed runs first.")  # fmt: skip


def _log_entries(ledger: RepositoryCompleteness) -> Iterator[CompletenessEntry]:
    logs = ledger.logs
    if logs.pending:
        yield CompletenessEntry(Tone.BUSY, f"{pluralize(logs.pending, 'log')} still being fetched.")
    if logs.expired:
        yield CompletenessEntry(Tone.NOTE, f"GitHub had deleted {pluralize(logs.expired, 'log')} before they were read.",
                    "GitHub keeps logs for 90 days, or as long as the organisation says.")  # fmt: skip
    if logs.missing:
        yield CompletenessEntry(Tone.NOTE, f"GitHub has no log of {pluralize(logs.missing, 'job')}.",
                    "Some cancelled jobs have none. Asking for one on the page of its run tries it again.")  # fmt: skip
