"""Known failure causes in a real browser: marked with the keyboard on the page of the cause, shown on the run page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from db.engine import session_scope, write_scope
from db.models import CauseTriage, JobLog
from health.insights.causes.identity import fingerprint
from health.insights.causes.stored_rules import list_rules
from tests.app.seeding import RERUN, SECRET_LINE, Seeded
from tests.e2e.conftest import Tab

CAUSE = fingerprint(SECRET_LINE) or ""


@pytest.fixture
def cause(seeded: Seeded) -> Iterator[str]:
    """A cause with the fingerprint of its line, as a collector stores it."""

    def set_fingerprint(value: str) -> None:
        with write_scope(seeded.engine) as session:
            session.get_one(JobLog, (1, 4)).fingerprint = value
            session.query(CauseTriage).delete()

    set_fingerprint(CAUSE)
    yield CAUSE
    set_fingerprint("f")


def stored_rules(seeded: Seeded) -> list[tuple[str, str]]:
    """The name and the pattern of each rule."""
    with session_scope(seeded.engine) as session:
        return [(rule.name, rule.pattern) for rule in list_rules(session)]


def test_a_cause_is_marked_as_known_with_the_keyboard(wide: Tab, cause: str) -> None:
    page = wide.page
    wide.go(f"/failures?cause={cause}")
    page.keyboard.press("Control+k")
    page.keyboard.type("triage")
    expect(page.get_by_role("option").first).to_contain_text("Mark failure cause as known")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    ticket = dialog.get_by_label("Ticket")
    expect(ticket).to_be_visible(timeout=30_000)
    ticket.focus()
    page.keyboard.type("javascript:alert(1)")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("Ticket: expected an http or https address", timeout=30_000)
    expect(ticket).to_have_value("javascript:alert(1)")
    ticket.fill("https://jira.example/browse/OPS-123")
    page.keyboard.press("Tab")
    page.keyboard.type("Platform <team>")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0, timeout=30_000)
    mark = page.locator(".ph-known")
    expect(mark).to_have_text("✓ known: OPS-123 ↗ · Platform <team>", timeout=30_000)
    page.locator(f"a[href*='run_id={RERUN}']").first.click()
    page.wait_for_url(f"**/run?run_id={RERUN}**")
    region = page.get_by_role("region", name="Why it failed")
    expect(region.locator(".ph-known a")).to_have_attribute("rel", "noopener noreferrer", timeout=30_000)
    page.get_by_role("button", name="Change known cause…").click()
    expect(dialog.get_by_label("Owner")).to_have_value("Platform <team>", timeout=30_000)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0, timeout=30_000)
    page.get_by_role("button", name="Change known cause…").click()
    dialog.get_by_role("button", name="No longer known").click()
    expect(page.get_by_role("button", name="Mark as known…")).to_be_visible(timeout=30_000)
    expect(mark).to_have_count(0)


def test_a_search_is_saved_as_a_rule_after_its_preview(wide: Tab, seeded: Seeded) -> None:
    page = wide.page
    wide.go("/search?text=ONERROR&regex=1&period=7d")
    page.get_by_role("link", name="Save as rule").click()
    page.wait_for_url("**/failures?show=rules&rule=new&text=ONERROR&regex=1**period=7d**")
    status = page.get_by_role("status").filter(has_text="failed job")
    expect(status).to_contain_text("1 failed job in 1 run", timeout=30_000)
    expect(page.locator(".ph-preview code").first).to_have_text(SECRET_LINE)
    assert page.locator(".ph-preview img").count() == 0
    pattern = page.get_by_label("Line contains", exact=True)
    pattern.fill("(onerror")
    pattern.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("invalid regular expression: missing )", timeout=30_000)
    page.get_by_role("button", name="Create rule").click()
    wide.settle()
    expect(page.get_by_role("alert")).to_contain_text("invalid regular expression: missing )")
    assert stored_rules(seeded) == []
    pattern.fill("onerror=alert")
    pattern.press("Enter")
    page.get_by_label("Name", exact=True).fill("Hostile <b>")
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.locator(".ph-preview h3").first).to_contain_text("“Hostile <b>” (1 job)", timeout=30_000)
    page.get_by_role("button", name="Create rule").click()
    row = page.get_by_role("row").filter(has_text="Hostile <b>")
    expect(row).to_contain_text("applying", timeout=30_000)
    assert "rule=new" not in page.url
    page.go_back()
    page.wait_for_url("**/failures?show=rules&rule=new**")
    wide.settle()
    # Saving at once stores what was entered last, although the page has not been rendered with it.
    row.get_by_role("link").first.click()
    page.wait_for_url(lambda url: "rule=" in url and "rule=new" not in url)
    wide.settle()
    expect(pattern).to_have_value("onerror=alert", timeout=30_000)
    pattern.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("onerror=alert(1)")
    page.get_by_label("Name", exact=True).click()
    page.keyboard.press("Control+a")
    page.keyboard.type("Hostile <b>, renamed")
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.get_by_role("row").filter(has_text="Hostile <b>, renamed")
    expect(row).to_contain_text("onerror=alert(1)", timeout=30_000)
    assert stored_rules(seeded) == [("Hostile <b>, renamed", "onerror=alert(1)")]
    row.get_by_role("link").first.click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete rule").click()
    wide.see("No rules yet")
