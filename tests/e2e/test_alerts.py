"""Acknowledging and silencing an alert in a browser."""

import re
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.enums import RuleKind, Severity
from db.models import Alert
from health.alerts.evaluation import Evaluator
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import parse_threshold
from health.alerts.storage.alert_queries import list_alerts
from health.alerts.storage.alert_writes import AlertScope, open_alert
from health.alerts.storage.silences import list_silences
from tests.app.seeding import Seeded
from tests.e2e.conftest import opened
from tests.e2e.test_pages import violations

if TYPE_CHECKING:
    from playwright import sync_api


def test_an_alert_is_acknowledged_and_silenced(
    desktop: "sync_api.BrowserContext", address: str, seeded: Seeded
) -> None:
    Evaluator(seeded.engine, parse_threshold("3"), ["slack"], "http://dash", lambda: seeded.now).run()
    with opened(desktop, address) as tab:
        tab.go("/alerts")
        tab.see("acme/web · CI is failing on main")
        tab.page.get_by_role("button", name="Acknowledge").first.click()
        form = tab.page.get_by_role("dialog")
        form.get_by_label("Your name").fill("ann")
        form.get_by_label("Comment (optional)").fill("reverting")
        form.get_by_role("button", name="Acknowledge").click()
        tab.page.get_by_text("1 acknowledged").wait_for(timeout=15_000)
        tab.settle()
        tab.page.get_by_role("button", name="Silence", exact=True).first.click()
        form = tab.page.get_by_role("dialog")
        form.get_by_text("4 hours").click()
        form.get_by_role("button", name="Silence").click()
        tab.page.get_by_text("1 silenced").wait_for(timeout=15_000)
    with Session(seeded.engine) as session:
        (alert,) = [each for each in list_alerts(session) if each.workflow == "CI"]
        assert (alert.acknowledged_by, alert.acknowledged_comment) == ("ann", "reverting")
        assert [each.author for each in list_silences(session)] == ["ann"]


def test_several_alerts_are_selected_by_keyboard_and_changed_together(
    desktop: "sync_api.BrowserContext", phone: "sync_api.BrowserContext", address: str, seeded: Seeded
) -> None:
    from playwright.sync_api import expect

    with write_scope(seeded.engine) as session:
        session.execute(delete(Alert))
        for number, severity in enumerate((Severity.INFO, Severity.CRITICAL, Severity.WARNING)):
            scope = AlertScope(1, 10, RuleKind.FAILURE_RATE, f"b{number}", severity=severity, target=f"{number}")
            open_alert(session, scope, "20%", AlertDetail(branch=f"b{number}"), seeded.now)
    with opened(desktop, address) as tab:
        page = tab.page
        # Lists are cached for seconds; that of another search is read at once.
        tab.go("/alerts?find=b")
        expect(page.locator("h3.ph-severity-head")).to_have_text(
            [re.compile(name) for name in ("Critical", "Warning", "Info")]
        )
        change = page.get_by_role("button", name="Change selected alerts")
        expect(change).to_be_hidden()
        boxes = page.get_by_role("checkbox", name="Select alert")
        boxes.first.focus()
        page.keyboard.press("Space")
        expect(page.get_by_text("1 selected")).to_be_visible()
        expect(page).to_have_url(re.compile(r"selected=\d+$"))
        page.get_by_role("checkbox", name="Select all on this page").focus()
        page.keyboard.press("Space")
        expect(page.get_by_text("3 selected")).to_be_visible()
        page.reload()
        tab.settle()
        expect(page.get_by_text("3 selected")).to_be_visible()
        boxes.nth(1).uncheck()
        change.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("2 open alerts")).to_be_visible()
        assert violations(tab) == []
        dialog.get_by_label("Your name").fill("ann")
        dialog.get_by_role("button", name="Change 2 alerts").press("Enter")
        expect(page.get_by_text("1 firing · 2 acknowledged · 0 silenced")).to_be_visible()
        expect(change).to_be_hidden()
        expect(page).not_to_have_url(re.compile("selected="))
        tab.settle()
        page.get_by_role("button", name="Unacknowledge").first.press("Enter")
        expect(page.get_by_text("2 firing · 1 acknowledged · 0 silenced")).to_be_visible()
        tab.settle()
        # The name is known now, so that one click acknowledges.
        page.get_by_role("button", name="Acknowledge", exact=True).first.press("Enter")
        expect(page.get_by_text("1 firing · 2 acknowledged · 0 silenced")).to_be_visible()
        assert violations(tab) == []
        page.get_by_role("link", name=re.compile("Alert #")).first.click()
        expect(page.get_by_text("Acknowledgement taken back")).to_be_visible()
        tab.settle()
        assert violations(tab) == []
    with opened(phone, address) as tab:
        for path in ("/alerts", "/alerts?alert=" + str(_newest(seeded))):
            tab.go(path)
            assert (tab.overflow, violations(tab)) == (0, [])


def _newest(seeded: Seeded) -> int:
    with Session(seeded.engine) as session:
        return list_alerts(session)[0].id
