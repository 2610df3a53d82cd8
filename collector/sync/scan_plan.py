"""Which part of GitHub's list of runs a sync reads, and the windows of a backfill. Pure.

A run can change long after it was created: it runs for days, waits for an approval, or is re-run within 30 days.
GitHub has no list of changes, so older pages are read again, the older the less often: a change of a run of age A is
detected at the latest after one poll (page 1), 1 h (A up to 2 days), 3 h (6 days) or 24 h (31 days).

GitHub returns at most 1,000 results of a filtered list. A window of created_at with more runs is split in two, down to
a single second.
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
# Small enough that a busy hour more does not reach the cap, large enough for full pages.
_GROW_BELOW, _SHRINK_ABOVE = 250, 800
# Runs can appear in the list some time after their created_at.
OVERLAP = timedelta(minutes=10)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass
class BackfillWindow:
    """Runs created from `since` to `until`, both inclusive, in whole seconds. `total_count`: as GitHub reports it.
    `over_cap`: the window has more runs than GitHub lists, and is too short to be split."""

    since: datetime
    until: datetime
    total_count: int | None = None
    over_cap: bool = False
    read_count: int = 0
    invalid_items: list[str] = field(default_factory=list)

    @property
    def filter(self) -> str:
        """The `created` parameter. GitHub accepts only UTC with a Z; a time with an offset matches nothing."""
        return f"{_utc(self.since)}..{_utc(self.until)}"

    @property
    def is_incomplete(self) -> bool:
        """GitHub listed fewer runs than it counted: its search index was not up to date."""
        return self.total_count is not None and self.read_count < min(self.total_count, FILTER_CAP)


def split_window(window: BackfillWindow) -> tuple[BackfillWindow, BackfillWindow] | None:
    """The newer and the older half; null for a single second."""
    seconds = int((window.until - window.since).total_seconds())
    if seconds < 1:
        return None
    middle = window.since + (seconds // 2) * _SECOND
    return BackfillWindow(middle + _SECOND, window.until), BackfillWindow(window.since, middle)


def next_span(span: timedelta, runs: int) -> timedelta:
    """The length of the next window after one of length `span` with so many runs."""
    if runs < _GROW_BELOW:
        return min(span * 2, MAX_SPAN)
    return max(span / 2, MIN_SPAN) if runs > _SHRINK_ABOVE else span


def read_windows(
    client: GitHubClient, repo: str, since: datetime, until: datetime
) -> Iterator[tuple[BackfillWindow, list[RunPayload], bool]]:
    """Tuples (window, runs of one page, whether it is the window's last page), newest window first. The ends are
    extended to whole seconds."""
    end = until.replace(microsecond=0)
    windows = [BackfillWindow(since.replace(microsecond=0), end if end == until else end + _SECOND)]
    while windows:
        halves = yield from _read(client, repo, windows.pop())
        if halves:
            newer, older = halves
            windows += [older, newer]


def _read(
    client: GitHubClient, repo: str, window: BackfillWindow
) -> Generator[tuple[BackfillWindow, list[RunPayload], bool], None, tuple[BackfillWindow, BackfillWindow] | None]:
    """Yields as `read_windows`; returns the halves if the window must be split."""
    path, params = f"/repos/{repo}/actions/runs", {"created": window.filter}
    previous: list[RunPayload] | None = None
    for page in pages(client, path, "workflow_runs", RunPayload, params=params):
        if previous is None:
            window.total_count = page.total_count
            if (page.total_count or 0) >= FILTER_CAP:
                halves = split_window(window)
                if halves:
                    return halves
                window.over_cap = True
        else:
            yield window, previous, False
        previous = page.items
        window.read_count += len(page.items) + len(page.invalid_items)
        window.invalid_items += page.invalid_items
        if window.read_count >= FILTER_CAP:
            # GitHub lists more runs than it counted: the halves are read instead.
            halves = split_window(window)
            if halves:
                return halves
            window.over_cap = True
            break
    yield window, previous or [], True
    return None


def count_runs(client: GitHubClient, repo: str, since: datetime, until: datetime) -> int | None:
    """The number of runs that GitHub reports; approximate for large numbers."""
    params = {"created": BackfillWindow(since, until).filter, "per_page": 1}
    data = client.get(f"/repos/{repo}/actions/runs", params=params).data
    total = data.get("total_count") if isinstance(data, dict) else None
    return total if isinstance(total, int) else None


def _utc(moment: datetime) -> str:
    return iso_timestamp(moment, timespec="seconds")


@dataclass(frozen=True)
class RescanLevel:
    """Runs up to `max_age` old are read again once per `interval`."""

    name: str
    interval: timedelta
    max_age: timedelta


# A run can be re-run for 30 days; one day of margin.
RESCAN_LEVELS = (
    RescanLevel("recent", timedelta(hours=1), timedelta(days=2)),
    RescanLevel("wide", timedelta(hours=3), timedelta(days=6)),
    RescanLevel("deep", timedelta(days=1), timedelta(days=31)),
)
DEEPEST_RESCAN = RESCAN_LEVELS[-1]


@dataclass(frozen=True)
class RunCoverage:
    """Runs of a repository that are stored: complete from `complete_since` (null: nothing yet) up to `covered_to`.
    `rescanned_at` maps the name of each rescan level to the time of its last rescan."""

    complete_since: datetime | None
    covered_to: datetime | None
    rescanned_at: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanPlan:
    """Read pages until one ends before `until`. `is_initial`: the first sync. `rescan_levels`: done by this scan. An
    incremental scan may use the ETag of page 1: an unchanged page 1 means that there are no new runs."""

    until: datetime
    is_initial: bool = False
    rescan_levels: tuple[RescanLevel, ...] = ()

    @property
    def is_incremental(self) -> bool:
        return not (self.is_initial or self.rescan_levels)


def plan_scan(
    coverage: RunCoverage, backfill_from: datetime, now: datetime, retention_start: datetime = _BEGINNING
) -> ScanPlan:
    """The deepest scan that is due: the initial one, a rescan, or only new runs. An interrupted initial scan is not
    repeated: what is missing before complete_since is read by a backfill."""
    if coverage.complete_since is None or coverage.covered_to is None:
        return ScanPlan(backfill_from, is_initial=True, rescan_levels=RESCAN_LEVELS)
    incremental_until = coverage.covered_to - OVERLAP
    due = [level for level in RESCAN_LEVELS if is_due(coverage.rescanned_at.get(level.name), level.interval, now)]
    if not due:
        return ScanPlan(incremental_until)
    deepest = due[-1]
    covered = tuple(level for level in RESCAN_LEVELS if level.max_age <= deepest.max_age)
    until = min(incremental_until, max(now - deepest.max_age, retention_start))
    return ScanPlan(max(coverage.complete_since, until), rescan_levels=covered)


def is_due(last: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Whether `interval` has passed since `last` (null: never). A time in the future was written under a wrong clock
    and is ignored."""
    return last is None or not timedelta(0) <= now - last < interval
