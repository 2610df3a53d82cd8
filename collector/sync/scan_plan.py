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

from collector.github.client import Client
from collector.github.pagination import pages
from collector.github.payloads import RunPayload

FILTER_CAP = 1000
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=32)
_SECOND = timedelta(seconds=1)
# Small enough that a busy hour more does not reach the cap, large enough that pages are full.
_FEW, _MANY = 250, 800


@dataclass
class Window:
    """Runs created from `since` to `until`, both ends included, in whole seconds. `listed` is how many GitHub said
    there are; `over_cap`: it holds more than can be listed, and is too short to be cut."""

    since: datetime
    until: datetime
    listed: int | None = None
    over_cap: bool = False
    read: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def filter(self) -> str:
        """Only times in UTC with a Z are understood; an offset silently finds nothing."""
        return f"{_utc(self.since)}..{_utc(self.until)}"

    @property
    def short(self) -> bool:
        """Fewer came than GitHub said there are: the search index was not up to date."""
        return self.listed is not None and self.read < min(self.listed, FILTER_CAP)


def halves(window: Window) -> tuple[Window, Window] | None:
    """The newer half and the older one; null for a single second."""
    seconds = int((window.until - window.since).total_seconds())
    if seconds < 1:
        return None
    middle = window.since + (seconds // 2) * _SECOND
    return Window(middle + _SECOND, window.until), Window(window.since, middle)


def next_span(span: timedelta, runs: int) -> timedelta:
    """How long the next window should be, after one of this length held so many runs."""
    if runs < _FEW:
        return min(span * 2, LONGEST)
    return max(span / 2, SHORTEST) if runs > _MANY else span


def read_windows(
    client: Client, repo: str, since: datetime, until: datetime
) -> Iterator[tuple[Window, list[RunPayload], bool]]:
    """Newest window first: (window, runs of one page, whether this was the window's last page). Ends are widened to
    whole seconds."""
    end = until.replace(microsecond=0)
    waiting = [Window(since.replace(microsecond=0), end if end == until else end + _SECOND)]
    while waiting:
        cut = yield from _read(client, repo, waiting.pop())
        if cut:
            newer, older = cut
            waiting += [older, newer]


def _read(
    client: Client, repo: str, window: Window
) -> Generator[tuple[Window, list[RunPayload], bool], None, tuple[Window, Window] | None]:
    """Returns the halves where the window has to be cut."""
    path, asked = f"/repos/{repo}/actions/runs", {"created": window.filter}
    held: list[RunPayload] | None = None
    for page in pages(client, path, "workflow_runs", RunPayload, params=asked):
        if held is None:
            window.listed = page.total_count
            if (page.total_count or 0) >= FILTER_CAP:
                cut = halves(window)
                if cut:
                    return cut
                window.over_cap = True
        else:
            yield window, held, False
        held = page.items
        window.read += len(page.items) + len(page.unreadable)
        window.unreadable += page.unreadable
        if window.read >= FILTER_CAP:
            # There are more than GitHub said there would be. Its halves are read anew.
            cut = halves(window)
            if cut:
                return cut
            window.over_cap = True
            break
    yield window, held or [], True
    return None


def count(client: Client, repo: str, since: datetime, until: datetime) -> int | None:
    """How many runs GitHub says there are; not exact where there are many."""
    asked = {"created": Window(since, until).filter, "per_page": 1}
    data = client.get(f"/repos/{repo}/actions/runs", params=asked).data
    total = data.get("total_count") if isinstance(data, dict) else None
    return total if isinstance(total, int) else None


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# Runs can appear in the list a little later than their created_at says.
OVERLAP = timedelta(minutes=10)
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Look:
    """Runs up to `span` old are looked at again `every` so often. `name` is the field that remembers when."""

    name: str
    every: timedelta
    span: timedelta


# A run can be run again for 30 days; a day of slack.
LOOKS = (
    Look("relooked_at", timedelta(hours=1), timedelta(days=2)),
    Look("relooked_wide_at", timedelta(hours=3), timedelta(days=6)),
    Look("relooked_deep_at", timedelta(days=1), timedelta(days=31)),
)
DEEPEST = LOOKS[-1]


@dataclass(frozen=True)
class Known:
    """What is stored of a repository: complete from `complete_since` (null: nothing yet) up to `covered_to`.
    `looked` says when each look of LOOKS was last taken."""

    complete_since: datetime | None
    covered_to: datetime | None
    looked: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Walk:
    """Read pages until one ends before `until`. `first` fills the history; a plain tail may use the ETag of
    page 1, because an unchanged page 1 means that nothing is new. `looks` are the ones this walk does."""

    until: datetime
    first: bool = False
    looks: tuple[Look, ...] = ()

    @property
    def plain(self) -> bool:
        return not (self.first or self.looks)


def plan(known: Known, backfill_from: datetime, now: datetime, kept_from: datetime = _EVER) -> Walk:
    """The deepest walk that is due: the history, a look at older runs again, or the tail. A walk of the history that
    was interrupted is not begun again: what is missing below complete_since is read by windows (see backfill)."""
    if known.complete_since is None or known.covered_to is None:
        return Walk(backfill_from, first=True, looks=LOOKS)
    tail = known.covered_to - OVERLAP
    due = [look for look in LOOKS if is_due(known.looked.get(look.name), look.every, now)]
    if not due:
        return Walk(tail)
    deepest = due[-1]
    covered = tuple(look for look in LOOKS if look.span <= deepest.span)
    until = min(tail, max(now - deepest.span, kept_from))
    return Walk(max(known.complete_since, until), looks=covered)


def is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    """Whether what was done at `last` (null: never) is to be done again. A moment in the future was written under a
    wrong clock: it says nothing."""
    return last is None or not timedelta(0) <= now - last < every
