"""Names and numbers that the command palette finds, on both databases."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, update

from db.definitions.records import WorkflowRecord
from db.engine import session_scope, write_scope
from db.models import Repository
from db.repositories.name_search import search_repositories, search_runs, search_workflows
from tests.builders import REPO, add_repository, run, store_runs

REPOS = ("acme/web", "acme/web-console", "acme/service-13", "acme/service-130", "acme/api_gateway", "acme/Grüße")


@pytest.fixture
def named(engine: Engine) -> Engine:
    for number, name in enumerate(REPOS, start=1):
        workflows = [
            WorkflowRecord(number * 10 + place, word, f"{place}.yml", "active")
            for place, word in enumerate(("CI", "Deploy 100%", "Circular build"))
        ]
        add_repository(engine, replace(REPO, id=number, full_name=name), *workflows)
    add_repository(engine, replace(REPO, id=99, full_name="acme/web-gone"))
    with write_scope(engine) as session:
        session.execute(update(Repository).where(Repository.id == 99).values(monitored=False))
    store_runs(engine, run(7, workflow_id=10, run_number=14168), run(8, workflow_id=11, workflow_name="Deploy 100%"))
    store_runs(engine, run(9, workflow_id=20, run_number=14168, minutes=5), repository_id=2)
    return engine


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("web", ["acme/web", "acme/web-console"]),
        ("WEB", ["acme/web", "acme/web-console"]),
        ("console web", ["acme/web-console"]),
        ("svc13", ["acme/service-13", "acme/service-130"]),
        ("13", ["acme/service-13", "acme/service-130"]),
        ("grüße", ["acme/Grüße"]),
        ("GRÜ", ["acme/Grüße"]),
        ("i_g", ["acme/api_gateway"]),
        ("%", []),
        ("web/", []),
        ("", sorted(REPOS, key=lambda name: (len(name), name.lower()))),
    ],
)
def test_repositories_are_found_by_parts_and_abbreviations(named: Engine, words: str, expected: list[str]) -> None:
    with session_scope(named) as session:
        assert search_repositories(session, words.lower().split(), 9) == expected


@pytest.mark.parametrize(
    ("words", "first", "count"),
    [
        ("web ci", ("acme/web", "CI"), 4),
        ("ci web-console", ("acme/web-console", "CI"), 2),
        ("wdep", ("acme/web", "Deploy 100%"), 3),
        ("100%", ("acme/web", "Deploy 100%"), 6),
        ("svc13 ci", ("acme/service-13", "CI"), 6),
        ("svc13 100", ("acme/service-13", "Deploy 100%"), 2),
    ],
)
def test_workflows_are_found_with_their_repository(
    named: Engine, words: str, first: tuple[str, str], count: int
) -> None:
    with session_scope(named) as session:
        rows = search_workflows(session, words.split(), 40)
        assert (rows[0].repo, rows[0].name) == first
        assert len(rows) == count
        assert len(search_workflows(session, words.split(), 1)) == 1


def test_runs_are_found_by_number_id_and_commit(named: Engine) -> None:
    with session_scope(named) as session:
        assert [row.id for row in search_runs(session, [], number=14168, limit=9)] == [9, 7]
        assert [row.id for row in search_runs(session, ["console"], number=14168, limit=9)] == [9]
        assert [row.id for row in search_runs(session, ["web", "ci"], number=14168, limit=1)] == [9]
        assert [row.id for row in search_runs(session, ["deploy"], number=8, limit=9)] == [8]
        assert [row.id for row in search_runs(session, [], sha=f"{8:040X}"[:40], limit=9)] == [8]
        assert search_runs(session, [], number=10**18 - 1, limit=9) == []


def test_letters_within_one_name_come_before_letters_across_two(named: Engine) -> None:
    add_repository(
        named, replace(REPO, id=50, full_name="acme/service-1"), WorkflowRecord(500, "Build 3", "b", "active")
    )
    with session_scope(named) as session:
        (first, *_, last) = search_workflows(session, ["svc13", "build"], 40)
        assert (first.repo, last.repo) == ("acme/service-13", "acme/service-1")
