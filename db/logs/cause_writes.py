"""Storage of failure causes of jobs, and of earlier fingerprints."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core.text import UNSTORABLE_CHARACTERS
from db.definitions.records import CauseRecord
from db.models import CauseAlias, JobCause
from db.sql import insert_ignore, is_one_of

# Of one statement.
_MAX_NAMES = 500


@dataclass(frozen=True)
class JobCauses:
    """The causes of one job, the first of which is shown first. `created_at` is that of the run."""

    repository_id: int
    job_id: int
    run_id: int
    created_at: datetime
    causes: Sequence[CauseRecord] = ()


def replace_causes(session: Session, jobs: Sequence[JobCauses]) -> None:
    """Stores the causes of a batch of jobs instead of those that are stored. A fingerprint that a job has is no alias
    of another one."""
    keys = [(job.repository_id, job.job_id) for job in jobs]
    session.execute(delete(JobCause).where(is_one_of((JobCause.repository_id, JobCause.job_id), keys)))
    rows = [
        {
            "repository_id": job.repository_id,
            "job_id": job.job_id,
            "run_id": job.run_id,
            "created_at": job.created_at,
            "position": position,
            **asdict(cause),
        }
        for job in jobs
        for position, cause in enumerate(job.causes)
    ]
    if rows:
        session.execute(insert(JobCause).values(rows))
        used = {cause.fingerprint for job in jobs for cause in job.causes if cause.fingerprint}
        session.execute(delete(CauseAlias).where(CauseAlias.fingerprint.in_(used)))


def store_aliases(session: Session, current: Mapping[str, str]) -> None:
    """Stores under which fingerprint (value) the causes of earlier fingerprints (key) are now. A fingerprint that a
    job still has gets no alias; the first alias of a fingerprint is retained."""
    earlier = [name for name in current if current[name] != name]
    used = set(session.scalars(select(JobCause.fingerprint).where(JobCause.fingerprint.in_(earlier)).distinct()))
    changed = {name: current[name] for name in earlier if name not in used}
    if not changed:
        return
    for name, fingerprint in changed.items():
        session.execute(update(CauseAlias).where(CauseAlias.current == name).values(current=fingerprint))
    rows = [{"fingerprint": name, "current": fingerprint} for name, fingerprint in changed.items()]
    insert_ignore(session, CauseAlias, rows)


def current_fingerprints(session: Session, fingerprints: Collection[str]) -> dict[str, str]:
    """The current fingerprint of each earlier one among these, which may be from an address and contain any text."""
    storable, current = sorted(filter(is_storable, fingerprints)), dict[str, str]()
    for first in range(0, len(storable), _MAX_NAMES):
        query = select(CauseAlias.fingerprint, CauseAlias.current)
        rows = session.execute(query.where(CauseAlias.fingerprint.in_(storable[first : first + _MAX_NAMES])))
        current |= {row.fingerprint: row.current for row in rows}
    return current


def all_fingerprints(session: Session, fingerprints: Collection[str]) -> dict[str, str]:
    """The current fingerprint by each fingerprint under which jobs with one of these causes are stored: until all logs
    are extracted again, jobs have earlier ones. The keys contain the given fingerprints."""
    current = {name: name for name in fingerprints} | current_fingerprints(session, fingerprints)
    wanted, earlier = sorted(set(current.values())), dict[str, str]()
    for first in range(0, len(wanted), _MAX_NAMES):
        query = select(CauseAlias.fingerprint, CauseAlias.current)
        rows = session.execute(query.where(CauseAlias.current.in_(wanted[first : first + _MAX_NAMES])))
        earlier |= {row.fingerprint: row.current for row in rows}
    return {name: name for name in wanted} | earlier | current


def is_storable(fingerprint: str) -> bool:
    """Whether a text from an address can be a parameter of a statement."""
    return not UNSTORABLE_CHARACTERS.search(fingerprint)
