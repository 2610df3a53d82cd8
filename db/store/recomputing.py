"""Making the sums of stored runs anew, after a change of prices or of what counts: in batches, each a transaction."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select, tuple_
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.metrics.prices import PriceList
from db.models import Heartbeat, Repository, Run
from db.pricing import PRICES, detail_of, list_of
from db.store.adding import add_missing
from db.store.jobs import sum_up_runs
from db.store.locking import lock_repository

_RUNS_AT_ONCE = 200
Place = tuple[int, int]
_START: Place = (0, 0)
# In the detail of the heartbeat: repository and run up to which costs are those of the list; null where all are.
_AFTER = "after"


def recompute_runs(engine: Engine) -> Iterator[int]:
    """All stored runs; yields how many were made anew, batch by batch. Their days are marked for the roll-ups."""
    place: Place | None = _START
    while place is not None:
        with write_scope(engine) as session:
            made, place = _recompute_some(session, place)
        yield made


def adopt_prices(session: Session, prices: PriceList, now: datetime) -> bool:
    """Makes these the prices of the database. True where they are others than before: stored costs are then to be
    recomputed by `reprice`."""
    row = session.get(Heartbeat, PRICES, with_for_update=True)
    if row is None:
        first = {"name": PRICES, "started_at": now, "seen_at": now, "data_version": 0, "detail": {_AFTER: None}}
        add_missing(session, Heartbeat, [first])
        row = session.get_one(Heartbeat, PRICES, with_for_update=True)
    row.seen_at = now
    if list_of(row.detail) == prices:
        return False
    row.detail = {**detail_of(prices), _AFTER: list(_START)}
    return True


def reprice(engine: Engine) -> Iterator[int]:
    """Recomputes what is left after a change of prices, batch by batch; stopped, it goes on there the next time. Yields
    how many runs were made anew."""
    place: Place | None = _START
    while place is not None:
        with write_scope(engine) as session:
            row = session.get(Heartbeat, PRICES, with_for_update=True)
            after = row.detail.get(_AFTER) if row else None
            if row is None or after is None:
                return
            made, place = _recompute_some(session, (int(after[0]), int(after[1])))
            row.detail = {**row.detail, _AFTER: place and list(place)}
        yield made


def _recompute_some(session: Session, after: Place) -> tuple[int, Place | None]:
    """The next runs in the order of repository and id; null where there are no more."""
    key: tuple[Any, Any] = (Run.repository_id, Run.id)
    query = select(*key).where(tuple_(*key) > tuple_(*after)).order_by(*key).limit(_RUNS_AT_ONCE)
    rows = [(int(repository_id), int(run_id)) for repository_id, run_id in session.execute(query)]
    if not rows:
        return 0, None
    repository = session.get_one(Repository, rows[0][0])
    lock_repository(session, repository.id)
    ids = [run_id for repository_id, run_id in rows if repository_id == repository.id]
    sum_up_runs(session, repository, ids)
    return len(ids), (repository.id, ids[-1])
