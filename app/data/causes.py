"""Known failure causes: reading their marks for pages, and the changes of users."""

from collections.abc import Collection, Iterable
from datetime import datetime

from app import session
from app.data.caching import cache_data
from app.data.connection import read_session, utc_now, write_session
from app.data.outages import serve_stale
from core.roles import Role
from health.insights.causes import queries, triage
from health.insights.causes.triage import Triage


class UnknownCause(ValueError):
    """No stored job has the cause; the message is a sentence for the user."""


def known_causes(fingerprints: Iterable[str | None]) -> dict[str, Triage]:
    """The marks of those causes that are known now, by fingerprint."""
    named = tuple(sorted({fingerprint for fingerprint in fingerprints if fingerprint}))
    return _known_causes(named) if named else {}


@serve_stale
@cache_data(ttl=2, max_entries=64)
def _known_causes(fingerprints: tuple[str, ...]) -> dict[str, Triage]:
    with read_session() as database:
        return triage.known_causes(database, fingerprints, utc_now())


@serve_stale
@cache_data(ttl=5, max_entries=1)
def marks_version() -> tuple[int, datetime | None]:
    """Changes with every mark: the version of the data does not. A user sees the own changes at once."""
    with read_session() as database:
        return queries.marks_version(database)


def mark_known(fingerprint: str, mark: Triage) -> None:
    """Raises InvalidTriage, UnknownCause, ActionRefused, Unavailable."""
    actor, by, now = session.current_actor(), user_name(), utc_now()
    valid = triage.validate_triage(mark, now)
    with write_session(Role.EDITOR) as database:
        current = triage.set_triage(database, fingerprint, valid, now, by=by, actor=actor)
    _clear()
    if current is None:
        raise UnknownCause("No stored job has this cause: reload the page once the stored causes are extracted again.")


def unmark(fingerprints: Collection[str]) -> None:
    """Removes the marks of all fingerprints of a cause. One without a mark is no error. Raises ActionRefused,
    Unavailable."""
    actor, now = session.current_actor(), utc_now()
    with write_session(Role.EDITOR) as database:
        for fingerprint in sorted(fingerprints):
            triage.remove_triage(database, fingerprint, now, actor=actor)
    _clear()


def _clear() -> None:
    _known_causes.clear()
    marks_version.clear()


def user_name() -> str | None:
    """The name that is recorded with a change, null without a login. Dialogs run without the page, so that the session
    is checked. Raises ActionRefused."""
    session.require(Role.VIEWER)
    return session.current_user_name()
