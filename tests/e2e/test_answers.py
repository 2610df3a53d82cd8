"""From what needs attention to its cause, counted in clicks, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db.engine import make_engine
from db.migrate import upgrade
from tests.app.seeding import heartbeat, seed, slow_down
from tests.e2e.conftest import Tab, opened, served

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("answers")
    engine = make_engine(f"sqlite:///{folder / 'ui.db'}")
    upgrade(engine)
    seeded = seed(engine)
    slow_down(seeded)
    heartbeat(engine, seeded.now)
    with served(engine, folder / "streamlit.log") as address:
        yield address
    engine.dispose()


def _click(tab: Tab, link: "sync_api.Locator") -> int:
    link.first.click()
    return 1


def test_three_clicks_lead_from_what_needs_attention_to_the_commit_and_to_the_job(
    desktop: "sync_api.BrowserContext", slowed: str
) -> None:
    with opened(desktop, slowed) as tab:
        tab.go("/")
        tab.page.evaluate("window.sameDocument = true")
        sha = f"{8000:08x}" * 5
        clicks = _click(tab, tab.page.get_by_role("link", name="acme/web · CI is failing on main"))
        tab.see("Compare with the last success")
        region = tab.page.get_by_role("region", name="Why it failed")
        outside = region.get_by_role("link", name=f"Commit {sha[:7]} on GitHub")
        assert outside.get_attribute("href") == f"https://github.com/acme/web/commit/{sha}"
        assert (outside.get_attribute("target"), outside.get_attribute("rel")) == ("_blank", "noopener noreferrer")
        clicks += _click(tab, region.get_by_role("link", name=sha[:7], exact=True))
        tab.page.wait_for_url(f"**/runs?q={sha}*")
        tab.see("1 in the last 30d")
        assert tab.page.locator("[data-table=runs] tbody a[href='run?run_id=8000']").count() == 1
        assert clicks <= 3
        tab.page.go_back()
        clicks = 1 + _click(tab, tab.page.get_by_role("link", name="Compare with the last success"))
        tab.see("Compare runs")
        tab.see("by job, largest change first")
        assert clicks <= 3

        tab.go("/")
        tab.page.evaluate("window.sameDocument = true")
        clicks = _click(tab, tab.page.get_by_role("link", name="acme/web · Slow slowed down"))
        rows = tab.page.locator("[data-table=slowdown] tbody tr")
        rows.first.wait_for(timeout=30_000)
        assert [cell.strip() for cell in rows.nth(1).locator("td").all_inner_texts()[:4]][1:] == [
            "3m 00s",
            "10m 00s",
            "+7m 00s",
        ]
        clicks += _click(tab, tab.page.get_by_role("link", name="Compare with the run before"))
        step = tab.page.locator("[data-table=steps-0] tbody tr").first
        step.wait_for(timeout=30_000)
        assert "compile" in step.inner_text()
        assert "+7m 00s" in step.inner_text()
        assert clicks <= 3
        assert tab.page.evaluate("window.sameDocument")


def test_four_clicks_lead_to_the_failed_runs_of_an_afternoon_and_three_to_their_file(
    desktop: "sync_api.BrowserContext", slowed: str
) -> None:
    with opened(desktop, slowed) as tab:
        tab.go("/")
        failures = tab.page.locator("[data-figure=failures] b a")
        failed = failures.inner_text()
        clicks = _click(tab, failures)
        tab.page.wait_for_url("**/runs?*outcome=failure*")
        tab.see(f"{failed} in the last 30d")
        clicks += _click(tab, tab.page.get_by_role("button", name="Custom"))
        clicks += _click(tab, tab.page.get_by_role("textbox", name="Day and time"))
        tab.page.keyboard.type("yesterday 14-16")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_url(re.compile(r"/runs\?(?=.*outcome=failure).*dates="))
        assert clicks + 1 <= 4

        tab.go("/")
        clicks = _click(tab, failures)
        tab.see(f"{failed} in the last 30d")
        clicks += _click(tab, tab.page.get_by_role("button", name="Export"))
        with tab.page.expect_download() as download:
            clicks += _click(tab, tab.page.get_by_role("button", name="CSV"))
        lines = Path(download.value.path()).read_text().splitlines()
        assert len(lines) - 1 == int(failed)
        assert clicks <= 3
