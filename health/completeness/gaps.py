"""Data that is known to be missing: gaps, backfills and missing run numbers, with their descriptions. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.formatting import format_day, pluralize, run_numbers_text
from db.definitions.scope import Window
from db.enums import BackfillPhase, GapState

# Below these, the speed so far does not predict the time that is left.
_MIN_ESTIMATE_SHARE, _MIN_ESTIMATE_SECONDS = 0.02, 5.0


@dataclass(frozen=True)
class Gap:
    """Data that is known to be missing. `since` and `until` delimit the affected runs by `created_at`; null: unlimited
    on that side."""

    repo: str
    kind: str
    detail: str
    since: datetime | None = None
    until: datetime | None = None


# A backfill starts slightly after the start of the requested window.
_COVERAGE_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True)
class Completeness:
    """Completeness of the data behind a metric. Every run created since `complete_since` is stored, except for `gaps`;
    null: the history of a repository is incomplete. `synced_at` is the oldest last sync."""

    complete_since: datetime | None
    synced_at: datetime | None
    gaps: tuple[Gap, ...] = ()

    def covers(self, since: datetime) -> bool:
        """Whether every run created since then is stored."""
        return self.complete_since is not None and self.complete_since <= since + _COVERAGE_TOLERANCE


@dataclass(frozen=True)
class BackfillStatus:
    """A backfill that is not verified yet, of runs created from `since` to `until`. Runs are read newest first; the
    range down to `cursor` is stored. `runs_expected` is GitHub's approximate count; null where GitHub reported none."""

    since: datetime
    until: datetime
    cursor: datetime
    phase: str
    runs_done: int
    runs_expected: int | None
    started_at: datetime

    @property
    def is_reading(self) -> bool:
        """False after all runs are read: the range is then verified against GitHub, whose search index may lag."""
        return self.phase == BackfillPhase.READING

    @property
    def progress(self) -> float:
        """The share that is read, from 0 to 1: of runs where their number is known, otherwise of time."""
        if not self.is_reading:
            return 1.0
        if self.runs_expected:
            return min(self.runs_done / self.runs_expected, 0.99)
        return min((self.until - self.cursor) / (self.until - self.since), 0.99)

    @property
    def description(self) -> str:
        until = self.cursor if self.is_reading else self.until
        period = f"history from {format_day(self.since)} to {format_day(until)}"
        if not self.is_reading:
            return f"{period} is stored and is being verified against GitHub, whose search index may lag"
        expected = f" of about {max(self.runs_expected, self.runs_done):,}" if self.runs_expected else ""
        return f"{period} is still being synced: {self.runs_done:,}{expected} runs so far"

    def gap(self, repo: str) -> Gap:
        return Gap(repo, "history", self.description, self.since, self.cursor if self.is_reading else self.until)

    def seconds_left(self, now: datetime) -> float | None:
        """Estimated from the average speed since the start, pauses included; null while there is no estimate."""
        return (
            estimate_seconds_left(self.progress, (now - self.started_at).total_seconds()) if self.is_reading else None
        )


def estimate_seconds_left(share: float, elapsed: float) -> float | None:
    """Seconds until `share` reaches 1 at the average speed of `elapsed` seconds; null while the share or the time is
    too small for an estimate."""
    return elapsed * (1 - share) / share if share >= _MIN_ESTIMATE_SHARE and elapsed >= _MIN_ESTIMATE_SECONDS else None


def time_left_text(seconds: float | None) -> str:
    """One unit, such as "about 8 min left"; empty without an estimate."""
    if seconds is None:
        return ""
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"about {round(seconds / size)} {name} left"
    return "less than a minute left"


@dataclass(frozen=True)
class RunNumberGaps:
    """Missing run numbers of one workflow: `missing_numbers` numbers in `gap_count` gaps, from `first` to `last`, of
    runs created between `created_after` and `created_before`. `state` is a GapState."""

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

    @property
    def description(self) -> str:
        if self.gap_count == 1:
            verb = "is" if self.missing_numbers == 1 else "are"
            pronoun = "it is" if self.missing_numbers == 1 else "they are"
            numbers = run_numbers_text(self.first, self.last)
            return f"{numbers} of {self.workflow} {verb} missing; {pronoun} being requested from GitHub"
        return (
            f"{pluralize(self.missing_numbers, 'run')} of {self.workflow} in {self.gap_count:,} gaps "
            f"between the numbers {self.first} and {self.last} are missing; they are being requested from GitHub"
        )

    def gap(self, repo: str) -> Gap:
        return Gap(repo, "run_numbers", self.description, self.created_after, self.created_before)


@dataclass(frozen=True)
class MissingRunNumbers:
    """One gap in the run numbers of a workflow: `first` to `last`, created between two stored runs. GitHub was asked
    for them `checks` times. `state` is a GapState."""

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
    """Finished runs, created from `since` to `until`, whose jobs are not stored yet."""

    runs: int
    since: datetime
    until: datetime

    def gap(self, repo: str) -> Gap:
        return Gap(repo, "jobs", runs_without_jobs_text(self.runs), self.since, self.until)


def runs_without_jobs_text(runs: int) -> str:
    return f"{pluralize(runs, 'run')} still without jobs: durations and costs are estimates or missing"


@dataclass(frozen=True)
class MissingData:
    """The missing data of a repository that its tables show; the sync records further gaps."""

    backfills: tuple[BackfillStatus, ...] = ()
    number_gaps: tuple[RunNumberGaps, ...] = ()
    runs_without_jobs: RunsWithoutJobs | None = None


def recorded_gaps(repo: str, rows: Iterable[dict[str, object]]) -> tuple[Gap, ...]:
    """The gaps that the sync recorded; `since` and `until` (ISO 8601) are optional. Rows of kind "jobs" are left out:
    runs without jobs are counted at every request, and a recorded count is outdated at once."""
    return tuple(
        Gap(repo, str(row["kind"]), str(row["detail"]), _parse_time(row.get("since")), _parse_time(row.get("until")))
        for row in rows
        if row["kind"] != "jobs"
    )


def _parse_time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def list_gaps(
    repo: str, error: str | None, synced_at: datetime | None, recorded: Sequence[Gap], missing: MissingData
) -> tuple[Gap, ...]:
    """The gaps of a repository, most severe first. Run numbers that GitHub does not have are no gap."""
    gaps = [Gap(repo, "error", error, since=synced_at)] if error else []
    gaps += recorded
    gaps += [numbers.gap(repo) for numbers in missing.number_gaps if numbers.is_open]
    gaps += [backfill.gap(repo) for backfill in missing.backfills]
    gaps += [missing.runs_without_jobs.gap(repo)] if missing.runs_without_jobs else []
    return tuple(gaps)


def gaps_in_window(gaps: Iterable[Gap], window: Window) -> tuple[Gap, ...]:
    """The gaps that may affect runs of the window."""
    return tuple(
        gap
        for gap in gaps
        if (gap.since is None or gap.since < window.until) and (gap.until is None or gap.until >= window.since)
    )
