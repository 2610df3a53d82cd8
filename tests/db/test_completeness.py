"""How complete the data of a question are, of many repositories."""

from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.repositories.repository_queries import RepositoryRow
from health.completeness.service import RepositoryOverview, read_completeness, read_periods
from tests.builders import NOON, add_repository, run, store_runs
from tests.completeness_rows import mark_complete
from tests.growth import SUBQUADRATIC, growth


def _rows(number: int) -> list[RepositoryRow]:
    names = [f"acme/service-{place:05d}" for place in range(number)]
    return [
        RepositoryRow(place, name, "main", True, False, True, "", NOON, NOON, None, None, [])
        for place, name in enumerate(names)
    ]


def test_a_scope_that_names_many_repositories_costs_the_same_for_each(engine: Engine) -> None:
    """As that of a rule over `acme/*` does."""
    with Session(engine) as session:

        def ask(rows: list[RepositoryRow]) -> object:
            scope = Scope(repos=tuple(row.repo for row in rows))
            return read_completeness(session, scope, overview=RepositoryOverview(rows, [], {}))

        assert growth(ask, _rows, 2_000) < SUBQUADRATIC


def test_the_completeness_of_both_periods_is_that_of_each(engine: Engine) -> None:
    add_repository(engine)
    mark_complete(engine)
    window = Window(NOON - timedelta(days=7), NOON + timedelta(hours=1))
    store_runs(engine, *(run(number, created_at=NOON - timedelta(days=number)) for number in range(1, 20)))
    with Session(engine) as session:
        both = read_periods(session, Scope(), window)
        assert both.current == read_completeness(session, Scope(), window)
        assert both.previous == read_completeness(session, Scope(), window.before())
    assert [len(each.gaps) for each in (both.current, both.previous)] == [1, 1]
    assert both.current.gaps != both.previous.gaps
