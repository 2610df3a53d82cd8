"""How far a walk through the newest-first list of runs has to go. Pure.

A run can change long after it was created: it runs for days, waits for an approval, is run again for 30 days.
GitHub has no list of changes, so pages are read again, the deeper the rarer: a change of a run of age A is seen
at the latest after one poll (page 1), 1 h (A up to 2 days), 3 h (6 days) or 24 h (31 days).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
