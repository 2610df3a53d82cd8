"""Writing roll-ups of what jobs used, beside those of runs and for the same tiles of time."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from db.metrics import tiles
from db.metrics.prices import Pricing
from db.metrics.usage import SUMS, WHOLE, Usage, UsageKey, of_jobs, of_stored, together
from db.models import Base, Job, Repository, Run, UsageRollup
from db.pricing import price_list
from db.store.marks import ALL
from db.store.spans import created_on, portions
from db.used_jobs import reasons_of, used_jobs
from db.vocabulary import Grain

_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__]
_KEYS = tuple(_ROLLUPS.c[name] for name in UsageKey._fields)
_OF_ONE = (Grain.REPO, Grain.WORKFLOW)
_JOBS_AT_ONCE, _ROWS_AT_ONCE = 20_000, 500


def make_usage(session: Session, repository: Repository, days: Sequence[int], hours: Collection[int]) -> None:
    """Of these days of a repository; `hours` are the tiles of theirs that are kept."""
    found = _of_jobs(session, repository, days)
    _write_both(session, repository.id, sorted(hours), found.only(hours))
    lower = [tiles.day_tile(day) for day in days]
    _write_both(session, repository.id, lower, _raised(found, tiles.DAY))
    for level in range(tiles.DAY + 1, tiles.TOP + 1):
        blocks = sorted({tiles.tile(level, tiles.first_hour(tile)) for tile in lower})
        below = [child for block in blocks for child in tiles.children(block)]
        stored = _stored(session, Grain.WORKFLOW, below, _ROLLUPS.c.repository_id == repository.id)
        _write_both(session, repository.id, blocks, _raised(stored, level))
        lower = blocks


def make_usage_over_all(session: Session, wanted: Sequence[int]) -> None:
    """These tiles of all monitored repositories together."""
    monitored = _ROLLUPS.c.repository_id.in_(select(Repository.id).where(Repository.monitored))
    stored = _stored(session, Grain.REPO, wanted, monitored)
    _write(session, ALL, [(Grain.ALL, stored.at(Grain.ALL, [key.tile for key in stored.keys]))], wanted)


def _of_jobs(session: Session, repository: Repository, days: Sequence[int]) -> Usage:
    where = Run.repository_id == repository.id, created_on(Run, days)
    connection = session.connection()
    # In one order: sums of floats differ in their last digits by it.
    query = used_jobs(Run).where(*where).order_by(Run.created_at, Run.id, Job.id)
    rows = connection.execute(query.execution_options(yield_per=_JOBS_AT_ONCE))
    pricing = Pricing(price_list(session))
    return together(of_jobs(some, reasons_of(connection, some), pricing) for some in rows.partitions())


def _raised(usage: Usage, level: int) -> Usage:
    return usage.at(Grain.WORKFLOW, [tiles.tile(level, tiles.first_hour(key.tile)) for key in usage.keys])


def _stored(session: Session, grain: Grain, wanted: Sequence[int], where: Any) -> Usage:
    columns = (*(_ROLLUPS.c[name] for name in SUMS), _ROLLUPS.c.waits)
    query = select(*_KEYS, *columns).where(_ROLLUPS.c.grain == grain, _ROLLUPS.c.tile.in_(list(wanted)), where)
    rows = session.execute(query.order_by(*_KEYS)).all()
    width = len(_KEYS)
    return of_stored(
        [UsageKey(*row[:width]) for row in rows], [row[width:-1] for row in rows], [row[-1] for row in rows]
    )


def _write_both(session: Session, repository_id: int, wanted: Sequence[int], finest: Usage) -> None:
    made = [(grain, finest.at(grain, [key.tile for key in finest.keys])) for grain in _OF_ONE]
    _write(session, repository_id, made, wanted)


def _write(session: Session, repository_id: int, made: Sequence[tuple[Grain, Usage]], wanted: Sequence[int]) -> None:
    """Puts these in the place of all roll-ups of the wanted tiles."""
    if not wanted:
        return
    grains = [grain for grain, _ in made]
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.grain.in_(grains)
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.tile.in_(list(wanted))))
    rows = [row for grain, usage in made for row in _rows(grain, usage)]
    for some in portions(rows, _ROWS_AT_ONCE):
        session.execute(insert(_ROLLUPS), some)


def _rows(grain: Grain, usage: Usage) -> list[dict[str, Any]]:
    kinds = [int if name in WHOLE else float for name in SUMS]
    return [
        {**key._asdict(), "grain": int(grain), "waits": waits,
         **{name: kind(value) for name, kind, value in zip(SUMS, kinds, sums, strict=True)}}
        for key, sums, waits in zip(usage.keys, usage.sums.tolist(), usage.packed(), strict=True)
    ]  # fmt: skip
