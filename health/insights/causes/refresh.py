"""The renewal of stored fingerprints after a change of their rules."""

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Engine, func, select, update

from db.engine import write_scope
from db.models import JobLog
from health.insights.causes.identity import LENGTH, fingerprint

_BATCH, _PAUSE_SECONDS = 500, 0.02


def refresh_fingerprints(engine: Engine, is_cause: Callable[[str], bool]) -> Iterator[int]:
    """Recomputes fingerprints of earlier rules from the stored error lines; yields the number of updated rows, batch by
    batch. A line for which `is_cause` is false loses its fingerprint. May be interrupted and repeated at any time."""
    position = ""
    while True:
        with write_scope(engine) as session:
            query = (
                select(JobLog.repository_id, JobLog.job_id, JobLog.error_line, JobLog.fingerprint)
                .where(JobLog.fingerprint >= position, func.length(JobLog.fingerprint) != LENGTH)
                .order_by(JobLog.fingerprint)
                .limit(_BATCH)
            )
            rows = session.execute(query).all()
            if rows:
                position = rows[-1].fingerprint or ""
                session.execute(update(JobLog), [_refreshed_values(*row[:3], is_cause) for row in rows])
        if not rows:
            return
        yield len(rows)
        time.sleep(_PAUSE_SECONDS)


def _refreshed_values(
    repository_id: int, job_id: int, line: str | None, is_cause: Callable[[str], bool]
) -> dict[str, int | str | None]:
    refreshed = fingerprint(line) if line and is_cause(line) else None
    return {"repository_id": repository_id, "job_id": job_id, "fingerprint": refreshed}
