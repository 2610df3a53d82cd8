"""The Teams page in a real browser: a team is created with the keyboard, changed and deleted; the list leads to the
Overview of the team."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete

from db.engine import session_scope, write_scope
from db.models import AuditEvent, StoredTeam, TeamRepository
from health.teams.definition import check_team
from health.teams.service import get_team, refresh_ownership, store_file_teams
from tests.app.seeding import HOSTILE, Seeded
from tests.e2e.conftest import MAX_SHIFT, Tab
from tests.e2e.test_pages import violations


@pytest.fixture
def teams(seeded: Seeded) -> Iterator[None]:
    """A team of TEAMS_FILE with hostile texts, for the time of a test."""
    web = check_team("Web <b>&", {"repositories": ["acme/web"], "description": HOSTILE, "members": ["ann"]})
    with write_scope(seeded.engine) as session:
        store_file_teams(session, [web], seeded.now)
        refresh_ownership(session)
    yield
    with write_scope(seeded.engine) as session:
        for model in (StoredTeam, TeamRepository, AuditEvent):
            session.execute(delete(model))


def test_teams_are_listed_and_the_page_is_accessible(tab: Tab, teams: None) -> None:
    tab.go("/teams")
    tab.see("Repositories without a team")
    assert (tab.overflow, tab.cut) == (0, [])
    assert tab.shift <= MAX_SHIFT, tab.moved
    assert violations(tab) == []
    tab.page.get_by_role("link", name="Edit").first.click()
    dialog = tab.page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox", name="Description")).to_be_disabled()
    expect(dialog.get_by_text("Fields that TEAMS_FILE sets are read-only here")).to_be_visible()
    tab.settle()
    assert violations(tab) == []


def test_a_team_is_created_changed_and_deleted(wide: Tab, seeded: Seeded, teams: None) -> None:
    page = wide.page
    wide.go("/teams?period=7d")
    page.get_by_role("button", name="New team").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("API")
    dialog.get_by_role("combobox", name="Repositories").fill("acme/api*")
    page.keyboard.press("Enter")
    # Closes the list of options, which hides everything else.
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Create team").click()
    expect(dialog).to_have_count(0)
    row = page.locator("[data-table=teams] tbody tr", has_text="API")
    expect(row).to_contain_text("dashboard")
    expect(page.get_by_text("Repositories without a team")).to_have_count(0)
    row.get_by_role("link", name="Edit").click()
    page.wait_for_url("**/teams?*edit=API*")
    dialog.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete team").click()
    expect(dialog).to_have_count(0)
    expect(row).to_have_count(0)
    with session_scope(seeded.engine) as session:
        assert get_team(session, "API") is None
    page.get_by_role("link", name="Web <b>&", exact=True).click()
    page.wait_for_url("**/?team=Web+%3Cb%3E%26*")
    expect(page.get_by_role("heading", name="Success rate")).to_be_visible()
