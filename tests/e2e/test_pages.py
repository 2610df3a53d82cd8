"""Every page in a real browser: no errors, nothing that moves while it loads or is wider than the screen, no
accessibility violations."""

import pytest

from db.audit import record
from db.engine import write_scope
from db.enums import AuditAction, AuditSubject
from tests.app.seeding import RERUN, SECRET_LINE, Seeded
from tests.builders import ACTOR
from tests.e2e.conftest import MAX_SHIFT, Tab

PAGES = {
    "/": "Failure rate by hour",
    "/?wall=1": "is failing on main",
    "/workflow": "Default branch",
    "/workflow?id=10": "Success rate by branch",
    "/runs": "newest first",
    f"/run?run_id={RERUN}": "View on GitHub",
    f"/log?run_id={RERUN}&job_id=4": "line 59",
    "/compare?runs=1000,1002": "Compare runs",
    "/failures": "Failure causes",
    "/failures?cause=f": SECRET_LINE,
    "/flaky": "failed, then passed on re-run with no code change",
    "/cost": "Spend by repository",
    "/alerts": "Firing now",
    "/alerts?show=rules&rule=new": "Create rule",
    "/alerts?show=silences": "New silence",
    "/setup": "Set up your repositories",
    "/collector": "Every run created since",
}
STATES = {
    "/run": "No run selected",
    "/run?run_id=5": "not found",
    "/?branch=nope": "No matching runs",
}
# What Streamlit draws itself and leaves no way to change.
_NOT_OURS = (
    "[data-testid=stSidebarHeader], [data-testid=stToolbar], [data-testid=stCode], [data-testid=stDataFrame], "
    ".vega-embed"
)


@pytest.mark.parametrize("path", PAGES)
def test_page_opens_without_errors_fits_and_is_accessible(tab: Tab, path: str) -> None:
    _look(tab, path, PAGES[path])


@pytest.mark.parametrize("path", STATES)
def test_empty_state_is_shown(wide: Tab, path: str) -> None:
    _look(wide, path, STATES[path])


@pytest.fixture(scope="module")
def rule_events(seeded: Seeded) -> None:
    """An alert rule that was created with many fields, and changed."""
    created = {f"field_{number}": f"value {number} " * 9 for number in range(9)}
    with write_scope(seeded.engine) as session:
        for number, before, after in ((3, None, created), (3, {"open_at": 600}, {"open_at": 900}), (4, created, None)):
            action = AuditAction.CHANGED if before and after else AuditAction.DELETED if before else AuditAction.CREATED
            name = f"rule {number}"
            record(
                session, ACTOR, action, AuditSubject.ALERT_RULE, number, name, seeded.now, before=before, after=after
            )


def test_the_audit_trail_leads_to_the_changes_of_one_subject(tab: Tab, rule_events: None) -> None:
    # Other tests of this dashboard change views and alerts.
    _look(tab, "/audit?within=30d&kind=alert_rule", "3 events")
    tab.page.get_by_text("5 more").first.click()
    tab.page.get_by_text("value 8").first.wait_for()
    assert violations(tab) == []
    tab.page.get_by_role("link", name="Alert rule #3").first.click()
    tab.see("2 events")
    assert tab.page.url.endswith("/audit?kind=alert_rule&subject=3")
    tab.page.get_by_role("button", name="Only subject 3").click()
    tab.see("3 events")
    tab.page.wait_for_url("**/audit?kind=alert_rule")


def _look(tab: Tab, path: str, text: str) -> None:
    tab.go(path)
    tab.see(text)
    assert tab.shift <= MAX_SHIFT, tab.moved
    assert tab.overflow <= 0
    assert tab.cut == []
    assert "Pipeline Health" in tab.page.title()
    assert violations(tab) == []


def violations(tab: Tab) -> list[str]:
    """All that axe-core finds (WCAG 2.2 A and AA, and its best practices)."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab.page, context={"exclude": [[each.strip()] for each in _NOT_OURS.split(",")]}).response
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found["violations"] for node in each["nodes"]
    ]  # fmt: skip
