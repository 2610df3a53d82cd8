"""The completeness of repositories: the state of each, and totals over all of them. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.enums import CompletenessState, GapKind
from health.completeness.gaps import BackfillStatus, Gap, MissingData, estimate_seconds_left, list_gaps

# Gaps of these kinds close without an action.
_SELF_RESOLVING_GAPS = ("jobs", "history")


@dataclass(frozen=True)
class LogCounts:
    """Logs that are not stored, by state; `pending` logs are still being fetched."""

    pending: int = 0
    expired: int = 0
    missing: int = 0

    @property
    def lost(self) -> int:
        return self.expired + self.missing


@dataclass(frozen=True)
class RepositoryCompleteness:
    """Every run created from `complete_since` to `covered_to` is stored, except for `gaps`. `synced_at` is the last
    sync, `rescanned_deep_at` the last rescan of 31 days, `audited_at` the last check of run numbers; null: not yet.
    `actions_missing_since`: when the repository was first found without GitHub Actions; null where it has them."""

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
        return self.missing.runs_without_jobs.runs if self.missing.runs_without_jobs else 0

    @property
    def runs_absent(self) -> int:
        """Run numbers that GitHub does not have: deleted, or never used."""
        return sum(numbers.missing_numbers for numbers in self.missing.number_gaps if not numbers.is_open)

    @property
    def active_backfill(self) -> BackfillStatus | None:
        """The backfill of the newest runs that is being read."""
        return next((backfill for backfill in self.missing.backfills if backfill.is_reading), None)


@dataclass(frozen=True)
class BackfillProgress:
    """The total of the backfills that are being read. `share` is from 0 to 1; `expected` and `seconds_left` are null
    while they are unknown."""

    done: int
    expected: int | None
    share: float
    seconds_left: float | None


def backfill_progress(repositories: Iterable[RepositoryCompleteness], now: datetime) -> BackfillProgress | None:
    """The total over the repositories; null when no history is being read."""
    backfills = [
        backfill for repository in repositories for backfill in repository.missing.backfills if backfill.is_reading
    ]
    if not backfills:
        return None
    sizes = [max(backfill.runs_expected, backfill.runs_done) for backfill in backfills if backfill.runs_expected]
    expected = sum(sizes) if len(sizes) == len(backfills) else None
    done = sum(backfill.runs_done for backfill in backfills)
    share = (
        min(done / expected, 0.99) if expected else sum(backfill.progress for backfill in backfills) / len(backfills)
    )
    started_at = min(backfill.started_at for backfill in backfills)
    return BackfillProgress(done, expected, share, estimate_seconds_left(share, (now - started_at).total_seconds()))


@dataclass(frozen=True)
class CompletenessTotals:
    """Totals over repositories. `states` and `gaps` have every key, 0 where there is none. `unresolved` counts entries
    of GITHUB_REPOS that match no repository; each is a gap, too. GitHub is still asked for `run_numbers_missing`, and
    does not have `run_numbers_absent`."""

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
    repositories: Sequence[RepositoryCompleteness], unresolved: int, now: datetime
) -> CompletenessTotals:
    states = Counter(repository.state for repository in repositories)
    gaps = Counter(gap.kind for repository in repositories for gap in repository.gaps)
    gaps[GapKind.UNREADABLE] += unresolved
    number_gaps = [numbers for repository in repositories for numbers in repository.missing.number_gaps]
    return CompletenessTotals(
        states={state: states[state] for state in CompletenessState},
        gaps={kind: gaps[kind] for kind in GapKind},
        unresolved=unresolved,
        runs=sum(repository.runs for repository in repositories),
        runs_without_jobs=sum(repository.runs_without_jobs for repository in repositories),
        run_numbers_missing=sum(numbers.missing_numbers for numbers in number_gaps if numbers.is_open),
        run_numbers_absent=sum(repository.runs_absent for repository in repositories),
        logs=LogCounts(
            pending=sum(repository.logs.pending for repository in repositories),
            expired=sum(repository.logs.expired for repository in repositories),
            missing=sum(repository.logs.missing for repository in repositories),
        ),
        backfill=backfill_progress(repositories, now),
    )


_STATE_ORDER = (CompletenessState.FAILING, CompletenessState.GAPS, CompletenessState.CATCHING_UP)


def incomplete_repositories(repositories: Iterable[RepositoryCompleteness]) -> list[RepositoryCompleteness]:
    """The repositories that are not complete: failing ones first, then those with the most gaps, then the rest."""
    return sorted(
        (repository for repository in repositories if not repository.is_complete),
        key=lambda repository: (_STATE_ORDER.index(repository.state), -len(repository.gaps), repository.repo.lower()),
    )
