"""Restricted sessions: no statement returns a row of a hidden repository, and what cannot be restricted raises."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, delete, exists, func, insert, literal_column, select, text, union_all, update
from sqlalchemy.orm import Session, aliased

from db.definitions.scope import Scope
from db.engine import make_engine, session_scope, write_scope
from db.models import Alert, Base, JobCause, Notification, Repository, Rollup, Run, Target, Workflow
from db.sql import execute
from db.visibility import VisibilityError, is_restricted, restrict, visibility_key, visibility_of
from health.metrics import service
from tests.builders import NOON, REPO, add_repository, run, store_runs
from tests.db.history import LONG, fill, same
from tests.kept import Kept

_HIDDEN = replace(REPO, id=2, full_name="acme/hidden")
_VISIBLE = frozenset({1})


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Two repositories with two runs and one alert each; a notification about each alert and about both."""
    for record in (REPO, _HIDDEN):
        add_repository(engine, record)
        first = record.id * 100
        store_runs(engine, run(first), run(first + 1, minutes=5), repository_id=record.id)
        with write_scope(engine) as session:
            session.add(_alert(record.id))
            session.add(Target(name=record.full_name, repository_id=record.id, checked_at=NOON))
    with write_scope(engine) as session:
        session.add(Target(name="acme/missing", checked_at=NOON))
        for alert_id, alert_ids in ((1, None), (2, [2]), (1, [1, 2]), (1, [1]), (None, None)):
            session.add(_notification(alert_id, alert_ids))
    return engine


