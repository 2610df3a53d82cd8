"""Deleting what is older than RETENTION_DAYS, in small transactions so that nobody waits for long."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine, delete, select, tuple_

from db.engine import write_scope
from db.models import Alert, Attempt, BrokenEpisode, Delivery, Job, JobLog, Run
from db.store.marks import note_pruned, start_of_day
from db.store.rollups import refresh
from db.vocabulary import AlertState

BATCH = 500


def prune(engine: Engine, before: datetime, now: datetime) -> Iterator[int]:
    """Deletes runs created before the start of that day with all that hangs on them; yields the runs deleted, batch by
    batch. Their roll-ups are made before and stay."""
    before = start_of_day(before)
    for _ in refresh(engine, now):
        pass
    with write_scope(engine) as session:
        note_pruned(session, before, now)
    while True:
        with write_scope(engine) as session:
            query = select(Run.repository_id, Run.id).where(Run.created_at < before).limit(BATCH)
            keys = [(row.repository_id, row.id) for row in session.execute(query)]
            for model in (JobLog, Job, Attempt):
                session.execute(delete(model).where(tuple_(model.repository_id, model.run_id).in_(keys)))
            session.execute(delete(Run).where(tuple_(Run.repository_id, Run.id).in_(keys)))
        if not keys:
            break
        yield len(keys)
    with write_scope(engine) as session:
        session.execute(delete(BrokenEpisode).where(BrokenEpisode.created_at < before))
        old = select(Alert.id).where(Alert.state == AlertState.RESOLVED, Alert.opened_at < before)
        session.execute(delete(Delivery).where(Delivery.alert_id.in_(old)))
        session.execute(delete(Delivery).where(Delivery.alert_id.is_(None), Delivery.created_at < before))
        session.execute(delete(Alert).where(Alert.state == AlertState.RESOLVED, Alert.opened_at < before))
