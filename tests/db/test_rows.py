"""Questions that no roll-up answers, and roll-ups against the rows for any filter.

FILTER_EXAMPLES=1000 asks with more of them than the suite does."""

import os
import random
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.engine import session_scope
from db.enums import GroupBy, Interval
from db.models import RollupState
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from health.metrics.queries import raw_runs
from tests.db.history import LONG, fill, same
from tests.kept import Kept

_EXAMPLES = int(os.environ.get("FILTER_EXAMPLES", "60"))
NARROW = [
    Scope(),
    Scope(actors=("alice",)),
    Scope(conclusions=("failure", "success")),
    Scope(branches=("main", "feature")),
]


@pytest.fixture
def history(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


@pytest.mark.parametrize("scope", NARROW, ids=str)
def test_many_rows_give_the_sums_of_few(history: Engine, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    with session_scope(history) as session:
        one_by_one, cells = _asked(session, scope)
        monkeypatch.setattr(raw_runs, "_MAX_ROWS_IN_PYTHON", 1)
        in_sql, cells_in_sql = _asked(session, scope)
    assert cells_in_sql == cells
    assert [key for key, _ in in_sql] == [key for key, _ in one_by_one]
    assert len(one_by_one) > 30
    for (_, made), (_, exact) in zip(in_sql, one_by_one, strict=True):
        same(made, exact, recovery=True)


def test_any_filter_gives_the_same_by_rollups_and_by_rows(history: Engine) -> None:
    chance = random.Random("filters")
    asked = [(_scope(chance), _window(chance)) for _ in range(_EXAMPLES)]
    with session_scope(history) as session:
        made = [service.snapshot(session, *each) for each in asked]
    with Session(history) as session:
        # Without its state no roll-up is used; the session is never committed.
        session.execute(delete(RollupState))
        exact = [service.snapshot(session, *each) for each in asked]
    assert sum(each.runs.total > 20 for each in exact) > _EXAMPLES * 0.3
    for one, other in zip(made, exact, strict=True):
        same(one, other, recovery=True)


def _asked(session: Session, scope: Scope) -> tuple[list[tuple[object, Metrics]], list[service.HourCell]]:
    found: list[tuple[object, Metrics]] = [(None, service.snapshot(session, scope, LONG))]
    for by in GroupBy:
        listed = service.groups(session, scope, LONG, by)
        listed.sort(key=lambda each: (str(each.key), each.workflow_id or 0))
        found += [((each.key, each.repo), each.metrics) for each in listed]
    points = service.series(session, scope, LONG, Interval.WEEK)
    found += [(point.start, point.metrics) for point in points]
    return found, service.weekday_hours(session, scope, LONG)


def _scope(chance: random.Random) -> Scope:
    def some(*values: str) -> tuple[str, ...]:
        return tuple(chance.sample(values, chance.randint(1, len(values)))) if chance.random() < 0.4 else ()

    return Scope(
        repos=some("acme/web", "acme/api"),
        workflows=some("CI", "6", "7"),
        branches=("main",) if chance.random() < 0.3 else (),
        events=some("push", "pull_request", "schedule"),
        own_branches=chance.random() < 0.3,
    )


def _window(chance: random.Random) -> Window:
    since = LONG.since + chance.random() * timedelta(days=140)
    return Window(since, min(LONG.until, since + timedelta(days=1) + chance.random() * timedelta(days=150)))
