"""What tests are given to work with is empty, whole, and the same each time."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.models import Alert, Base, Run
from tests.builders import NOON, add_repository, run, store_runs
from tests.databases import Shelf
from tests.kept import Kept


@pytest.fixture
def own_shelf(postgresql_url: str, postgresql_template: str) -> Iterator[Shelf]:
    made = Shelf(postgresql_url, postgresql_template)
    yield made
    made.close()


def fill(engine: Engine) -> str:
    add_repository(engine)
    store_runs(engine, run(1), run(2, title="tab\there \\N", branch=None))
    add_alert(engine)
    return "filled"


def add_alert(engine: Engine) -> int:
    with Session(engine) as session, session.begin():
        alert = Alert(
            repository_id=1, workflow_id=5, rule="failure_rate", threshold="3", state="resolved", opened_at=NOON
        )
        session.add(alert)
        session.flush()
        return alert.id


def rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with Session(engine) as session:
        return {table.name: sorted(map(tuple, session.execute(select(table))), key=repr)
                for table in Base.metadata.sorted_tables}  # fmt: skip


def test_a_database_comes_back_empty_with_ids_from_one_and_nobody_in_it(own_shelf: Shelf) -> None:
    url = own_shelf.take()
    first = make_engine(url)
    new = rows(first)
    assert new["alert_rules"], "the migrations add a rule themselves"
    fill(first)
    held = first.connect()
    held.execute(text("LOCK TABLE runs"))
    own_shelf.put_back()
    assert own_shelf.take() == url
    second = make_engine(url)
    assert rows(second) == new
    add_repository(second)
    assert add_alert(second) == 1
    held.invalidate()
    first.dispose()
    second.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE runs ADD CONSTRAINT odd CHECK (id > 0)",
        "ALTER TABLE runs RENAME TO lost",
        "ALTER TABLE runs DROP COLUMN title",
        "DROP INDEX ix_runs_created_at_id",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
def test_a_database_that_was_changed_is_not_given_out_again(own_shelf: Shelf, change: str) -> None:
    url = own_shelf.take()
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    own_shelf.put_back()
    assert own_shelf.take() != url


def test_what_is_kept_is_what_was_filled(engine: Engine) -> None:
    kept = Kept()
    assert kept.fill(engine, fill) == "filled"
    made = rows(engine)
    with Session(engine) as session, session.begin():
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    assert kept.fill(engine, fill) == "filled"
    assert rows(engine) == made
    assert add_alert(engine) == 2
    store_runs(engine, run(3))
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 3
