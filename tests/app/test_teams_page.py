"""The Teams page: the list with figures, repositories without a team, and the dialog that changes a team."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from db.engine import session_scope, write_scope
from db.models import CodeownersFile
from health.teams.definition import Team, check_team
from health.teams.service import (
    get_team,
    list_teams,
    refresh_ownership,
    save_team,
    store_file_teams,
    store_github_teams,
)
from tests.app.conftest import Open
from tests.app.reading import everything, table
from tests.app.seeding import HOSTILE, Seeded
from tests.builders import ACTOR

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def store_file(engine: Engine, name: str, **fields: object) -> None:
    with write_scope(engine) as session:
        store_file_teams(session, [check_team(name, fields)], NOW)
        refresh_ownership(session)


def save(engine: Engine, name: str, **fields: object) -> None:
    with write_scope(engine) as session:
        save_team(session, name, fields, NOW, actor=ACTOR)


def team(engine: Engine, name: str) -> Team | None:
    with session_scope(engine) as session:
        return get_team(session, name)


def press(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


def test_teams_are_listed_with_what_they_own_and_their_figures(seeded: Seeded, open_page: Open) -> None:
    store_file(seeded.engine, "Web", repositories=["acme/web"], members=["ann"], description=HOSTILE, private=True)
    save(seeded.engine, "Deploys", workflows=["acme/api: Deploy"], channels=[{"channel": "x", "severities": ["info"]}])
    page = open_page("teams")
    deploys, web = table(page, "teams")
    assert web["Team"].links[0] == "./?team=Web"
    assert web["Team"].links[1:] == ["digest?team=Web", "teams?edit=Web"]
    assert (web["Repositories"].value, web["Workflows"].value, web["Members"].value) == ("1", "0", "1")
    assert int(web["Runs"].value) > 0
    assert float(web["Success rate"].value) < 1
    assert (web["Channels"].text, deploys["Channels"].text) == ("catch-all", "x (info)")
    assert (web["Defined in"].text, deploys["Defined in"].text) == ("TEAMS_FILE", "dashboard")
    assert "repositories: TEAMS_FILE" in everything(page)
    assert "<script>" not in everything(page)
    # Of acme/api a team owns a workflow, so that it is not listed as unowned.
    assert "Repositories without a team" not in everything(page)
    assert [row["Team"].value for row in table(open_page("teams", team=["web"]), "teams")] == ["Web"]


def test_repositories_without_a_team_and_unknown_owners_are_shown_apart(seeded: Seeded, open_page: Open) -> None:
    save(seeded.engine, "Core", owners=["@acme/core"])
    with write_scope(seeded.engine) as session:
        session.add(CodeownersFile(repository_id=1, state="unreadable", error="403", checked_at=NOW))
        session.add(CodeownersFile(repository_id=2, state="absent", checked_at=NOW))
    page = open_page("teams")
    rows = {row["Repository"].text: row["Owner"].value for row in table(page, "unowned")}
    assert rows == {"acme/web": "unknown", "acme/api": "no team"}
    assert "1 owned by no team · 1 with an unknown owner" in everything(page)
    assert "./?team=none" in everything(page)
    (row,) = table(page, "teams")
    assert (row["Runs"].text, row["Success rate"].text) == ("–", "–")


def test_a_team_is_created_changed_and_deleted(seeded: Seeded, open_page: Open) -> None:
    page = open_page("teams")
    assert "No teams yet" in everything(page)
    page = press(page, "new-team")
    page.text_input(key="team-name-new").input("Pay")
    page.text_input(key="team-description-new").input("Cards")
    page.multiselect(key="team-repositories-new").select("acme/api")
    page = press(page, "team-save")
    stored = team(seeded.engine, "pay")
    assert stored is not None
    assert (stored.name, stored.description, stored.repositories) == ("Pay", "Cards", ("acme/api",))
    assert set(stored.sources) == {"description", "repositories"}

    page = open_page("teams", edit="Pay")
    page.toggle(key="team-private-pay").set_value(True)
    page = press(page, "team-save")
    stored = team(seeded.engine, "pay")
    assert stored is not None
    assert stored.private

    page = press(open_page("teams", edit="pay"), "team-ask")
    assert team(seeded.engine, "pay") is not None
    press(page, "team-delete-now")
    assert team(seeded.engine, "pay") is None


def test_fields_of_the_file_are_read_only_and_unchanged_fields_of_github_remain(
    seeded: Seeded, open_page: Open
) -> None:
    store_file(seeded.engine, "Web", repositories=["acme/web"])
    with write_scope(seeded.engine) as session:
        store_github_teams(session, [check_team("web", {"members": ["octocat"], "repositories": ["acme/api"]})], NOW)
    page = open_page("teams", edit="Web")
    assert page.multiselect(key="team-repositories-web").disabled
    assert not page.multiselect(key="team-members-web").disabled
    assert "Fields that TEAMS_FILE sets are read-only" in everything(page)
    page.toggle(key="team-digest-web").set_value(True)
    press(page, "team-save")
    stored = team(seeded.engine, "web")
    assert stored is not None
    assert {name: str(source) for name, source in stored.sources.items()} == {
        "repositories": "file",
        "digest": "dashboard",
        "members": "github",
    }


def test_an_invalid_team_is_explained_and_unknown_names_are_reported(seeded: Seeded, open_page: Open) -> None:
    page = open_page("teams", new="1")
    page.text_input(key="team-name-new").input("none")
    page = press(page, "team-save")
    assert [error.value for error in page.error] == [
        r"Name\: none is the value of the filter for what no team owns; choose another name"
    ]
    with session_scope(seeded.engine) as session:
        assert list_teams(session) == []
    shown = everything(open_page("teams", edit="Nope")).replace("\\", "")
    assert "edit=Nope is ignored: this team does not exist or has been deleted." in shown


@pytest.mark.usefixtures("empty")
def test_teams_can_be_defined_before_there_are_runs(empty: Engine, open_page: Open) -> None:
    save(empty, "Web", repositories=["acme/*"])
    (row,) = table(open_page("teams"), "teams")
    assert (row["Repositories"].value, row["Runs"].text) == ("0", "–")
