"""Teams by the API: create, change, delete, and what a caller may see."""

from dataclasses import replace

from sqlalchemy import Engine, select

from db.engine import session_scope, write_scope
from db.models import AuditEvent
from db.visibility import restrict
from health.teams.definition import check_team
from health.teams.service import refresh_ownership, store_file_teams, visible_teams
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import REPO, WORKFLOW, add_repository

PAYMENTS = {
    "name": "Payments",
    "repositories": ["acme/led*"],
    "workflows": ["acme/web: CI"],
    "members": ["ann@example.com"],
    "channels": [{"channel": "oncall", "severities": ["critical"]}],
}


def add_repositories(engine: Engine) -> None:
    add_repository(engine)
    add_repository(engine, replace(REPO, id=2, full_name="acme/ledger"), replace(WORKFLOW, id=6))
    add_repository(engine, replace(REPO, id=3, full_name="acme/lonely"), replace(WORKFLOW, id=7))


def test_a_team_is_added_changed_and_deleted(client: TestClient, engine: Engine) -> None:
    add_repositories(engine)
    added = client.post("/api/teams", json=PAYMENTS)
    assert added.status_code == 201, added.text
    team = added.json()
    assert (team["name"], team["digest"], team["channels"]) == ("Payments", False, PAYMENTS["channels"])
    assert team["owned_repositories"] == ["acme/ledger"]
    assert team["owned_workflows"] == [{"repo": "acme/web", "id": 5, "name": "CI"}]
    assert set(team["sources"].values()) == {"dashboard"}
    assert client.post("/api/teams", json=PAYMENTS | {"name": "PAYMENTS"}).status_code == 409
    assert client.get("/api/teams").json() == {"items": [team], "unowned": ["acme/lonely"], "unknown": []}
    assert client.get("/api/teams/payments").json() == team

    changed = client.put("/api/teams/payments", json={"repositories": ["acme/*"], "digest": True}).json()
    assert (changed["name"], changed["digest"], changed["members"]) == ("Payments", True, [])
    assert changed["owned_repositories"] == ["acme/ledger", "acme/lonely", "acme/web"]
    assert client.delete("/api/teams/PAYMENTS").json() == changed
    for answer in (
        client.get("/api/teams/payments"),
        client.put("/api/teams/payments", json={}),
        client.delete("/api/teams/payments"),
    ):
        assert answer.status_code == 404, answer.text
    with session_scope(engine) as session:
        events = session.execute(select(AuditEvent.action, AuditEvent.origin, AuditEvent.subject_name)).all()
    assert [tuple(event) for event in events] == [
        ("created", "api", "Payments"),
        ("changed", "api", "Payments"),
        ("deleted", "api", "Payments"),
    ]


def test_invalid_fields_are_named(client: TestClient) -> None:
    for body, parameter in (
        ({"name": "none"}, "name"),
        ({"name": "A", "repositories": ["web"]}, "repositories"),
        ({"name": "A", "owners": ["acme"]}, "owners"),
        ({"name": "A", "channels": [{"channel": "a"}, {"channel": "a"}]}, "channels"),
        ({"name": "A", "repos": []}, "repos"),
    ):
        answer = client.post("/api/teams", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["parameter"] == parameter


def test_fields_of_the_file_are_not_changed(client: TestClient, engine: Engine) -> None:
    add_repositories(engine)
    with write_scope(engine) as session:
        store_file_teams(session, [check_team("A/B", {"repositories": ["acme/web"]})], NOW)
        refresh_ownership(session)
    added = client.post("/api/teams", json={"name": "a/b", "members": ["octocat"]}).json()
    assert (added["name"], added["members"], added["owned_repositories"]) == ("A/B", ["octocat"], ["acme/web"])
    assert added["sources"] == {"repositories": "file", "members": "dashboard"}
    refused = client.put("/api/teams/A%2FB", json={"repositories": ["acme/*"]})
    assert refused.json()["errors"][0] == {
        "parameter": "repositories",
        "message": "TEAMS_FILE sets it for the team A/B; change it there",
    }
    assert client.delete("/api/teams/A%2FB").status_code == 200
    refused = client.delete("/api/teams/A%2FB")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "The team A/B is defined in TEAMS_FILE; delete it there.",
    )


def test_only_admins_change_teams(make_client: MakeClient, engine: Engine) -> None:
    client = make_client(api_keys="k" * 16)
    assert client.post("/api/teams", json=PAYMENTS).status_code == 401
    allowed = client.post("/api/teams", json=PAYMENTS, headers={"Authorization": f"Bearer {'k' * 16}"})
    assert allowed.status_code == 201
    with session_scope(engine) as session:
        assert session.scalar(select(AuditEvent.actor)) == "API_KEYS key 1"


def test_private_teams_are_hidden_from_sessions_that_see_none_of_their_repositories(
    client: TestClient, engine: Engine
) -> None:
    add_repositories(engine)
    client.post("/api/teams", json=PAYMENTS | {"private": True, "workflows": []})
    client.post("/api/teams", json={"name": "Web", "repositories": ["acme/web"]})
    for visible, names in (({1, 3}, ["Web"]), ({2}, ["Payments", "Web"])):
        with session_scope(engine) as session:
            restrict(session, frozenset(visible))
            assert [team.name for team in visible_teams(session)] == names
