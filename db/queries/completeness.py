"""Completeness of the figures of a scope and a window, read once for a request or a page."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from db.metrics.completeness import Completeness, Gap
from db.metrics.ledger import Missing, in_window, known_gaps, noted_gaps
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries.missing import find_lasting, find_unfilled
from db.queries.repositories import RepositoryRow, TargetRow, list_repositories, unread_targets


@dataclass(frozen=True)
class Collected:
    """What is known of all repositories, monitored or not, whatever the window: read once for a request or a page.
    `missing` by repository id, without runs that lack their jobs."""

    repositories: list[RepositoryRow]
    unread: list[TargetRow]
    missing: Mapping[int, Missing]


# Where a session keeps it: the key is there, with null, in sessions that ask more than once and end soon.
COLLECTED = "collected"


def collected(session: Session) -> Collected:
    rows = list_repositories(session, monitored_only=False)
    missing = find_lasting(session)
    return Collected(rows, unread_targets(session, [row.repo for row in rows if row.monitored]), missing)


def completeness(session: Session, scope: Scope, window: Window | None = None) -> Completeness:
    """Complete since the latest such time of the scope's repositories; synced at the earliest. With a window only
    gaps that may be about its runs."""
    known, named = collected_once(session), frozenset(scope.repos)
    rows = [row for row in known.repositories if (row.repo in named if named else row.monitored)]
    rows = [row for row in rows if row.collectable]
    since = [row.complete_since for row in rows]
    synced = [row.synced_at for row in rows]
    unfilled = find_unfilled(session, [row.id for row in rows], window)
    gaps = [
        gap for row in rows
        for gap in _gaps(row, replace(known.missing.get(row.id, Missing()), unfilled=unfilled.get(row.id)))
    ]  # fmt: skip
    mine = {row.repo.lower() for row in rows}
    gaps += [
        Gap(target.name, "unreadable", target.error or "")
        for target in known.unread
        if target.name.lower() not in mine and (not named or target.name in named)
    ]
    return Completeness(
        complete_since=max((time for time in since if time), default=None) if all(since) else None,
        synced_at=min((time for time in synced if time), default=None) if all(synced) else None,
        gaps=in_window(gaps, window) if window else tuple(gaps),
    )


def collected_once(session: Session) -> Collected:
    """From the session where it is kept there."""
    found = session.info.get(COLLECTED)
    if isinstance(found, Collected):
        return found
    found = collected(session)
    if COLLECTED in session.info:
        session.info[COLLECTED] = found
    return found


@contextmanager
def one_reading(session: Session) -> Iterator[None]:
    """What is known of all repositories is read once within it, where the session does not keep it anyway."""
    if COLLECTED in session.info:
        yield
        return
    session.info[COLLECTED] = None
    try:
        yield
    finally:
        del session.info[COLLECTED]


def _gaps(row: RepositoryRow, missing: Missing) -> tuple[Gap, ...]:
    return known_gaps(row.repo, row.error, row.synced_at, noted_gaps(row.repo, row.gaps), missing)
