"""Completeness in sentences: of all repositories together, and of one repository with remedies. Times are UTC. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core import formatting
from core.formatting import format_day, format_minute, format_time, format_time_span, pluralize, run_numbers_text
from db.enums import CompletenessState, ErrorCode
from health.completeness.gaps import (
    BackfillStatus,
    Gap,
    MissingRunNumbers,
    RunNumberGaps,
    RunsWithoutJobs,
    runs_without_jobs_text,
    time_left_text,
)
from health.completeness.repository_completeness import RepositoryCompleteness, backfill_progress


class Tone(StrEnum):
    """NOTE marks what is permanent and no fault."""

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
    repositories: Sequence[RepositoryCompleteness],
    unresolved: int,
    now: datetime,
    *,
    is_stale: bool = False,
    stopped_at: datetime | None = None,
) -> CompletenessStatus:
    """The completeness of all repositories in a headline and a sentence or two. `unresolved` counts entries of
    GITHUB_REPOS that match no repository; `is_stale`: no collector is running, since `stopped_at` where it was shut
    down."""
    total = len(repositories) + unresolved
    if not total:
        return CompletenessStatus(
            Tone.NOTE, "Nothing is monitored yet", "Set GITHUB_REPOS=owner/name and start the collector."
        )
    complete = [repository for repository in repositories if repository.is_complete]
    if len(complete) == total:
        return _all_complete_status(complete, now, is_stale, stopped_at)
    failing = unresolved + sum(repository.state == CompletenessState.FAILING for repository in repositories)
    gaps = sum(repository.state == CompletenessState.GAPS for repository in repositories)
    catching_up = total - len(complete) - failing - gaps
    headline = _counts_text(
        total,
        (
            (failing, "cannot be synced", "cannot be synced"),
            (gaps, "has gaps", "have gaps"),
            (catching_up, "is catching up", "are catching up"),
        ),
    )
    details = [_backfill_progress_text(repositories, now)] if catching_up else []
    if complete:
        others = "repository is" if len(complete) == 1 else f"{len(complete):,} repositories are"
        details.append(f"The other {others} complete{_since_text(complete)}.")
    details.append(_last_sync_text(repositories, now, is_stale, stopped_at))
    tone = Tone.BAD if failing or gaps or is_stale else Tone.BUSY
    return CompletenessStatus(tone, headline, " ".join(filter(None, details)))


def _all_complete_status(
    repositories: Sequence[RepositoryCompleteness], now: datetime, is_stale: bool, stopped_at: datetime | None
) -> CompletenessStatus:
    synced_at = min((repository.synced_at for repository in repositories if repository.synced_at), default=now)
    last_sync = formatting.relative((now - synced_at).total_seconds())
    if is_stale:
        return CompletenessStatus(
            Tone.BAD,
            f"Data is complete{_since_text(repositories)} up to {format_minute(synced_at)} UTC",
            f"The last sync was {last_sync}: the collector {_stopped_text(stopped_at, now)}.",
        )
    rescanned_at = min((row.rescanned_deep_at or row.synced_at or now for row in repositories), default=now)
    last_rescan = formatting.relative((now - rescanned_at).total_seconds())
    return CompletenessStatus(
        Tone.GOOD,
        f"Data is complete{_since_text(repositories)}, last sync {last_sync}",
        f"Last full rescan (31 days) for re-runs and late changes: {last_rescan}.",
    )


def _since_text(repositories: Sequence[RepositoryCompleteness]) -> str:
    latest = max((repository.complete_since for repository in repositories if repository.complete_since), default=None)
    return f" since {format_day(latest)}" if latest else ""


def _counts_text(total: int, counts: Sequence[tuple[int, str, str]]) -> str:
    """For example "1 of 41 repositories cannot be synced, 3 have gaps". Each count has its verb."""
    parts: list[str] = []
    for number, singular, plural in counts:
        verb = singular if number == 1 else plural
        if number and parts:
            parts.append(f"{number:,} {verb}")
        elif number and total == 1:
            parts.append(f"The repository {verb}")
        elif number:
            parts.append(f"{number:,} of {pluralize(total, 'repository', 'repositories')} {verb}")
    return ", ".join(parts)


def _backfill_progress_text(repositories: Sequence[RepositoryCompleteness], now: datetime) -> str:
    progress = backfill_progress(repositories, now)
    if progress is None:
        return ""
    return f"{backfill_progress_text(progress.done, progress.expected, progress.seconds_left)}."


def backfill_progress_text(done: int, expected: int | None, seconds_left: float | None) -> str:
    """For example "History: 3,400 of about 12,000 runs synced, about 8 min left"."""
    about = f" of about {max(expected, done):,}" if expected else ""
    left = time_left_text(seconds_left)
    return f"History: {done:,}{about} runs synced{', ' + left if left else ''}"


def _stopped_text(stopped_at: datetime | None, now: datetime) -> str:
    return f"stopped at {format_time(stopped_at, now)}" if stopped_at else "is not running"


def _last_sync_text(
    repositories: Sequence[RepositoryCompleteness], now: datetime, is_stale: bool, stopped_at: datetime | None
) -> str:
    if is_stale:
        return f"The collector {_stopped_text(stopped_at, now)}."
    latest = max((repository.synced_at for repository in repositories if repository.synced_at), default=None)
    return f"Last sync {formatting.relative((now - latest).total_seconds())}." if latest else ""


# Gaps in run numbers that are listed one by one.
MAX_LISTED_GAPS = 12
_RECHECK_TEXT = (
    "No action needed: GitHub's lists can lag, so the runs are requested again for seven hours. Runs that are missing "
    "after that were deleted."
)


@dataclass(frozen=True)
class CompletenessEntry:
    """One line about a repository. `remedy` says what to do, or that no action is needed; empty where neither
    applies."""

    tone: Tone
    text: str
    remedy: str = ""


def completeness_entries(
    repository: RepositoryCompleteness, missing: Sequence[MissingRunNumbers], now: datetime
) -> list[CompletenessEntry]:
    """The completeness of one repository, line by line. `missing` are its missing run numbers, or the first of them."""
    return [
        *_coverage_entries(repository),
        *_error_entries(repository, now),
        *(_recorded_gap_entry(gap) for gap in repository.recorded_gaps),
        *_run_number_entries(missing, repository.missing.number_gaps, still_open=True),
        *(_backfill_entry(backfill, now) for backfill in repository.missing.backfills),
        *_runs_without_jobs_entries(repository.missing.runs_without_jobs),
        *_log_entries(repository),
        *_run_number_entries(missing, repository.missing.number_gaps, still_open=False),
    ]


def _coverage_entries(repository: RepositoryCompleteness) -> Iterator[CompletenessEntry]:
    if repository.actions_missing_since:
        since = format_minute(repository.actions_missing_since)
        text = f"This repository has no GitHub Actions (as of {since} UTC): there is nothing to collect."
        yield CompletenessEntry(Tone.NOTE, text, "No action needed: collection starts when Actions are enabled.")
        if repository.complete_since is None:
            return
    if repository.complete_since is None or repository.synced_at is None:
        stored = f" {pluralize(repository.runs, 'run')} so far." if repository.runs else ""
        remedy = "" if repository.error else "No action needed: the collector continues with it."
        yield CompletenessEntry(Tone.BUSY, f"The first sync is not finished.{stored}", remedy)
        return
    exception = ", except for the gaps below" if repository.gaps else ""
    yield CompletenessEntry(
        Tone.GOOD,
        f"Every run created since {format_day(repository.complete_since)} is stored{exception}: "
        f"{pluralize(repository.runs, 'run')} in total, "
        f"as of the last sync on {format_minute(repository.synced_at)} UTC.",
    )


def _error_entries(repository: RepositoryCompleteness, now: datetime) -> Iterator[CompletenessEntry]:
    if repository.error:
        error_at = repository.error_at
        ago = f", {formatting.relative((now - error_at).total_seconds())}," if error_at else ""
        text = f"The last sync{ago} failed: {repository.error}"
        yield CompletenessEntry(Tone.BAD, text, remediation(repository.error_code))


def remediation(error_code: str | None) -> str:
    """What an operator can do about a failed sync, by the code that is stored with its error."""
    return _REMEDIATIONS.get(error_code or "", "No action needed: every sync retries it; stored data is kept.")


_REMEDIATIONS: dict[str, str] = {
    ErrorCode.UNAUTHORIZED: "Renew the token or key of the collector, and restart it. Stored data is kept.",
    ErrorCode.FORBIDDEN: (
        "Grant the token permission to read Actions in this repository; if the organization uses single sign-on, "
        "authorize the token there. Stored data is kept."
    ),
    ErrorCode.NOT_FOUND: (
        "Check the name in GITHUB_REPOS and whether the token can access the repository. If the repository was "
        "deleted, remove it from GITHUB_REPOS."
    ),
    ErrorCode.OWNER_NOT_FOUND: "Check the name in GITHUB_REPOS and whether the token can access its repositories.",
    ErrorCode.BLOCKED: "GitHub has blocked this repository; remove it from GITHUB_REPOS.",
}


# By kind of gap: how its text begins, and the remedy.
_RECORDED_GAP_TEXTS = {
    "capped": ("", "GitHub does not list the others. Webhooks deliver such runs as they happen."),
    "unreadable": (
        "GitHub returned an invalid response about a run: ",
        "No action needed: it is requested again with the next full rescan. If the gap remains, update Pipeline "
        "Health.",
    ),
    "job_lists": (
        "",
        "No action needed: the list is requested again for 15 minutes after the run finished, then after 1 h, 6 h and "
        "one day. The run's page on GitHub shows whether the jobs exist.",
    ),
}


def _recorded_gap_entry(gap: Gap) -> CompletenessEntry:
    prefix, remedy = _RECORDED_GAP_TEXTS.get(gap.kind, ("", ""))
    text = f"{prefix}{gap.detail}"
    return CompletenessEntry(Tone.BAD, f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}", remedy)


def _run_number_entries(
    missing: Sequence[MissingRunNumbers], number_gaps: Sequence[RunNumberGaps], *, still_open: bool
) -> Iterator[CompletenessEntry]:
    listed = [numbers for numbers in missing if numbers.is_open == still_open][:MAX_LISTED_GAPS]
    totals = [numbers for numbers in number_gaps if numbers.is_open == still_open]
    tone, remedy = (Tone.BAD, _RECHECK_TEXT) if still_open else (Tone.NOTE, "")
    for numbers in listed:
        subject = run_numbers_text(numbers.first, numbers.last).capitalize()
        period = format_time_span(numbers.created_after, numbers.created_before)
        verb = "is" if numbers.first == numbers.last else "are"
        state = "missing" if still_open else "no longer on GitHub"
        checks = f"requested {pluralize(numbers.checks, 'time')}"
        yield CompletenessEntry(
            tone, f"{subject} of {numbers.workflow} between {period} {verb} {state} ({checks}).", remedy
        )
    rest = sum(numbers.gap_count for numbers in totals) - len(listed)
    if rest > 0:
        missing_numbers = sum(numbers.missing_numbers for numbers in totals)
        more = pluralize(rest, "more gap", "more gaps")
        yield CompletenessEntry(tone, f"And {more}: {pluralize(missing_numbers, 'run number')} in total.")


def _backfill_entry(backfill: BackfillStatus, now: datetime) -> CompletenessEntry:
    text = backfill.description
    left = time_left_text(backfill.seconds_left(now))
    remedy = "No action needed: it continues automatically, including after a restart." if backfill.is_reading else ""
    return CompletenessEntry(Tone.BUSY, f"{text[:1].upper()}{text[1:]}{', ' + left if left else ''}.", remedy)


def _runs_without_jobs_entries(without_jobs: RunsWithoutJobs | None) -> Iterator[CompletenessEntry]:
    if without_jobs:
        since, until = format_day(without_jobs.since), format_day(without_jobs.until)
        period = f"on {since}" if since == until else f"from {since} to {until}"
        yield CompletenessEntry(
            Tone.BUSY,
            f"{runs_without_jobs_text(without_jobs.runs)}. The runs were created {period}.",
            "No action needed: jobs are fetched as fast as the rate limit allows, failed runs first.",
        )


def _log_entries(repository: RepositoryCompleteness) -> Iterator[CompletenessEntry]:
    logs = repository.logs
    if logs.pending:
        yield CompletenessEntry(Tone.BUSY, f"{pluralize(logs.pending, 'log is', 'logs are')} still being fetched.")
    if logs.expired:
        yield CompletenessEntry(
            Tone.NOTE,
            f"GitHub deleted {pluralize(logs.expired, 'log')} that had not been fetched.",
            "GitHub keeps logs for 90 days, or for your organization's retention period.",
        )
    if logs.missing:
        yield CompletenessEntry(
            Tone.NOTE,
            f"GitHub has no log of {pluralize(logs.missing, 'job')}.",
            "Some cancelled jobs have none. To try again, request the log on the page of the run.",
        )
