"""Completeness of the data behind a figure, and its gaps.

How the ledger is said, for people. Times are UTC.

What is known to be complete of a repository, and what is known to be missing: the facts, and the judgement that
UI, API and doctor share. How it is said stands in ledger_words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.formatting import format_day, pluralize, run_numbers_text
from db.definitions.scope import Window
from db.enums import BackfillPhase, CompletenessState, ErrorCode, GapState


@dataclass(frozen=True)
class Gap:
    """Something known to be missing from the figures. `since` and `until` say of which runs, by created_at; null: open
    on that side."""

    repo: str
    kind: str
    detail: str
    since: datetime | None = None
    until: datetime | None = None


# A backfill reads from a time that lies a little after the start of the requested window.
_COVERAGE_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True)
class Completeness:
    """Since when every run is known (null: some repository's history is not complete), and how fresh that is."""

    complete_since: datetime | None
    synced_at: datetime | None
    gaps: tuple[Gap, ...] = ()

    def covers(self, since: datetime) -> bool:
        """True where every run created since then is known."""
        return self.complete_since is not None and self.complete_since <= since + _COVERAGE_TOLERANCE


def run_number_gaps_text(workflow: str, gaps: int, missing: int, first: int, last: int) -> str:
    if gaps == 1:
        verb = "is" if missing == 1 else "are"
        return f"{run_numbers_text(first, last)} of {workflow} {verb} missing; GitHub is being asked for them"
    return (
        f"{pluralize(missing, 'run')} of {workflow} in {gaps:,} places from number {first} to {last} are missing; "
        "GitHub is being asked for them"
    )


def backfill_text(since: datetime, until: datetime, done: int, expected: int | None, *, is_reading: bool) -> str:
    when = f"history from {format_day(since)} to {format_day(until)}"
    if not is_reading:
        return f"{when} is stored, and being compared once more with GitHub, whose search may lag"
    about = f" of about {max(expected, done):,}" if expected else ""
    return f"{when} is still being read: {done:,}{about} runs so far"


def runs_without_jobs_text(runs: int) -> str:
    return f"{pluralize(runs, 'run')} still without their jobs: their durations and costs are estimates or missing"


def time_left(seconds: float | None) -> str:
    """Roughly, as nobody knows: about 8 min left. Empty while it is not known."""
    if seconds is None:
        return ""
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"about {round(seconds / size)} {name} left"
    return "less than a minute left"


def backfill_progress_text(done: int, expected: int | None, seconds: float | None) -> str:
    """History: 3,400 of about 12,000 runs read, about 8 min left."""
    about = f" of about {max(expected, done):,}" if expected else ""
    left = time_left(seconds)
    return f"History: {done:,}{about} runs read{', ' + left if left else ''}"


def remediation(error_code: str | None) -> str:
    """What an operator can do about a failed sync, by the code that is stored with its error."""
    return _REMEDIATIONS.get(error_code or "", "Nothing: it is tried again at every look. What is stored stays.")


_REMEDIATIONS: dict[str, str] = {
    ErrorCode.UNAUTHORIZED: "Renew the token or key of the collector, and restart it. What is stored stays.",
    ErrorCode.FORBIDDEN: (
        "Give the token the right to read Actions of this repository; in an organisation with single sign-on, "
        "authorise it there. What is stored stays."
    ),
    ErrorCode.NOT_FOUND: (
        "Check the name in GITHUB_REPOS, and that the token may see the repository. Where it was deleted on "
        "purpose, take it out of GITHUB_REPOS."
    ),
    ErrorCode.OWNER_NOT_FOUND: "Check the name in GITHUB_REPOS, and that the token may see its repositories.",
    ErrorCode.BLOCKED: "GitHub has closed this repository; take it out of GITHUB_REPOS.",
}


# Of less than this nobody can say how long the rest will take.
_MIN_ESTIMATE_SHARE, _MIN_ESTIMATE_SECONDS = 0.02, 5.0
# What is known to be missing for these reasons comes by itself, with patience.
_SELF_RESOLVING_GAPS = ("jobs", "history")


@dataclass(frozen=True)
class BackfillStatus:
    """History that was asked for and is not proven yet: created from `since` to `until`, read newest first, down to
    `cursor`. `runs_expected` is what GitHub said there are, roughly; null where it did not."""

    since: datetime
    until: datetime
    cursor: datetime
    phase: str
    runs_done: int
    runs_expected: int | None
    started_at: datetime

    @property
    def is_reading(self) -> bool:
        """False: all of it was read, and is compared once more with GitHub, whose search may lag."""
        return self.phase == BackfillPhase.READING

    @property
    def progress(self) -> float:
        """How much was read, from 0 to 1: by runs where their number is known, else by time."""
        if not self.is_reading:
            return 1.0
        if self.runs_expected:
            return min(self.runs_done / self.runs_expected, 0.99)
        return min((self.until - self.cursor) / (self.until - self.since), 0.99)

    def seconds_left(self, now: datetime) -> float | None:
        """At the speed since it began, pauses included; null while that is not known."""
        return _seconds_left(self.progress, (now - self.started_at).total_seconds()) if self.is_reading else None


@dataclass(frozen=True)
class RunNumberGaps:
    """Run numbers of one workflow that were never seen, all together: so many `numbers` in so many `holes`, from
    `first` to `last`, created between `after` and `before`. `state` is one of GapState."""

    workflow: str
    state: str
    gap_count: int
    missing_numbers: int
    first: int
    last: int
    created_after: datetime
    created_before: datetime

    @property
    def is_open(self) -> bool:
        return self.state == GapState.OPEN


@dataclass(frozen=True)
class MissingRunNumbers:
    """Run numbers `first` to `last` of a workflow, created between two runs that are stored; GitHub was asked for them
    in `looks` looks."""

    workflow: str
    first: int
    last: int
    created_after: datetime
    created_before: datetime
    state: str
    checks: int

    @property
    def is_open(self) -> bool:
        return self.state == GapState.OPEN


@dataclass(frozen=True)
class RunsWithoutJobs:
    """Runs that ended and whose jobs are still to be fetched, created from `since` to `until`."""

    runs: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class LogCounts:
    """Logs that were asked for and are not there: `pending` ones are still being fetched."""

    pending: int = 0
    expired: int = 0
    missing: int = 0

    @property
    def lost(self) -> int:
        return self.expired + self.missing


@dataclass(frozen=True)
class MissingData:
    """What a repository's tables say to be missing, beside what its sync noted."""

    backfills: tuple[BackfillStatus, ...] = ()
    number_gaps: tuple[RunNumberGaps, ...] = ()
    runs_without_jobs: RunsWithoutJobs | None = None


@dataclass(frozen=True)
class RepositoryCompleteness:
    """Everything created from `complete_since` to `covered_to` is stored, but for `gaps`. `synced_at` is the last look
    at the newest runs, `relooked_deep_at` the last one through all runs of 31 days, `audited_at` the last comparison
    of run numbers. Null: not yet. `actions_missing_since`: the repository has no GitHub Actions since then; null where
    it has."""

    id: int
    repo: str
    html_url: str
    default_branch: str
    private: bool
    archived: bool
    monitored: bool
    complete_since: datetime | None
    covered_to: datetime | None
    synced_at: datetime | None
    rescanned_deep_at: datetime | None
    audited_at: datetime | None
    error: str | None
    error_code: str | None
    error_at: datetime | None
    recorded_gaps: tuple[Gap, ...]
    missing: MissingData
    runs: int
    logs: LogCounts
    actions_missing_since: datetime | None = None

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return list_gaps(self.repo, self.error, self.synced_at, self.recorded_gaps, self.missing)

    @property
    def state(self) -> CompletenessState:
        if self.error:
            return CompletenessState.FAILING
        if any(gap.kind not in _SELF_RESOLVING_GAPS for gap in self.gaps):
            return CompletenessState.GAPS
        if self.actions_missing_since:
            return CompletenessState.NO_ACTIONS
        if self.synced_at is None or self.complete_since is None or self.gaps:
            return CompletenessState.CATCHING_UP
        return CompletenessState.ARCHIVED if self.archived else CompletenessState.COMPLETE

    @property
    def is_complete(self) -> bool:
        return self.state in (CompletenessState.COMPLETE, CompletenessState.ARCHIVED, CompletenessState.NO_ACTIONS)

    @property
    def runs_without_jobs(self) -> int:
        """Runs without their jobs."""
        return self.missing.runs_without_jobs.runs if self.missing.runs_without_jobs else 0

    @property
    def runs_absent(self) -> int:
        """Run numbers that GitHub does not have: deleted there, or never made."""
        return sum(each.missing_numbers for each in self.missing.number_gaps if not each.is_open)

    @property
    def active_backfill(self) -> BackfillStatus | None:
        """The history that is being read, the newest first."""
        return next((each for each in self.missing.backfills if each.is_reading), None)


@dataclass(frozen=True)
class BackfillProgress:
    """All history that is being read, together. `expected` and `seconds_left` are null while they are not known."""

    done: int
    expected: int | None
    share: float
    seconds_left: float | None


def backfill_progress(ledgers: Iterable[RepositoryCompleteness], now: datetime) -> BackfillProgress | None:
    """Null when no history is being read."""
    listed = [each for ledger in ledgers for each in ledger.missing.backfills if each.is_reading]
    if not listed:
        return None
    sizes = [max(each.runs_expected, each.runs_done) if each.runs_expected else None for each in listed]
    known = [size for size in sizes if size is not None]
    expected = sum(known) if len(known) == len(listed) else None
    done = sum(each.runs_done for each in listed)
    share = min(done / expected, 0.99) if expected else sum(each.progress for each in listed) / len(listed)
    began = min(each.started_at for each in listed)
    return BackfillProgress(done, expected, share, _seconds_left(share, (now - began).total_seconds()))


def _seconds_left(share: float, elapsed: float) -> float | None:
    return elapsed * (1 - share) / share if share >= _MIN_ESTIMATE_SHARE and elapsed >= _MIN_ESTIMATE_SECONDS else None


def recorded_gaps(repo: str, rows: Iterable[dict[str, object]]) -> tuple[Gap, ...]:
    """What the sync wrote down; `since` and `until` (ISO 8601) may say which runs that is about. Missing jobs are
    counted when asked for instead: what was noted of them is old at once."""
    return tuple(
        Gap(repo, str(gap["kind"]), str(gap["detail"]), _parse_time(gap.get("since")), _parse_time(gap.get("until")))
        for gap in rows
        if gap["kind"] != "jobs"
    )


def list_gaps(
    repo: str, error: str | None, synced_at: datetime | None, recorded: Sequence[Gap], missing: MissingData
) -> tuple[Gap, ...]:
    """The worst first. What GitHub does not have any more is no gap."""
    found = [Gap(repo, "error", error, since=synced_at)] if error else []
    found += recorded
    found += [
        Gap(repo, "run_numbers", run_number_gaps_text(each.workflow, each.gap_count, each.missing_numbers, each.first, each.last),
            each.created_after, each.created_before)
        for each in missing.number_gaps if each.is_open
    ]  # fmt: skip
    for each in missing.backfills:
        until = each.cursor if each.is_reading else each.until
        line = backfill_text(each.since, until, each.runs_done, each.runs_expected, is_reading=each.is_reading)
        found.append(Gap(repo, "history", line, each.since, until))
    if missing.runs_without_jobs:
        rest = missing.runs_without_jobs
        found.append(Gap(repo, "jobs", runs_without_jobs_text(rest.runs), rest.since, rest.until))
    return tuple(found)


def gaps_in_window(gaps: Iterable[Gap], window: Window) -> tuple[Gap, ...]:
    """Those that can be about runs of the window."""
    return tuple(
        gap
        for gap in gaps
        if (gap.since is None or gap.since < window.until) and (gap.until is None or gap.until >= window.since)
    )


def _parse_time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
