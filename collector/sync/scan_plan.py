"""History by windows of created_at. GitHub gives at most 1,000 results to a question with a filter: a window with
more is cut in two, down to a single second.

How far a walk through the newest-first list of runs has to go. Pure.

A run can change long after it was created: it runs for days, waits for an approval, is run again for 30 days.
GitHub has no list of changes, so pages are read again, the deeper the rarer: a change of a run of age A is seen
at the latest after one poll (page 1), 1 h (A up to 2 days), 3 h (6 days) or 24 h (31 days).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from collector.github.client import GitHubClient
from collector.github.pagination import pages
from collector.github.payloads import RunPayload
from core.formatting import iso_timestamp

FILTER_CAP = 1000
MIN_SPAN, MAX_SPAN = timedelta(hours=1), timedelta(days=32)
_SECOND = timedelta(seconds=1)
# Small enough that a busy hour more does not reach the cap, large enough that pages are full.
_GROW_BELOW, _SHRINK_ABOVE = 250, 800


@dataclass
class BackfillWindow:
    """Runs created from `since` to `until`, both ends included, in whole seconds. `listed` is how many GitHub said
    there are; `over_cap`: it holds more than can be listed, and is too short to be cut."""

    since: datetime
    until: datetime
    total_count: int | None = None
    over_cap: bool = False
    read_count: int = 0
    invalid_items: list[str] = field(default_factory=list)

    @property
    def filter(self) -> str:
        """Only times in UTC with a Z are understood; an offset silently finds nothing."""
        return f"{_utc(self.since)}..{_utc(self.until)}"

    @property
    def is_incomplete(self) -> bool:
        """Fewer came than GitHub said there are: the search index was not up to date."""
        return self.total_count is not None and self.read_count < min(self.total_count, FILTER_CAP)


def split_window(window: BackfillWindow) -> tuple[BackfillWindow, BackfillWindow] | None:
    """The newer half and the older one; null for a single second."""
    seconds = int((window.until - window.since).total_seconds())
    if seconds < 1:
        return None
    middle = window.since + (seconds // 2) * _SECOND
    return BackfillWindow(middle + _SECOND, window.until), BackfillWindow(window.since, middle)


def next_span(span: timedelta, runs: int) -> timedelta:
    """How long the next window should be, after one of this length held so many runs."""
    if runs < _GROW_BELOW:
        return min(span * 2, MAX_SPAN)
    return max(span / 2, MIN_SPAN) if runs > _SHRINK_ABOVE else span


def read_windows(
    client: GitHubClient, repo: str, since: datetime, until: datetime
) -> Iterator[tuple[BackfillWindow, list[RunPayload], bool]]:
    """Newest window first: (window, runs of one page, whether this was the window's last page). Ends are widened to
    whole seconds."""
    end = until.replace(microsecond=0)
    waiting = [BackfillWindow(since.replace(microsecond=0), end if end == until else end + _SECOND)]
    while waiting:
        cut = yield from _read(client, repo, waiting.pop())
        if cut:
            newer, older = cut
            waiting += [older, newer]


def _read(
    client: GitHubClient, repo: str, window: BackfillWindow
) -> Generator[tuple[BackfillWindow, list[RunPayload], bool], None, tuple[BackfillWindow, BackfillWindow] | None]:
    """Returns the halves where the window has to be cut."""
    path, asked = f"/repos/{repo}/actions/runs", {"created": window.filter}
    held: list[RunPayload] | None = None
    for page in pages(client, path, "workflow_runs", RunPayload, params=asked):
        if held is None:
            window.total_count = page.total_count
            if (page.total_count or 0) >= FILTER_CAP:
                cut = split_window(window)
                if cut:
                    return cut
                window.over_cap = True
        else:
            yield window, held, False
        held = page.items
        window.read_count += len(page.items) + len(page.invalid_items)
        window.invalid_items += page.invalid_items
        if window.read_count >= FILTER_CAP:
            # There are more than GitHub said there would be. Its halves are read anew.
            cut = split_window(window)
            if cut:
                return cut
            window.over_cap = True
            break
    yield window, held or [], True
    return None


def count_runs(client: GitHubClient, repo: str, since: datetime, until: datetime) -> int | None:
    """How many runs GitHub says there are; not exact where there are many."""
    asked = {"created": BackfillWindow(since, until).filter, "per_page": 1}
    data = client.get(f"/repos/{repo}/actions/runs", params=asked).data
    total = data.get("total_count") if isinstance(data, dict) else None
    return total if isinstance(total, int) else None


def _utc(moment: datetime) -> str:
    return iso_timestamp(moment, timespec="seconds")


# Runs can appear in the list a little later than their created_at says.
OVERLAP = timedelta(minutes=10)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RescanLevel:
    """Runs up to `max_age` old are read again once per `interval`."""

    name: str
    interval: timedelta
    max_age: timedelta


# A run can be run again for 30 days; a day of slack.
RESCAN_LEVELS = (
    RescanLevel("recent", timedelta(hours=1), timedelta(days=2)),
    RescanLevel("wide", timedelta(hours=3), timedelta(days=6)),
    RescanLevel("deep", timedelta(days=1), timedelta(days=31)),
)
DEEPEST_RESCAN = RESCAN_LEVELS[-1]


@dataclass(frozen=True)
class RunCoverage:
    """What is stored of a repository: complete from `complete_since` (null: nothing yet) up to `covered_to`.
    `rescanned_at` maps the name of each rescan level to the time of its last rescan."""

    complete_since: datetime | None
    covered_to: datetime | None
    rescanned_at: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanPlan:
    """Read pages until one ends before `until`. `first` fills the history; a plain tail may use the ETag of
    page 1, because an unchanged page 1 means that nothing is new. `looks` are the ones this walk does."""

    until: datetime
    is_initial: bool = False
    rescan_levels: tuple[RescanLevel, ...] = ()

    @property
    def is_incremental(self) -> bool:
        return not (self.is_initial or self.rescan_levels)


def plan_scan(
    coverage: RunCoverage, backfill_from: datetime, now: datetime, retention_start: datetime = _BEGINNING
) -> ScanPlan:
    """The deepest walk that is due: the history, a look at older runs again, or the tail. A walk of the history that
    was interrupted is not begun again: what is missing below complete_since is read by windows (see backfill)."""
    if coverage.complete_since is None or coverage.covered_to is None:
        return ScanPlan(backfill_from, is_initial=True, rescan_levels=RESCAN_LEVELS)
    tail = coverage.covered_to - OVERLAP
    due = [level for level in RESCAN_LEVELS if is_due(coverage.rescanned_at.get(level.name), level.interval, now)]
    if not due:
        return ScanPlan(tail)
    deepest = due[-1]
    covered = tuple(level for level in RESCAN_LEVELS if level.max_age <= deepest.max_age)
    until = min(tail, max(now - deepest.max_age, retention_start))
    return ScanPlan(max(coverage.complete_since, until), rescan_levels=covered)


def is_due(last: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Whether what was done at `last` (null: never) is to be done again. A moment in the future was written under a
    wrong clock: it says nothing."""
    return last is None or not timedelta(0) <= now - last < interval
