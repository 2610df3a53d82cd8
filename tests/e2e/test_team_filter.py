"""The filter by team and the team of a browser, on a wide screen and on a phone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from db.audit import COMMAND
from db.engine import make_engine, write_scope
from health.teams.service import save_team
from tests.app.seeding import seed
from tests.e2e.conftest import opened, served
from tests.e2e.test_palette import ask

TEAM = "Web & <co>"
IN_URL = "team=Web\\+%26\\+%3Cco%3E"


@pytest.fixture(scope="module")
def address_with_teams(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[str]:
    """A dashboard of its own: a page without teams has no filter by team."""
    folder = tmp_path_factory.mktemp("teams")
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_template, folder / 'ui.db')}")
    seeded = seed(engine)
    with write_scope(engine) as session:
        save_team(session, TEAM, {"repositories": ["acme/web"]}, seeded.now, actor=COMMAND)
        save_team(session, "Deployers", {"workflows": ["acme/*: Deploy"]}, seeded.now, actor=COMMAND)
    with served(engine, folder / "streamlit.log") as address:
        yield address
    engine.dispose()


@pytest.mark.parametrize("context", ["desktop", "phone"])
def test_the_team_of_a_browser_is_set_applied_and_cleared(
    request: pytest.FixtureRequest, address_with_teams: str, context: str
) -> None:
    with opened(request.getfixturevalue(context), address_with_teams) as tab:
        tab.go("/")
        button = tab.page.locator("button.ph-my-team")
        expect(button).to_have_count(1)
        expect(button).to_be_hidden()
        ask(tab, "web co", TEAM)
        expect(tab.page.get_by_role("option").first).to_contain_text("Team")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_url(re.compile(IN_URL))
        tab.settle()
        expect(tab.page.locator("[data-tag]").first).to_have_text(re.compile(re.escape(TEAM)))
        expect(button).to_have_attribute("aria-pressed", "false")
        button.click()
        expect(button).to_have_text("★ My team")
        expect(button).to_have_attribute("aria-pressed", "true")
        assert tab.overflow <= 0
        # Applied before the first page is loaded: the document is not loaded twice, and never without the team.
        tab.go("/")
        assert re.search(rf"/\?{IN_URL}$", tab.page.url)
        assert tab.page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"
        expect(button).to_have_text("★ My team")
        expect(tab.page.locator("main, [data-testid=stMain]").get_by_text("acme/api")).to_have_count(0)
        # A link with any filter is shown as it is; the button leads back to the team.
        tab.go("/runs?repo=acme%2Fapi")
        assert "team=" not in tab.page.url
        expect(button).to_have_attribute("title", f"Show {TEAM}")
        expect(button).to_have_text("My team")
        button.click()
        tab.page.wait_for_url(re.compile(f"repo=acme%2Fapi&{IN_URL}"))
        tab.settle()
        expect(button).to_have_text("★ My team")
        button.click()
        expect(button).to_have_text("☆ My team")
        tab.go("/")
        assert "team" not in tab.page.url
        expect(button).to_be_hidden()
