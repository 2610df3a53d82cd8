"""The filter by team on the pages: what a team owns, names that no team has, saved views and kiosk mode."""

import pytest

from db.audit import COMMAND
from db.engine import session_scope, write_scope
from health.alerts.storage.stored_rules import list_rules
from health.teams.definition import team_key
from health.teams.service import save_team
from tests.app.conftest import Open
from tests.app.reading import everything
from tests.app.seeding import Seeded, heartbeat
from tests.app.test_filters import _warned

HOSTILE_TEAM = "<b>Web & co</b>"
TEAMS = {
    HOSTILE_TEAM: {"repositories": ["acme/web"]},
    "Deployers": {"workflows": ["acme/*: Deploy"]},
}


@pytest.fixture
def teams(seeded: Seeded) -> Seeded:
    with write_scope(seeded.engine) as session:
        for name, fields in TEAMS.items():
            save_team(session, name, fields, seeded.now, actor=COMMAND)
    heartbeat(seeded.engine, seeded.now)
    return seeded


def _team(page: object) -> object:
    return next((box for box in page.multiselect if box.label == "Team"), None)  # type: ignore[attr-defined]


def test_without_teams_there_is_no_filter(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs")
    assert _team(page) is None
    assert "ph-my-team" not in everything(page)


def test_a_page_shows_what_the_team_owns(teams: Seeded, open_page: Open) -> None:
    page = open_page("runs", team=HOSTILE_TEAM.upper())
    assert list(page.multiselect(key="team").value) == [HOSTILE_TEAM]
    shown = everything(page)
    assert "acme/web" in shown
    assert "acme/api" not in shown.partition("ph-table")[2]
    assert 'data-my-team="&lt;b&gt;Web &amp; co&lt;/b&gt;"' in shown
    assert page.multiselect(key="repo").options == ["acme/web"]
    assert page.multiselect(key="team").options == [HOSTILE_TEAM, "Deployers", "No team"]
    # The filter stays for other pages, and its removal shows all repositories.
    page.multiselect(key="team").set_value([]).run()
    assert "team" not in page.query_params
    assert "acme/api" in everything(page)


def test_what_no_team_owns(teams: Seeded, open_page: Open) -> None:
    """Of acme/api a team owns one workflow; the other one has no team."""
    page = open_page(team="none")
    shown = everything(page).partition("ph-table")[2]
    assert "acme/api" in shown
    assert "acme/web" not in shown


def test_unknown_teams_are_reported(teams: Seeded, open_page: Open) -> None:
    page = open_page("runs", team=["Deployers", "Wbe"])
    assert "There is no team Wbe; it is ignored." in _warned(page)
    page = open_page("runs", team="Wbe")
    assert "Team Wbe not found" in everything(page)
    assert "ph-table" not in everything(page)
    assert 'data-unknown-team="Wbe"' in everything(page)


def test_the_alerts_page_and_kiosk_mode_accept_a_team(teams: Seeded, open_page: Open) -> None:
    page = open_page("alerts", team="deployers")
    assert not page.exception
    assert list(page.multiselect(key="team").value) == ["Deployers"]
    page = open_page(team=HOSTILE_TEAM, wall="1")
    assert not page.exception
    assert "acme/api" not in everything(page)


def test_a_rule_is_limited_to_teams_in_its_form(teams: Seeded, open_page: Open) -> None:
    page = open_page("alerts", show="rules", rule="new")
    field = next(box for box in page.multiselect if box.label == "Teams")
    assert field.options == [HOSTILE_TEAM, "Deployers", "No team"]
    field.set_value([team_key("Deployers")]).run()
    page.button(key="rule-save").click().run()
    with session_scope(teams.engine) as session:
        assert [rule.teams for rule in list_rules(session) if not rule.built_in] == [("deployers",)]
    assert "Deployers" in everything(open_page("alerts", show="rules"))
