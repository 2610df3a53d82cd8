"""What the Audit page reads. Only administrators may read it."""

from dataclasses import dataclass

from app.data.caching import cache_data
from app.data.connection import read_session
from app.data.outages import serve_stale
from app.session import require
from core.roles import Role
from db.audit import AuditFilter, AuditPage, AuditRow, audit_page, count_events, export_events, list_actors

PAGE_SIZE = 100
# Events of a file.
MAX_EXPORTED = 10_000


@dataclass(frozen=True)
class AuditList:
    """A page of events, and the number of all that match."""

    page: AuditPage
    total: int


def audit_list(filters: AuditFilter, cursor: str | None) -> AuditList:
    """Raises ActionRefused, InvalidCursor, Unavailable."""
    require(Role.ADMIN)
    return _audit_list(filters, cursor)


@serve_stale
@cache_data(ttl=3, max_entries=64)
def _audit_list(filters: AuditFilter, cursor: str | None) -> AuditList:
    with read_session() as session:
        return AuditList(audit_page(session, filters, limit=PAGE_SIZE, cursor=cursor), count_events(session, filters))


def audit_actors() -> list[str]:
    """The names of all actors. Raises ActionRefused, Unavailable."""
    require(Role.ADMIN)
    return _audit_actors()


@serve_stale
@cache_data(ttl=10, max_entries=1)
def _audit_actors() -> list[str]:
    with read_session() as session:
        return list_actors(session)


def all_events(filters: AuditFilter) -> list[AuditRow]:
    """The newest events for a file, at most MAX_EXPORTED. Raises ActionRefused, Unavailable."""
    require(Role.ADMIN)
    rows: list[AuditRow] = []
    for batch in export_events(read_session, filters):
        rows += batch
        if len(rows) >= MAX_EXPORTED:
            break
    return rows[:MAX_EXPORTED]
