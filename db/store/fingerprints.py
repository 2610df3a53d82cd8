"""Fingerprints of causes that earlier rules made, made anew."""

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Engine, func, select, update

from db.engine import write_scope
from db.insights.fingerprint import LENGTH, fingerprint
from db.models import JobLog

_BATCH, _PAUSE_SECONDS = 500, 0.02


def renew(engine: Engine, names_cause: Callable[[str], bool]) -> Iterator[int]:
    """From the stored error lines, batch by batch; yields how many rows were changed. A line that is no cause by
    `names_cause` loses its fingerprint. May be broken off and begun again at any time."""
    place = ""
    while True:
        with write_scope(engine) as session:
            query = (
                select(JobLog.repository_id, JobLog.job_id, JobLog.error_line, JobLog.fingerprint)
                .where(JobLog.fingerprint >= place, func.length(JobLog.fingerprint) != LENGTH)
                .order_by(JobLog.fingerprint)
                .limit(_BATCH)
            )
            rows = session.execute(query).all()
            if rows:
                place = rows[-1].fingerprint or ""
                session.execute(update(JobLog), [_renewed(*row[:3], names_cause) for row in rows])
        if not rows:
            return
        yield len(rows)
        time.sleep(_PAUSE_SECONDS)


def _renewed(
    repository_id: int, job_id: int, line: str | None, names_cause: Callable[[str], bool]
) -> dict[str, int | str | None]:
    named = fingerprint(line) if line and names_cause(line) else None
    return {"repository_id": repository_id, "job_id": job_id, "fingerprint": named}
