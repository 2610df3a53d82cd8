"""CODEOWNERS files and teams of the simulator, and the teams of the demo as the collector reads them."""

import base64
from pathlib import Path

import requests
from sqlalchemy import Engine

from collector.bootstrap import make_client, make_collector
from collector.commands import CollectorCommands
from collector.settings import CollectorSettings
from db.engine import session_scope
from db.repositories.codeowners_files import unreadable_codeowners
from demo.world.model import Team
from health.teams.service import list_teams, owned_by_team, unowned
from tests.demo.conftest import REPO, Clock, Serve, Site
from tests.simulator.world import EditableWorld, acme_world

ROOT = Path(__file__).parents[2]


def test_files_of_the_default_branch(site: Site) -> None:
    repository = site.world.repositories[REPO]
    assert site.get(f"/repos/{REPO}/contents/CODEOWNERS").status_code == 404
    small, large = b"* @acme/web\n", b"#" * 1_000_001
    site.world.contents[repository.id, "CODEOWNERS"] = small
    site.world.contents[repository.id, ".github/CODEOWNERS"] = large
    answer = site.json(f"/repos/{REPO}/contents/CODEOWNERS")
    assert (answer["encoding"], base64.b64decode(answer["content"]), answer["size"]) == ("base64", small, len(small))
    answer = site.json(f"/repos/{REPO}/contents/.github/CODEOWNERS")
    assert (answer["encoding"], answer["content"], answer["size"]) == ("none", "", len(large))
    blob = site.json(answer["git_url"])
    assert (blob["sha"], base64.b64decode(blob["content"])) == (answer["sha"], large)
    assert site.get(f"/repos/{REPO}/git/blobs/0123").status_code == 404
    assert site.get(f"/repositories/{repository.id}/contents/docs/CODEOWNERS").status_code == 404


def test_teams_with_repositories_and_members(clock: Clock, serve: Serve) -> None:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    members = tuple(f"user{number}" for number in range(31))
    world.teams["acme"] = [Team(1, "web", "Web", "The site", {REPO: "write", "acme/gone": "admin"}, members)]
    site = serve(world)
    (team,) = site.json("/orgs/acme/teams")
    assert (team["slug"], team["name"], team["description"], team["privacy"]) == ("web", "Web", "The site", "closed")
    (repository,) = site.json("/orgs/Acme/teams/web/repos")
    assert (repository["full_name"], repository["role_name"]) == (REPO, "write")
    assert repository["permissions"] == {
        "pull": True, "triage": True, "push": True, "maintain": False, "admin": False,
    }  # fmt: skip
    answer = site.get("/orgs/acme/teams/web/members")
    assert len(answer.json()) == 30
    assert len(requests.get(answer.links["next"]["url"], timeout=10).json()) == 1
    for path in ("/orgs/other/teams", "/orgs/acme/teams/other/repos", "/orgs/acme/teams/other/members"):
        assert site.get(path).status_code == 404


def test_the_demo_has_twelve_teams_an_unowned_repository_and_an_unreadable_file(
    clock: Clock, serve: Serve, engine: Engine, database_url: str
) -> None:
    site = serve(acme_world(start=clock.now, days=1, clock=clock))
    settings = CollectorSettings.load(
        database_url=database_url, demo_github_url=site.url, demo_teams_file=str(ROOT / "demo" / "teams.yaml"),
        backfill_days=1, collect_logs="none",
    )  # fmt: skip
    collector = make_collector(settings, engine, make_client(settings), is_command=True)
    assert CollectorCommands(collector).sync_once().is_complete
    with session_scope(engine) as session:
        names = [team.name for team in list_teams(session)]
        owned = owned_by_team(session)
        missing = unowned(session)
        (unreadable,) = unreadable_codeowners(session)
    assert names == [
        "Checkout", "Data", "Delivery", "Gateway", "Integrations", "Ledger", "Payments", "Platform", "Quality",
        "Reliability", "Security", "Storefront",
    ]  # fmt: skip
    assert (missing.repositories, missing.unknown) == (("acme/mobile-app",), ("acme/data-platform",))
    assert (unreadable.repo, unreadable.error) == ("acme/data-platform", "it is not UTF-8 text")
    assert owned["storefront"].repositories == ["acme/web-app"]
    assert owned["gateway"].repositories == ["acme/api-gateway"]
    assert {(repo, name) for repo, _, name in owned["security"].workflows} == {("acme/web-app", "CodeQL")}
    assert {(repo, name) for repo, _, name in owned["delivery"].workflows} == {("acme/api-gateway", "Release")}
    # Every team owns something, except the one whose CODEOWNERS file cannot be read.
    assert {name for name in names if name.casefold() not in owned} == {"Data"}
    assert requests.post(f"{site.url}/_notifications", json={}, timeout=10).status_code == 204
