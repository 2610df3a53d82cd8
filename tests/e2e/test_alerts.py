"""Acknowledging and silencing an alert in a browser."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from health.alerts.evaluation import Evaluator
from health.alerts.rules.rules import parse_threshold
from health.alerts.storage.alert_queries import list_alerts
from health.alerts.storage.silences import list_silences
from tests.app.seeding import Seeded
from tests.e2e.conftest import opened

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
