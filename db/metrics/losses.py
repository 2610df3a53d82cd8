"""What figures lack because runs were deleted after RETENTION_DAYS: whole days of them are known by their sums, parts
of a day, single hours and other filters are not. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from db.metrics.completeness import Completeness, Gap
from db.metrics.window import Window

PRUNED, UNCOUNTED, MORE = "pruned", "uncounted", "more"
# The repository of a gap that concerns every repository of the question.
ALL_REPOSITORIES = "*"


# More gaps about single repositories than these are one about all.
_MOST_REPOSITORIES = 20


@dataclass(frozen=True)
class Lost:
    """A time whose runs are deleted and missing from the answer: those of these repositories (none: of all)."""

    window: Window
    repos: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        return self.repos if 0 < len(self.repos) <= _MOST_REPOSITORIES else (ALL_REPOSITORIES,)


@dataclass(frozen=True)
class Losses:
    """`pruned` is ascending. `uncounted_before`: sums of days before this moment were written by a version that did not
    count everything that is counted now; null where the answer uses none."""

    pruned: tuple[Lost, ...] = ()
    uncounted_before: datetime | None = None


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The time that the windows cover, ascending and disjoint."""
    found: list[Window] = []
    for each in sorted(windows, key=lambda window: window.since):
        if found and each.since <= found[-1].until:
            found[-1] = Window(found[-1].since, max(found[-1].until, each.until))
        else:
            found.append(each)
    return tuple(found)


def shortened(found: Completeness, most: int = 10) -> Completeness:
    """With at most so many gaps, all others as one: for an answer that has the completeness of the same runs in each of
    thousands of items."""
    left = found.gaps[most:]
    if len(left) < 2:
        return found
    since = None if any(each.since is None for each in left) else min(each.since for each in left if each.since)
    until = None if any(each.until is None for each in left) else max(each.until for each in left if each.until)
    more = Gap(ALL_REPOSITORIES, MORE, f"{len(left):,} more gaps: `data` of the answer has all of them", since, until)
    return replace(found, gaps=(*found.gaps[:most], more))


def with_losses(found: Completeness, losses: Losses) -> Completeness:
    """The completeness of an answer with its losses as gaps. It is complete only since the end of the last loss. A
    loss before the known history is none."""
    begin = found.complete_since
    pruned = [each for each in losses.pruned if begin is None or each.window.until > begin]
    gaps = [
        Gap(repo, PRUNED, _pruned_line(each.window), each.window.since, each.window.until)
        for each in pruned
        for repo in each.named
    ]
    if losses.uncounted_before is not None:
        line = _uncounted_line(losses.uncounted_before)
        gaps.append(Gap(ALL_REPOSITORIES, UNCOUNTED, line, until=losses.uncounted_before))
    if begin is not None and pruned:
        begin = max(begin, *(each.window.until for each in pruned))
    return replace(found, complete_since=begin, gaps=(*found.gaps, *gaps))


def _pruned_line(window: Window) -> str:
    return (
        f"runs created from {_moment(window.since)} to {_moment(window.until)} are deleted (RETENTION_DAYS); "
        "only sums of whole days are kept of that time"
    )


def _uncounted_line(before: datetime) -> str:
    return (
        f"sums of days before {before:%d %b %Y} are of an earlier version: first attempts, durations of successes, "
        "minutes without a price and reasons of waste are not counted in them"
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%d %b %Y %H:%M} UTC"
