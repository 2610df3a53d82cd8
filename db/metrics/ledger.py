"""What is known to be complete of a repository, and what is known to be missing: the facts, and the judgement that
UI, API and doctor share. How it is said stands in ledger_words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.metrics.completeness import Gap
from db.metrics.ledger_words import history_line, holes_line, unfilled_line
from db.metrics.window import Window
from db.vocabulary import BackfillPhase, GapState, LedgerState

# Of less than this nobody can say how long the rest will take.
_LEAST_SHARE, _LEAST_SECONDS = 0.02, 5.0
# What is known to be missing for these reasons comes by itself, with patience.
_ON_ITS_WAY = ("jobs", "history")


@dataclass(frozen=True)
class History:
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
    def reading(self) -> bool:
        """False: all of it was read, and is compared once more with GitHub, whose search may lag."""
        return self.phase == BackfillPhase.READING

    @property
    def share(self) -> float:
        """How much was read, from 0 to 1: by runs where their number is known, else by time."""
        if not self.reading:
            return 1.0
        if self.runs_expected:
            return min(self.runs_done / self.runs_expected, 0.99)
        return min((self.until - self.cursor) / (self.until - self.since), 0.99)

    def seconds_left(self, now: datetime) -> float | None:
        """At the speed since it began, pauses included; null while that is not known."""
        return _rest(self.share, (now - self.started_at).total_seconds()) if self.reading else None


@dataclass(frozen=True)
class NumberHoles:
    """Run numbers of one workflow that were never seen, all together: so many `numbers` in so many `holes`, from
    `first` to `last`, created between `after` and `before`. `state` is one of GapState."""

    workflow: str
    state: str
    holes: int
    numbers: int
    first: int
    last: int
    after: datetime
    before: datetime

    @property
    def open(self) -> bool:
        return self.state == GapState.OPEN


@dataclass(frozen=True)
class MissingNumbers:
    """Run numbers `first` to `last` of a workflow, created between two runs that are stored; GitHub was asked for them
    in `looks` looks."""

    workflow: str
    first: int
    last: int
    after: datetime
    before: datetime
    state: str
    looks: int

    @property
    def open(self) -> bool:
        return self.state == GapState.OPEN


@dataclass(frozen=True)
class Unfilled:
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
class Missing:
    """What a repository's tables say to be missing, beside what its sync noted."""

    histories: tuple[History, ...] = ()
    holes: tuple[NumberHoles, ...] = ()
    unfilled: Unfilled | None = None


@dataclass(frozen=True)
class RepositoryLedger:
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
    relooked_deep_at: datetime | None
    audited_at: datetime | None
    error: str | None
    error_at: datetime | None
    noted: tuple[Gap, ...]
    missing: Missing
    runs: int
    logs: LogCounts
    actions_missing_since: datetime | None = None

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return known_gaps(self.repo, self.error, self.synced_at, self.noted, self.missing)

    @property
    def state(self) -> LedgerState:
        if self.error:
            return LedgerState.FAILING
        if any(gap.kind not in _ON_ITS_WAY for gap in self.gaps):
            return LedgerState.GAPS
        if self.actions_missing_since:
            return LedgerState.NO_ACTIONS
        if self.synced_at is None or self.complete_since is None or self.gaps:
            return LedgerState.CATCHING_UP
        return LedgerState.ARCHIVED if self.archived else LedgerState.COMPLETE

    @property
    def complete(self) -> bool:
        return self.state in (LedgerState.COMPLETE, LedgerState.ARCHIVED, LedgerState.NO_ACTIONS)

    @property
    def jobs_missing(self) -> int:
        """Runs without their jobs."""
        return self.missing.unfilled.runs if self.missing.unfilled else 0

    @property
    def runs_absent(self) -> int:
        """Run numbers that GitHub does not have: deleted there, or never made."""
        return sum(each.numbers for each in self.missing.holes if not each.open)

    @property
    def reading(self) -> History | None:
        """The history that is being read, the newest first."""
        return next((each for each in self.missing.histories if each.reading), None)


@dataclass(frozen=True)
class Reading:
    """All history that is being read, together. `expected` and `seconds_left` are null while they are not known."""

    done: int
    expected: int | None
    share: float
    seconds_left: float | None


def reading_of(ledgers: Iterable[RepositoryLedger], now: datetime) -> Reading | None:
    """Null when no history is being read."""
    listed = [each for ledger in ledgers for each in ledger.missing.histories if each.reading]
    if not listed:
        return None
    sizes = [max(each.runs_expected, each.runs_done) if each.runs_expected else None for each in listed]
    known = [size for size in sizes if size is not None]
    expected = sum(known) if len(known) == len(listed) else None
    done = sum(each.runs_done for each in listed)
    share = min(done / expected, 0.99) if expected else sum(each.share for each in listed) / len(listed)
    began = min(each.started_at for each in listed)
    return Reading(done, expected, share, _rest(share, (now - began).total_seconds()))


def _rest(share: float, elapsed: float) -> float | None:
    return elapsed * (1 - share) / share if share >= _LEAST_SHARE and elapsed >= _LEAST_SECONDS else None


def noted_gaps(repo: str, stored: Iterable[dict[str, object]]) -> tuple[Gap, ...]:
    """What the sync wrote down; `since` and `until` (ISO 8601) may say which runs that is about. Missing jobs are
    counted when asked for instead: what was noted of them is old at once."""
    return tuple(
        Gap(repo, str(gap["kind"]), str(gap["detail"]), _moment(gap.get("since")), _moment(gap.get("until")))
        for gap in stored
        if gap["kind"] != "jobs"
    )


def known_gaps(
    repo: str, error: str | None, synced_at: datetime | None, noted: Sequence[Gap], missing: Missing
) -> tuple[Gap, ...]:
    """The worst first. What GitHub does not have any more is no gap."""
    found = [Gap(repo, "error", error, since=synced_at)] if error else []
    found += noted
    found += [
        Gap(repo, "run_numbers", holes_line(each.workflow, each.holes, each.numbers, each.first, each.last),
            each.after, each.before)
        for each in missing.holes if each.open
    ]  # fmt: skip
    for each in missing.histories:
        until = each.cursor if each.reading else each.until
        line = history_line(each.since, until, each.runs_done, each.runs_expected, reading=each.reading)
        found.append(Gap(repo, "history", line, each.since, until))
    if missing.unfilled:
        rest = missing.unfilled
        found.append(Gap(repo, "jobs", unfilled_line(rest.runs), rest.since, rest.until))
    return tuple(found)


def in_window(gaps: Iterable[Gap], window: Window) -> tuple[Gap, ...]:
    """Those that can be about runs of the window."""
    return tuple(
        gap
        for gap in gaps
        if (gap.since is None or gap.since < window.until) and (gap.until is None or gap.until >= window.since)
    )


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
