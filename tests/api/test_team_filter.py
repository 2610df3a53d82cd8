"""The filter `team` of every list and figure: whole repositories, single workflows, and what no team owns."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from db.audit import COMMAND
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.visibility import restrict
from health.alerts.rules.targets import Patterns
from health.alerts.storage.silences import add_silence
from health.metrics.team_groups import largest_team_groups
from health.teams.service import save_team
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import REPO, WORKFLOW, add_repository, run, store_runs
from tests.kept import Kept

API = RepositoryRecord(2, "acme/api", "main", True, False, "")
DOCS = RepositoryRecord(3, "acme/docs", "main", True, False, "")
TEAMS = {
    "Web": {"repositories": ["acme/web"]},
    "Core": {"repositories": ["acme/web"], "workflows": ["acme/api: Deploy"]},
    "Empty": {"repositories": ["acme/none"]},
}
# Runs by repository and workflow: web CI 1–4, web Deploy 5 and 6, api CI 11–13, api Deploy 14 and 15, docs 21.
OWNED = {
    "web": {1, 2, 3, 4, 5, 6},
    "CORE": {1, 2, 3, 4, 5, 6, 14, 15},
    "none": {11, 12, 13, 21},
    "empty": set(),
}


def fill(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", "d.yml", "active"))
    add_repository(
        engine, API, WorkflowRecord(7, "CI", "ci.yml", "active"), WorkflowRecord(8, "Deploy", "d.yml", "active")
    )
    add_repository(engine, DOCS, WorkflowRecord(9, "CI", "ci.yml", "active"))
    deploy = {"workflow_id": 6, "workflow_name": "Deploy"}
    store_runs(
        engine, *(run(number, minutes=-number, seconds=number * 10) for number in (1, 2, 3)),
        run(4, minutes=-4, conclusion="failure"), run(5, minutes=-5, seconds=500, **deploy),
        run(6, minutes=-3 * 24 * 60, conclusion="failure", **deploy),
    )  # fmt: skip
    of_api = [run(number, minutes=-number, seconds=number, workflow_id=7) for number in (11, 12, 13)]
    deploy = {"workflow_id": 8, "workflow_name": "Deploy"}
    of_api += [run(14, minutes=-10, seconds=700, **deploy), run(15, minutes=-9, conclusion="failure", **deploy)]
    store_runs(engine, *of_api, repository_id=2)
    store_runs(engine, run(21, workflow_id=9), repository_id=3)
    with write_scope(engine) as session:
        for name, fields in TEAMS.items():
            save_team(session, name, fields, NOW, actor=COMMAND)


@pytest.fixture
def teams(make_client: MakeClient, engine: Engine, kept: Kept) -> TestClient:
    kept.fill(engine, fill)
    return make_client(api_rate_limit="none")


def _runs(client: TestClient, **parameters: Any) -> set[int]:
    answer = client.get("/api/runs", params=parameters)
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["items"]}


@pytest.mark.parametrize("team", OWNED)
def test_lists_figures_and_exports_are_of_what_the_team_owns(teams: TestClient, team: str) -> None:
    owned, parameters = OWNED[team], {"team": team, "since": "30d"}
    assert _runs(teams, **parameters) == owned
    for path, total in (
        ("/api/metrics", lambda body: body["runs"]["total"]),
        ("/api/metrics/compare", lambda body: body["current"]["runs"]["total"]),
        ("/api/metrics/series", lambda body: sum(point["runs"]["total"] for point in body["points"])),
        ("/api/metrics/groups", lambda body: sum(item["runs"]["total"] for item in body["items"])),
    ):
        by = {"by": "workflow"} if path.endswith("groups") else {}
        # Shorter windows are read from runs, longer ones from roll-ups.
        for since, numbers in (("30d", owned), ("1d", owned - {6})):
            body = teams.get(path, params={**parameters, **by, "since": since}).json()
            assert total(body) == len(numbers), (path, since)
    lines = teams.get("/api/export/runs", params={**parameters, "format": "ndjson"}).text.splitlines()
    assert len(lines) == len(owned)


def test_the_filter_is_intersected_with_repositories_and_workflows(teams: TestClient) -> None:
    assert _runs(teams, team=["web", "none"]) == OWNED["web"] | OWNED["none"]
    assert _runs(teams, team="core", repo="acme/api") == {14, 15}
    assert _runs(teams, team="core", workflow="Deploy") == {5, 6, 14, 15}
    assert _runs(teams, team="core", repo="acme/api", workflow="CI") == set()
    assert _runs(teams, team="web", repo="acme/docs") == set()
    assert _runs(teams, team="none", repo="acme/api") == {11, 12, 13}
    metrics = teams.get("/api/metrics", params={"team": "web", "repo": "acme/docs"}).json()
    assert (metrics["runs"]["total"], metrics["success_rate"]) == (0, None)


def test_an_unknown_team_is_an_error_that_names_the_known_ones(teams: TestClient) -> None:
    for path in (
        "/api/runs", "/api/metrics", "/api/alerts", "/api/alerts/silences", "/api/repositories", "/api/workflows",
        "/api/insights/attention", "/api/logs/search?q=x", "/api/badge/acme/web.svg",
    ):  # fmt: skip
        answer = teams.get(path + ("&" if "?" in path else "?") + "team=Wbe")
        assert answer.status_code == 422, path
        assert "there is no team 'Wbe'; known are Core, Empty, Web" in answer.text


def test_groups_by_team_count_shared_runs_in_each_team(teams: TestClient) -> None:
    parameters = {"by": "team", "since": "30d"}
    body = teams.get("/api/metrics/groups", params=parameters).json()
    assert [(item["key"], item["runs"]["total"]) for item in body["items"]] == [("Core", 8), ("Web", 6), ("none", 4)]
    assert (body["by"], body["total"], body["rest"]) == ("team", 3, None)
    for item in body["items"]:
        alone = teams.get("/api/metrics", params={"team": item["key"], "since": "30d"}).json()
        for name in ("runs", "success_rate", "duration_seconds", "recovery_seconds", "compute_seconds", "flaky_runs",
                     "infrastructure_failures", "failures_without_cause"):  # fmt: skip
            assert item[name] == alone[name], (item["key"], name)
    # What belongs to two teams of the rest counts once.
    rest = teams.get("/api/metrics/groups", params={**parameters, "limit": 1, "repo": "acme/web"}).json()
    assert ([item["key"] for item in rest["items"]], rest["rest"]["runs"]["total"], rest["total"]) == (["Core"], 6, 2)
    listed = teams.get("/api/metrics/groups", params={**parameters, "team": "web"}).json()["items"]
    assert [(item["key"], item["runs"]["total"]) for item in listed] == [("Web", 6)]


def test_repositories_workflows_and_badges_are_those_of_the_team(teams: TestClient) -> None:
    def names(path: str, key: str, **parameters: Any) -> list[str]:
        return [
            f"{item['repo']} {item.get(key, '')}".strip() for item in teams.get(path, params=parameters).json()["items"]
        ]

    assert names("/api/repositories", "", team="core") == ["acme/api", "acme/web"]
    assert names("/api/repositories", "", team="none") == ["acme/api", "acme/docs"]
    assert names("/api/repositories", "", team="empty") == []
    assert names("/api/workflows", "name", team="core") == ["acme/api Deploy", "acme/web CI", "acme/web Deploy"]
    assert names("/api/workflows", "name", team="core", repo="acme/api") == ["acme/api Deploy"]
    badges = [
        teams.get("/api/badge/acme/api.svg", params=team).text for team in ({}, {"team": "core"}, {"team": "none"})
    ]
    assert [badge.count("failing</text>") for badge in badges] == [1, 1, 0]


def test_alerts_and_silences_are_those_of_the_team(teams: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        for scope in (Patterns(("acme/web",)), Patterns(("acme/*",), ("Deploy",)), Patterns(("acme/docs",))):
            add_silence(
                session, scope, None, NOW, NOW + timedelta(hours=1), comment="", author="", now=NOW, actor=COMMAND
            )
    for team, expected in {"web": [1, 2], "core": [1, 2], "none": [3], "empty": []}.items():
        items = teams.get("/api/alerts/silences", params={"team": team}).json()["items"]
        assert sorted(item["id"] for item in items) == expected, team


def test_a_rule_names_teams_in_any_case(teams: TestClient) -> None:
    body = {"name": "Web", "kind": "consecutive_failures", "open_at": 1, "teams": ["WEB", "none", "Web"]}
    rule = teams.post("/api/alerts/rules", json=body).json()
    assert rule["teams"] == ["web", "none"]
    assert teams.get(f"/api/alerts/rules/{rule['id']}").json()["teams"] == ["web", "none"]
    replay = {
        team: teams.post("/api/alerts/rules/replay", json={**body, "teams": [team]}).json()["fired"]
        for team in ("web", "core", "empty", "none")
    }
    assert replay == {"web": 2, "core": 3, "empty": 0, "none": 0}
    answer = teams.put(f"/api/alerts/rules/{rule['id']}", json={**body, "teams": ["Wbe"]})
    assert answer.status_code == 422
    assert "teams: there is no team 'Wbe'" in answer.text


def test_groups_do_not_name_private_teams_that_the_caller_may_not_see(teams: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        save_team(session, "Web", {**TEAMS["Web"], "private": True}, NOW, actor=COMMAND)
        save_team(session, "Docs", {"repositories": ["acme/docs"]}, NOW, actor=COMMAND)
    with session_scope(engine) as session:
        restrict(session, frozenset({2, 3}))
        window = Window(NOW - timedelta(days=30), NOW)
        groups = largest_team_groups(session, Scope(), window, limit=9)
    assert [(group.key, group.metrics.runs.total) for group in groups.groups] == [("none", 3), ("Core", 2), ("Docs", 1)]
