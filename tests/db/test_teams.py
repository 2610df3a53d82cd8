"""Teams as they are stored, and what they own, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from db.audit import Actor, AuditFilter, audit_page
from db.definitions.records import WorkflowRecord
from db.definitions.scope import Scope
from db.engine import session_scope, write_scope
from db.enums import ActorKind, Origin, TeamSource
from db.models import CodeownersFile, TeamRepository
from health.teams.definition import TeamDefinition, check_team
from health.teams.service import (
    InvalidTeam,
    Person,
    Unowned,
    delete_team,
    get_team,
    list_teams,
    narrow,
    owned_by_team,
    owners_of,
    refresh_ownership,
    save_team,
    store_file_teams,
    store_github_teams,
    unowned,
    visible_repositories,
)
from tests.builders import NOON, REPO, add_repository

LATER = NOON + timedelta(hours=1)
ANN = Actor("ann@example.com", ActorKind.USER, Origin.DASHBOARD)
CI = WorkflowRecord(5, "CI", ".github/workflows/ci.yml", "active")
PAY = WorkflowRecord(6, "Payments deploy", ".github/workflows/payments.yml", "active")


@pytest.fixture
def repositories(engine: Engine) -> Engine:
    for number, name in enumerate(("acme/web", "acme/ledger", "acme/mono", "acme/lonely"), start=1):
        workflows = replace(CI, id=number * 10), replace(PAY, id=number * 10 + 1)
        add_repository(engine, replace(REPO, id=number, full_name=name), *workflows)
    return engine


def save(engine: Engine, name: str, **fields: object) -> None:
    with write_scope(engine) as session:
        save_team(session, name, fields, NOON, actor=ANN)


def test_a_team_is_saved_changed_and_deleted_with_a_trail(repositories: Engine) -> None:
    save(repositories, "Payments", repositories=["acme/ledger"])
    save(repositories, "PAYMENTS", repositories=["acme/l*"], private=True)
    with session_scope(repositories) as session:
        (team,) = list_teams(session)
        assert (team.name, team.repositories, team.private) == ("PAYMENTS", ("acme/l*",), True)
        assert owned_by_team(session)["payments"].repositories == ["acme/ledger", "acme/lonely"]
    with write_scope(repositories) as session:
        assert delete_team(session, "payments", LATER, actor=ANN)
        assert not delete_team(session, "payments", LATER, actor=ANN)
        assert (list_teams(session), get_team(session, "Payments")) == ([], None)
        assert session.scalars(select(TeamRepository.team_key)).all() == []
        events = audit_page(session, AuditFilter()).items
    assert [(event.action, event.actor, event.subject_id) for event in events] == [
        ("deleted", ANN.name, "payments"),
        ("changed", ANN.name, "payments"),
        ("created", ANN.name, "payments"),
    ]
    assert events[1].before == {"name": "Payments", "repositories": ["acme/ledger"], "private": None}


def test_a_field_of_the_file_is_changed_only_there(repositories: Engine) -> None:
    file = check_team("Payments", {"repositories": ["acme/ledger"]})
    with write_scope(repositories) as session:
        assert store_file_teams(session, [file], NOON)
        assert not store_file_teams(session, [file], LATER)
        team = save_team(session, "payments", {"repositories": ["acme/ledger"], "digest": True}, LATER, actor=ANN)
        assert (team.name, team.digest) == ("Payments", True)
        assert team.sources == {"repositories": TeamSource.FILE, "digest": TeamSource.DASHBOARD}
        with pytest.raises(InvalidTeam, match="repositories: TEAMS_FILE sets it for the team Payments"):
            save_team(session, "payments", {"repositories": ["acme/*"]}, LATER, actor=ANN)
        assert delete_team(session, "payments", LATER, actor=ANN)
        with pytest.raises(InvalidTeam, match="the team Payments is defined in TEAMS_FILE; delete it there"):
            delete_team(session, "payments", LATER, actor=ANN)
        assert store_file_teams(session, [], LATER)
        assert list_teams(session) == []


def test_teams_of_github_are_replaced(repositories: Engine) -> None:
    with write_scope(repositories) as session:
        store_github_teams(session, [TeamDefinition("web", {"repositories": ["acme/web"]})], NOON)
        store_github_teams(session, [TeamDefinition("core", {"repositories": ["acme/web"]})], NOON)
        assert refresh_ownership(session)
        assert not refresh_ownership(session)
        assert [team.name for team in owners_of(session, 1)] == ["core"]
        with pytest.raises(InvalidTeam, match="is defined in GitHub"):
            delete_team(session, "core", LATER, actor=ANN)


def test_a_workflows_own_team_comes_before_that_of_the_repository(repositories: Engine) -> None:
    save(repositories, "Platform", repositories=["acme/mono"])
    save(repositories, "Payments", workflows=["acme/mono: Payments *"])
    with session_scope(repositories) as session:
        assert [team.name for team in owners_of(session, 3, 31)] == ["Payments"]
        assert [team.name for team in owners_of(session, 3, 30)] == ["Platform"]
        assert [team.name for team in owners_of(session, 3)] == ["Platform"]
        assert owners_of(session, 4) == []
        assert unowned(session).repositories == ("acme/ledger", "acme/lonely", "acme/web")


def test_a_scope_is_limited_to_what_teams_own(repositories: Engine) -> None:
    save(repositories, "Platform", repositories=["acme/web", "acme/ledger"])
    save(repositories, "Payments", repositories=["acme/ledger"], workflows=["acme/mono: Payments *"])
    with session_scope(repositories) as session:
        events = Scope(events=("push",))
        assert narrow(session, events, ()) == events
        assert narrow(session, events, ["PLATFORM"]) == Scope(repos=("acme/ledger", "acme/web"), events=("push",))
        assert narrow(session, Scope(repos=("acme/web", "acme/mono")), ["platform"]).repos == ("acme/web",)
        payments = narrow(session, Scope(), ["payments"])
        assert (payments.repos, payments.workflows) == (("acme/ledger", "acme/mono"), ("20", "21", "31"))
        assert narrow(session, Scope(workflows=("CI", "31")), ["payments"]).workflows == ("20", "31")
        none = narrow(session, Scope(), ["none"])
        assert (none.repos, none.workflows) == (("acme/lonely", "acme/mono"), ("30", "40", "41"))
        for scope, team in (
            (Scope(repos=("acme/mono",)), "platform"),
            (Scope(), "missing"),
            (Scope(workflows=("nothing",)), "payments"),
        ):
            assert narrow(session, scope, [team]).repos == ("/",)


def test_repositories_of_private_teams_are_hidden_from_others(repositories: Engine) -> None:
    ann, ben = Person(frozenset({"Ann@example.com"})), Person(frozenset({"ben", "web-group"}))
    with session_scope(repositories) as session:
        assert visible_repositories(session, ann) is None
    save(repositories, "Payments", repositories=["acme/ledger", "acme/mono"], members=["ann@EXAMPLE.com"], private=True)
    save(repositories, "Web", repositories=["acme/web", "acme/mono"], members=["web-group"])
    with session_scope(repositories) as session:
        assert visible_repositories(session, ann) is None
        assert visible_repositories(session, ben) == {1, 3, 4}
        assert visible_repositories(session, Person()) == {1, 4}
        assert visible_repositories(session, Person(is_admin=True)) is None
        assert visible_repositories(session, Person(team_keys=frozenset({"Web"}))) == {1, 3}
        assert visible_repositories(session, Person(repositories=("acme/l*",))) == {2, 4}
        assert visible_repositories(session, Person(team_keys=frozenset({"missing"}))) == set()


def test_codeowners_files_assign_teams_and_unreadable_ones_are_unknown(repositories: Engine) -> None:
    save(repositories, "Payments", owners=["@acme/payments"])
    with session_scope(repositories) as session:
        assert unowned(session).unknown == ("acme/ledger", "acme/lonely", "acme/mono", "acme/web")
    content = "* @acme/platform\n/.github/workflows/payments.yml @acme/Payments\n"
    with write_scope(repositories) as session:
        for repository_id, state in ((1, "absent"), (2, "unreadable"), (3, "read")):
            text = content if state == "read" else None
            session.add(CodeownersFile(repository_id=repository_id, state=state, content=text, checked_at=NOON))
        session.flush()
        assert refresh_ownership(session)
        assert [team.name for team in owners_of(session, 3, 31)] == ["Payments"]
        assert owners_of(session, 3, 30) == []
        assert unowned(session) == Unowned(("acme/web",), ("acme/ledger", "acme/lonely"))
        assert narrow(session, Scope(), ["none"]).repos == ("acme/mono", "acme/web")
