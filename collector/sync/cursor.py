"""How far a walk through the newest-first list of runs has to go. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Runs can appear in the list a little later than their created_at says.
OVERLAP = timedelta(minutes=10)
RELOOK_EVERY, RELOOK_SPAN = timedelta(hours=1), timedelta(days=3)
# A run can be run again for 30 days; a day of slack.
DEEP_RELOOK_EVERY, DEEP_RELOOK_SPAN = timedelta(days=1), timedelta(days=31)


@dataclass(frozen=True)
class Known:
    """What is stored of a repository: complete from `complete_since` (null: never yet) up to `covered_to`.
    `capped`: GitHub's list ends there, so reading it again for what is older would be in vain."""

    complete_since: datetime | None
    covered_to: datetime | None
    relooked_at: datetime | None
    relooked_deep_at: datetime | None
    capped: bool = False


@dataclass(frozen=True)
class Walk:
    """Read pages until one ends before `until`. `first` fills the history; a plain tail may use the ETag
    of page 1, because an unchanged page 1 means that nothing is new."""

    until: datetime
    first: bool = False
    relook: bool = False
    deep: bool = False

    @property
    def plain(self) -> bool:
        return not (self.first or self.relook or self.deep)


def plan(known: Known, backfill_from: datetime, now: datetime) -> Walk:
    """The deepest walk that is due: the history, a look at the last 31 days or 3 days, or the tail."""
    if known.complete_since is None or known.covered_to is None:
        return Walk(backfill_from, first=True, relook=True, deep=True)
    if backfill_from < known.complete_since - OVERLAP and not known.capped:
        return Walk(backfill_from, first=True, relook=True, deep=True)
    tail = known.covered_to - OVERLAP
    if _due(known.relooked_deep_at, DEEP_RELOOK_EVERY, now):
        return Walk(max(known.complete_since, min(tail, now - DEEP_RELOOK_SPAN)), relook=True, deep=True)
    if _due(known.relooked_at, RELOOK_EVERY, now):
        return Walk(max(known.complete_since, min(tail, now - RELOOK_SPAN)), relook=True)
    return Walk(tail)


def _due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or now - last >= every