@pytest.fixture
def history(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


def _alert(repository_id: int) -> Alert:
    return Alert(
        id=repository_id, repository_id=repository_id, rule="failing", threshold="1", state="firing", opened_at=NOON
    )


def _notification(alert_id: int | None, alert_ids: list[int] | None) -> Notification:
    return Notification(
        alert_id=alert_id, alert_ids=alert_ids, channel="slack", reason="opened", message={}, state="sent",
        created_at=NOON, due_at=NOON,
    )  # fmt: skip


@pytest.fixture
def restricted(filled: Engine) -> Iterator[Session]:
    with session_scope(filled) as session:
        restrict(session, _VISIBLE)
        yield session


def _repository_ids(session: Session) -> dict[str, Any]:
    """The ids of repositories that statements of each form read."""
    other, workflow = aliased(Run), aliased(Workflow)
    of_workflow = (Run.repository_id == workflow.repository_id) & (Run.workflow_id == workflow.id)
    table, subquery = Run.__table__, select(Run.repository_id, Run.id).subquery()
    cte = select(Run.repository_id).cte("runs_of_all")
    both = union_all(select(Run.repository_id), select(Alert.repository_id)).subquery()
    return {
        "entities": [row.repository_id for row in session.scalars(select(Run))],
        "columns": session.scalars(select(Run.repository_id)).all(),
        "Core table": session.scalars(select(table.c.repository_id)).all(),
        "Core through the connection": execute(session, select(table.c.repository_id)).scalars().all(),
        "ORM through the connection": execute(session, select(Run.repository_id)).scalars().all(),
        "alias": session.scalars(select(other.repository_id)).all(),
        "Core alias": session.scalars(select(table.alias("r").c.repository_id)).all(),
        "join": session.scalars(select(workflow.repository_id).join(Run, of_workflow)).all(),
        "outer join": session.scalars(
            select(Run.repository_id)
            .select_from(Repository)
            .outerjoin(Run, Run.repository_id == Repository.id)
            .outerjoin(other, (other.repository_id == Run.repository_id) & (other.id == Run.id))
        ).all(),
        "subquery": session.scalars(select(subquery.c.repository_id)).all(),
        "common table expression": session.scalars(select(cte.c.repository_id)).all(),
        "union": session.scalars(select(both.c.repository_id)).all(),
        "correlated": session.scalars(
            select(Repository.id).where(exists().where(Run.repository_id == Repository.id))
        ).all(),
        "repositories": session.scalars(select(Repository.id)).all(),
        "roll-ups": session.scalars(select(Rollup.repository_id).distinct()).all(),
        "legacy query": [row.repository_id for row in session.query(Run)],
        "targets": session.scalars(select(Target.repository_id)).all(),
        "aggregate": [session.scalar(select(func.max(Run.repository_id)))],
    }


def test_statements_of_every_form_read_visible_rows_only(restricted: Session) -> None:
    for form, ids in _repository_ids(restricted).items():
        assert set(ids) == {1}, form


def test_a_session_with_most_repositories_reads_the_same(filled: Engine) -> None:
    """The condition contains the visible or the hidden repositories, whichever are fewer; sums over all are hidden."""
    with write_scope(filled) as session:
        for number in range(1000, 1060):
            session.add(Repository(id=number, full_name=f"acme/r{number}", **_repository_columns()))
    some, most = frozenset({1, *range(1000, 1010)}), frozenset({1, *range(1000, 1060)})
    for visible in (some, most, frozenset({1, *range(5000, 5200)})):
        with session_scope(filled) as session:
            restrict(session, visible)
            for form, ids in _repository_ids(session).items():
                expected = visible & {1, *range(1000, 1060)} if form == "repositories" else {1}
                assert set(ids) - {None} == expected, form


def _repository_columns() -> dict[str, Any]:
    return {
        "default_branch": "main",
        "private": False,
        "archived": False,
        "monitored": True,
        "html_url": "https://github.com/acme/r",
    }


@pytest.mark.parametrize(
    "scope", [Scope(), Scope(events=("push",)), Scope(branches=("main",)), Scope(workflows=("CI",))]
)
def test_metrics_are_those_of_the_visible_repositories(history: Engine, scope: Scope) -> None:
    """They are not read from sums over all repositories, which include the hidden ones."""
    with session_scope(history) as session:
        expected = service.snapshot(session, replace(scope, repos=("acme/web",)), LONG)
        total = service.snapshot(session, scope, LONG)
        restrict(session, _VISIBLE)
        metrics = service.snapshot(session, scope, LONG)
    same(metrics, expected, recovery=True)
    assert metrics.runs != total.runs


def test_no_visible_repository_means_no_rows(filled: Engine) -> None:
    with session_scope(filled) as session:
        restrict(session, frozenset())
        assert {form: list(ids) for form, ids in _repository_ids(session).items() if list(ids)} == {"aggregate": [None]}


def test_a_statement_is_not_shared_with_unrestricted_sessions(filled: Engine) -> None:
    statement = select(Run.repository_id).distinct().order_by(Run.repository_id)
    results = []
    for visible in (None, _VISIBLE, None, frozenset({2}), frozenset({1, 2}), _VISIBLE):
        with session_scope(filled) as session:
            restrict(session, visible)
            results.append(execute(session, statement).scalars().all())
    assert results == [[1, 2], [1], [1, 2], [2], [1, 2], [1]]


def test_rows_are_hidden_by_key_and_by_relation(restricted: Session) -> None:
    assert restricted.get(Run, (1, 100)) is not None
    assert restricted.get(Run, (2, 200)) is None
    assert restricted.get(Alert, 2) is None
    assert [restricted.get(Alert, number, with_for_update=True) is None for number in (1, 2)] == [False, True]
    assert restricted.scalars(select(Notification.id)).all() == [1, 4]


def test_rows_that_were_loaded_before_are_hidden(filled: Engine) -> None:
    with session_scope(filled) as session:
        assert session.get(Alert, 2) is not None
        restrict(session, _VISIBLE)
        assert session.get(Alert, 2) is None


def test_changes_of_hidden_rows_have_no_effect(filled: Engine) -> None:
    with write_scope(filled) as session:
        restrict(session, _VISIBLE)
        session.execute(update(Alert).values(state="resolved"))
        session.execute(delete(Run).where(Run.id > 0))
        session.execute(delete(JobCause))
        statement = insert(Repository).from_select(
            ["id", "full_name", "default_branch", "private", "archived", "monitored", "html_url"],
            select(Repository.id + 10, "copy of " + Repository.full_name, *_copied_columns()),
            include_defaults=False,
        )
        session.execute(statement)
    with session_scope(filled) as session:
        states = session.execute(select(Alert.repository_id, Alert.state).order_by(Alert.repository_id)).all()
        assert [tuple(row) for row in states] == [(1, "resolved"), (2, "firing")]
        assert set(session.scalars(select(Repository.id))) == {1, 2, 11}
        assert set(session.scalars(select(Run.repository_id))) == {2}


def _copied_columns() -> list[Any]:
    return [
        Repository.default_branch,
        Repository.private,
        Repository.archived,
        Repository.monitored,
        Repository.html_url,
    ]


@pytest.mark.parametrize("number", range(3))
def test_textual_statements_over_restricted_tables_raise(restricted: Session, number: int) -> None:
    statements = [
        lambda: restricted.execute(text("SELECT repository_id FROM runs")),
        lambda: restricted.execute(select(literal_column("(SELECT max(repository_id) FROM Runs)"))),
        lambda: restricted.connection().exec_driver_sql("SELECT repository_id FROM runs"),
    ]
    assert restricted.scalar(text("SELECT 1")) == 1
    with pytest.raises(VisibilityError):
        statements[number]()


def test_the_restriction_holds_in_later_transactions(filled: Engine) -> None:
    with Session(filled) as session:
        restrict(session, _VISIBLE)
        session.rollback()
        assert set(session.scalars(select(Run.repository_id))) == {1}
        session.commit()
        assert set(session.scalars(select(Run.repository_id))) == {1}
        with session.begin_nested():
            assert set(session.scalars(select(Run.repository_id))) == {1}
    with session_scope(filled) as session:
        assert set(session.scalars(select(Run.repository_id))) == {1, 2}


def test_a_restriction_cannot_be_changed(restricted: Session) -> None:
    restrict(restricted, _VISIBLE)
    assert is_restricted(restricted)
    assert visibility_of(restricted) == _VISIBLE
    for other in (None, frozenset({2})):
        with pytest.raises(VisibilityError):
            restrict(restricted, other)


def test_every_table_with_a_repository_is_restricted(engine: Engine) -> None:
    """Rows of any such table are hidden from a session without repositories: the statement contains the condition."""
    with session_scope(engine) as session:
        restrict(session, frozenset())
        dialect = session.connection().dialect
    for table in Base.metadata.sorted_tables:
        sql = str(select(table).compile(dialect=dialect))
        assert ("visible_ids" in sql or "json_each" in sql) == ("repository_id" in table.c or table.name in {
            "repositories", "deliveries"}), table.name  # fmt: skip


def test_keys_differ_by_repositories() -> None:
    keys = [visibility_key(visible) for visible in (None, frozenset(), _VISIBLE, frozenset({1, 2}), frozenset({12}))]
    assert keys[0] == ""
    assert len(set(keys)) == len(keys)
    assert visibility_key(frozenset({2, 1})) == keys[3]


def test_an_engine_is_unchanged_by_restricted_sessions(database_url: str) -> None:
    engine = make_engine(database_url)
    with session_scope(engine) as session:
        restrict(session, frozenset())
        assert session.connection().dialect is not engine.dialect
    with session_scope(engine) as session:
        assert session.connection().dialect is engine.dialect
    engine.dispose()
