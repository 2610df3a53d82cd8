"""The search over all logs in a real browser: keys, palette, results that lead to a line, and the way back."""

import re

from playwright.sync_api import expect

from tests.app.seeding import RERUN
from tests.e2e.conftest import Tab


def test_logs_are_searched_by_keyboard(wide: Tab) -> None:
    wide.go("/flaky")
    wide.page.evaluate("window.sameDocument = true")
    wide.page.keyboard.press("/")
    field = wide.page.get_by_label("Search the text of all logs")
    expect(field).to_be_focused(timeout=30_000)
    wide.page.keyboard.type("ONERROR=alert")
    wide.page.keyboard.press("Enter")
    expect(wide.page.locator(".ph-hit mark").first).to_have_text("onerror=alert", timeout=30_000)
    wide.page.wait_for_url("**/search?**text=ONERROR%3Dalert**")
    assert wide.page.locator(".ph-hits img").count() == 0
    wide.page.locator("a.ph-hit-line").first.click()
    wide.page.wait_for_url(re.compile(rf"/log\?run_id={RERUN}.*job_id=4.*line=\d+"))
    wide.settle()
    wide.page.get_by_label("Search the whole log").fill("error")
    link = wide.page.get_by_role("link", name="Search all logs")
    expect(link).to_be_visible()
    link.click()
    wide.page.wait_for_url("**/search?**text=error**")
    wide.see("with matches")
    wide.page.keyboard.press("Control+k")
    wide.page.keyboard.type("no such page, only in logs")
    expect(wide.page.get_by_role("option")).to_have_text(re.compile("^Search logs for “no such page, only in logs”"))
    wide.page.keyboard.press("Enter")
    wide.page.wait_for_url("**/search?**text=no+such+page**")
    wide.see("No log with matches")
    wide.see("all of them searched")
    assert wide.page.evaluate("window.sameDocument")
