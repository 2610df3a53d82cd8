"""Known failure causes: users mark a cause with a ticket, an owner, a comment and an end."""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.text import CONTROL_CHARACTERS, collapse_whitespace
from db.audit import Actor, record
from db.enums import AuditAction, AuditSubject
from db.logs.cause_writes import current_fingerprints, is_storable
from db.logs.log_queries import failure_cause
from db.models import CauseAlias, CauseTriage, Job, JobCause, JobLog
from db.sql import key_table

MAX_TICKET_LENGTH, MAX_OWNER_LENGTH, MAX_COMMENT_LENGTH = 500, 200, 1_000
MAX_SPAN = timedelta(days=3_660)
# OPS-123, #45, acme/web#45.
_KEY = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_./-]{0,98}[-#]|#)[0-9]{1,10}")


class TriageState(StrEnum):
    """Whether users marked a cause. A mark that has ended is none."""

    KNOWN = "known"
    UNTRIAGED = "untriaged"


class InvalidTriage(ValueError):
    """`field` has an invalid value; the message is one line that states what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Triage:
    """The mark of a known cause. `ticket`: an address or a short key. `until`: its end, null for none. All are
    optional. `fingerprint`, `created_at`, `created_by` and `updated_at` are those of a stored mark: a cause of several
    fingerprints has the mark of any of them."""

    ticket: str | None = None
    owner: str | None = None
    comment: str | None = None
    until: datetime | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    fingerprint: str = ""

    @property
    def url(self) -> str | None:
        """The address of the ticket; null for a key."""
        return self.ticket if self.ticket and "://" in self.ticket else None

    @property
    def label(self) -> str:
        """The ticket in short: OPS-123, #45 of an address; empty without a ticket. Untrusted text."""
        return _short(self.ticket) if self.url and self.ticket else self.ticket or ""

    @property
    def text(self) -> str:
        """known: OPS-123 (platform team). Untrusted text."""
        return self._text(self.label)

    @property
    def full_text(self) -> str:
        """As `text`, with the address of the ticket: known: https://example.com/OPS-123 (platform team)."""
        return self._text(self.ticket or "")

    def _text(self, ticket: str) -> str:
        owner = f"({self.owner})" if self.owner else ""
        details = " ".join(part for part in (ticket, owner) if part)
        return f"known: {details}" if details else "known"


def _short(url: str) -> str:
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    return f"#{last}" if last.isdecimal() else last or parts.netloc


def validate_triage(triage: Triage, now: datetime) -> Triage:
    """The mark with normalised texts; raises InvalidTriage for the first invalid field."""
    ticket = (triage.ticket or "").strip()
    if ticket and not _is_ticket(ticket):
        raise InvalidTriage(
            "ticket",
            f"expected an http or https address of at most {MAX_TICKET_LENGTH} characters, or a key such as OPS-123",
        )
    owner = collapse_whitespace(triage.owner or "")
    if len(owner) > MAX_OWNER_LENGTH or CONTROL_CHARACTERS.search(owner):
        raise InvalidTriage("owner", f"expected at most {MAX_OWNER_LENGTH} printable characters")
    comment = (triage.comment or "").replace("\r\n", "\n").strip()
    if len(comment) > MAX_COMMENT_LENGTH or CONTROL_CHARACTERS.search(comment.replace("\n", "")):
        raise InvalidTriage("comment", f"expected at most {MAX_COMMENT_LENGTH} printable characters")
    if triage.until is not None and not now < triage.until <= now + MAX_SPAN:
        raise InvalidTriage("until", "expected a time after now and within 10 years, or none")
    return replace(triage, ticket=ticket or None, owner=owner or None, comment=comment or None)


def _is_ticket(text: str) -> bool:
    if len(text) > MAX_TICKET_LENGTH or CONTROL_CHARACTERS.search(text) or not text.isascii() or " " in text:
        return False
    if _KEY.fullmatch(text):
        return True
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def known_causes(session: Session, fingerprints: Iterable[str] | None, now: datetime | None) -> dict[str, Triage]:
    """The marks at `now` by fingerprint, of those fingerprints that are known; of all without a list. A fingerprint of
    earlier rules and the current one have the same mark. Without a time, also marks that have ended."""
    query = (
        select(CauseTriage, CauseAlias.current)
        .join(CauseAlias, CauseAlias.fingerprint == CauseTriage.fingerprint, isouter=True)
        .order_by(CauseTriage.updated_at)
    )
    if now is not None:
        query = query.where(or_(CauseTriage.until.is_(None), CauseTriage.until > now))
    marks: dict[str, Triage] = {}
    for row, current in session.execute(query.execution_options(populate_existing=True)):
        for fingerprint in (row.fingerprint, current):
            if fingerprint is not None:
                marks[fingerprint] = _triage(row)
    if fingerprints is None or not marks:
        return marks
    wanted = set(fingerprints)
    earlier = current_fingerprints(session, wanted - marks.keys())
    return {
        fingerprint: marks[current]
        for fingerprint in wanted
        if (current := fingerprint if fingerprint in marks else earlier.get(fingerprint, "")) in marks
    }


def get_triage(session: Session, fingerprint: str, now: datetime | None) -> Triage | None:
    """The mark of one cause at `now`, as in known_causes."""
    return known_causes(session, [fingerprint], now).get(fingerprint)


# Ids of the repository and of the run, and the attempt.
FailedAttempt = tuple[int, int, int]


@dataclass(frozen=True)
class KnownFailure:
    """The error line of a failed attempt, and the mark of its cause."""

    line: str
    triage: Triage


def known_failures(session: Session, attempts: Iterable[FailedAttempt], now: datetime) -> dict[int, KnownFailure]:
    """The failed attempts whose cause is known, by the id of the run."""
    marks = known_causes(session, None, now)
    known: dict[int, KnownFailure] = {}
    for run_id, attempt in _attempts_with(session, list(attempts), marks.keys()) if marks else ():
        line, fingerprint = failure_cause(session, run_id, attempt)
        if line is not None and fingerprint in marks:
            known[run_id] = KnownFailure(line, marks[fingerprint])
    return known


def _attempts_with(
    session: Session, attempts: Sequence[FailedAttempt], fingerprints: Set[str]
) -> list[tuple[int, int]]:
    """Run and attempt of those with a job of one of the causes."""
    listed = {(run_id, attempt) for _, run_id, attempt in attempts}
    matching: set[tuple[int, int]] = set()
    for first in range(0, len(attempts), 500):
        wanted = key_table([(repository_id, run_id) for repository_id, run_id, _ in attempts[first : first + 500]])
        query = (
            select(Job.run_id, Job.attempt, JobLog.fingerprint)
            .join(wanted, (Job.repository_id == wanted.c.repository_id) & (Job.run_id == wanted.c.id))
            .join(JobLog, (JobLog.repository_id == Job.repository_id) & (JobLog.job_id == Job.id))
        )
        matching |= {(run_id, attempt) for run_id, attempt, cause in session.execute(query) if cause in fingerprints}
    return sorted(matching & listed)


def set_triage(
    session: Session, fingerprint: str, triage: Triage, now: datetime, *, by: str | None, actor: Actor
) -> str | None:
    """Stores a validated mark and returns the current fingerprint of its cause; null if no stored job has this cause.
    An earlier mark of the cause is replaced."""
    current = current_fingerprint(session, fingerprint)
    if current is None:
        return None
    earlier = _earlier_of(session, current)
    before = _stored_values(session, [current, *earlier])
    if earlier:
        session.execute(delete(CauseTriage).where(CauseTriage.fingerprint.in_(earlier)))
    values = {"ticket": triage.ticket, "owner": triage.owner, "comment": triage.comment, "until": triage.until}
    changed = {**values, "updated_at": now}
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement: Any = insert(CauseTriage).values(fingerprint=current, created_at=now, created_by=by, **changed)
    session.execute(statement.on_conflict_do_update(index_elements=["fingerprint"], set_=changed))
    _record(session, actor, current, now, before=before, after=values)
    return current


def remove_triage(session: Session, fingerprint: str, now: datetime, *, actor: Actor) -> bool:
    """Removes the mark of a cause, also an expired one; false if there is none."""
    if not is_storable(fingerprint):
        return False
    current = current_fingerprints(session, [fingerprint]).get(fingerprint, fingerprint)
    names = [fingerprint, current, *_earlier_of(session, current)]
    before = _stored_values(session, names)
    if before is None:
        return False
    session.execute(delete(CauseTriage).where(CauseTriage.fingerprint.in_(names)))
    _record(session, actor, current, now, before=before, after=None)
    return True


def _stored_values(session: Session, fingerprints: Sequence[str]) -> dict[str, Any] | None:
    """The fields of the latest mark of these fingerprints, null without one."""
    columns = (CauseTriage.ticket, CauseTriage.owner, CauseTriage.comment, CauseTriage.until)
    query = select(*columns).where(CauseTriage.fingerprint.in_(fingerprints)).order_by(CauseTriage.updated_at.desc())
    row = session.execute(query.limit(1)).first()
    return dict(row._mapping) if row else None


def _record(
    session: Session,
    actor: Actor,
    fingerprint: str,
    now: datetime,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """The name of a cause is the line of one of its failures."""
    action = AuditAction.CREATED if before is None else AuditAction.DELETED if after is None else AuditAction.CHANGED
    line = session.scalar(select(JobCause.line).where(JobCause.fingerprint == fingerprint).limit(1))
    name = line or fingerprint
    record(session, actor, action, AuditSubject.CAUSE_TRIAGE, fingerprint, name, now, before=before, after=after)


def current_fingerprint(session: Session, fingerprint: str) -> str | None:
    """The fingerprint of the cause that has, or had, this one; null if no stored job has the cause."""
    if not is_storable(fingerprint):
        return None
    current = current_fingerprints(session, [fingerprint]).get(fingerprint, fingerprint)
    for column in (JobCause.fingerprint, JobLog.fingerprint):
        if session.scalar(select(column).where(column == current).limit(1)) is not None:
            return current
    return None


def _earlier_of(session: Session, current: str) -> list[str]:
    return list(session.scalars(select(CauseAlias.fingerprint).where(CauseAlias.current == current)))


def _triage(row: CauseTriage) -> Triage:
    return Triage(
        ticket=row.ticket,
        owner=row.owner,
        comment=row.comment,
        until=row.until,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        fingerprint=row.fingerprint,
    )
