"""How complete the data of a question are, of many repositories."""

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.scope import Scope
from db.repositories.repository_queries import RepositoryRow
from health.completeness.service import OVERVIEW_KEY, RepositoryOverview, completeness
from tests.builders import NOON
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
            session.info[OVERVIEW_KEY] = RepositoryOverview(rows, [], {})
            return completeness(session, Scope(repos=tuple(row.repo for row in rows)))

        assert growth(ask, _rows, 2_000) < SUBQUADRATIC
