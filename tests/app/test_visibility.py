"""Users of a login see the repositories of private teams only if they are members: in pages, routes and caches."""

import ast
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from app.data import names, status, viewer
from app.data.connection import read_session, reset_engine
from app.data.outages import DatabaseDown, serve_stale
from app.data.viewer import EVERYTHING, viewing
from db.audit import COMMAND
from db.engine import write_scope
from db.models import Repository
from db.repositories.repository_queries import known_repositories
from db.visibility import visibility_key, visibility_of
from health.teams.service import Person, save_team
from tests.app.seeding import Seeded

_APP = Path(__file__).parents[2] / "app"
# Caches of Streamlit without rows of repositories: engines, clocks, and stored logs that are looked up first.
_OTHER_CACHES = {"reader", "_require_schema", "_window_end", "_log_cache"}
MEMBER, OTHER = Person(frozenset({"ann@example.com"})), Person(frozenset({"bob@example.com"}))
HIDDEN = "acme/hidden"


@pytest.fixture
def private(seeded: Seeded, with_login: None, moment: datetime) -> Iterator[Seeded]:
    """One of the seeded repositories belongs to a private team of Ann."""
    with write_scope(seeded.engine) as session:
        name = sorted(known_repositories(session))[0]
        session.execute(update(Repository).where(Repository.full_name == name).values(full_name=HIDDEN))
        fields = {"private": True, "repositories": [HIDDEN], "members": ["ann@example.com"]}
        save_team(session, "Secret", fields, moment, actor=COMMAND)
    reset_engine()
    yield seeded
    reset_engine()


def test_every_cache_of_the_dashboard_is_by_visible_repositories() -> None:
    """A cache of Streamlit's own is shared by all users: `app.data.caching` separates them."""
    found = set()
    for file in sorted(_APP.rglob("*.py")):
        if file.name == "caching.py":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for decorator in getattr(node, "decorator_list", ()):
                if "st.cache_" in ast.unparse(decorator):
                    found.add(node.name)
                    assert node.name in _OTHER_CACHES, f"{file.name}: {node.name} must use app.data.caching"
    assert found == _OTHER_CACHES


def test_a_repository_of_a_private_team_is_read_for_members_and_administrators(private: Seeded) -> None:
    visible = {}
    for number, person in enumerate((MEMBER, OTHER, EVERYTHING, None, MEMBER)):
        with viewing(person):
            with read_session() as session:
                direct = set(known_repositories(session))
            cached = {row.repo for row in status.load_status().repositories}
            assert cached <= direct
            visible[number] = HIDDEN in cached, bool(cached), HIDDEN in names.search_names("hidden").repos
    yes, no, nothing = (True, True, True), (False, True, False), (False, False, False)
    assert list(visible.values()) == [yes, no, yes, nothing, yes]


def test_without_private_teams_all_users_share_caches(seeded: Seeded, with_login: None) -> None:
    reset_engine()
    keys = set()
    for person in (MEMBER, OTHER, EVERYTHING):
        with viewing(person):
            keys.add(visibility_key(viewer.current_visibility()))
    assert keys == {""}


def test_without_a_login_nothing_is_hidden(seeded: Seeded) -> None:
    with read_session() as session:
        assert visibility_of(session) is None


def test_results_of_an_outage_are_by_visible_repositories(private: Seeded) -> None:
    """During an outage a user sees what users with the same repositories saw last, nobody else's."""
    is_down = False

    @serve_stale
    def repositories() -> list[str]:
        if is_down:
            raise DatabaseDown
        with read_session() as session:
            return known_repositories(session)

    with viewing(MEMBER):
        assert HIDDEN in repositories()
    is_down = True
    with viewing(MEMBER):
        assert HIDDEN in repositories()
    with viewing(OTHER), pytest.raises(DatabaseDown):
        repositories()
