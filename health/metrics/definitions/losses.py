"""What an answer lacks because runs were deleted after RETENTION_DAYS. Pure.

Roll-ups keep the sums of whole days of deleted runs. Parts of a day, single hours, and filters that roll-ups do not
have are lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from db.definitions.scope import Window
from health.completeness.gaps import Completeness, Gap

# Kinds of gaps.
PRUNED, UNCOUNTED, MORE = "pruned", "uncounted", "more"
# The repository of a gap that concerns every repository of the scope.
ALL_REPOSITORIES = "*"
# A loss in more repositories than these is one gap for all repositories.
_MAX_REPOSITORIES = 20


@dataclass(frozen=True)
class LostWindow:
    """A window whose runs are deleted and not in the answer. `repos` empty: in all repositories of the scope."""

    window: Window
    repos: tuple[str, ...] = ()

    @property
    def repository_names(self) -> tuple[str, ...]:
        return self.repos if 0 < len(self.repos) <= _MAX_REPOSITORIES else (ALL_REPOSITORIES,)


@dataclass(frozen=True)
class Losses:
    """`pruned` is ascending. `uncounted_before`: roll-ups of days before this time were written by a version that did
    not have all columns of today; null where the answer uses none of them."""

    pruned: tuple[LostWindow, ...] = ()
    uncounted_before: datetime | None = None


def merge_windows(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Returns the time that the windows cover, as ascending disjoint windows."""
    merged: list[Window] = []
    for window in sorted(windows, key=lambda window: window.since):
        if merged and window.since <= merged[-1].until:
            merged[-1] = Window(merged[-1].since, max(merged[-1].until, window.until))
        else:
            merged.append(window)
    return tuple(merged)


def limit_gaps(completeness: Completeness, limit: int = 10) -> Completeness:
    """Replaces all gaps after the first `limit` by a single one: an answer with thousands of items repeats the
    completeness in each of them."""
    left = completeness.gaps[limit:]
    if len(left) < 2:
        return completeness
    since = None if any(gap.since is None for gap in left) else min(gap.since for gap in left if gap.since)
    until = None if any(gap.until is None for gap in left) else max(gap.until for gap in left if gap.until)
    more = Gap(ALL_REPOSITORIES, MORE, f"{len(left):,} more gaps: `data` of the answer has all of them", since, until)
    return replace(completeness, gaps=(*completeness.gaps[:limit], more))


def with_losses(completeness: Completeness, losses: Losses) -> Completeness:
    """Adds the losses of an answer to its completeness, as gaps; the answer is complete only since the end of the last
    loss. Losses before the known history are left out."""
    begin = completeness.complete_since
    pruned = [part for part in losses.pruned if begin is None or part.window.until > begin]
    gaps = [
        Gap(repo, PRUNED, _pruned_text(part.window), part.window.since, part.window.until)
        for part in pruned
        for repo in part.repository_names
    ]
    if losses.uncounted_before is not None:
        detail = _uncounted_text(losses.uncounted_before)
        gaps.append(Gap(ALL_REPOSITORIES, UNCOUNTED, detail, until=losses.uncounted_before))
    if begin is not None and pruned:
        begin = max(begin, *(part.window.until for part in pruned))
    return replace(completeness, complete_since=begin, gaps=(*completeness.gaps, *gaps))


def _pruned_text(window: Window) -> str:
    return (
        f"runs created from {_format_time(window.since)} to {_format_time(window.until)} are deleted (RETENTION_DAYS); "
        "only sums of whole days are kept for that time"
    )


def _uncounted_text(before: datetime) -> str:
    return (
        f"sums of days before {before:%d %b %Y} were written by an earlier version: they lack first attempts, "
        "durations of successful runs, minutes without a price and reasons of waste"
    )


def _format_time(time: datetime) -> str:
    return f"{time:%d %b %Y %H:%M} UTC"
