"""Every page in a real browser: no errors, nothing that moves while it loads or is wider than the screen, no
accessibility violations."""

import pytest

from tests.app.seeding import RERUN, SECRET_LINE
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


def _look(tab: Tab, path: str, text: str) -> None:
    tab.go(path)
    tab.see(text)
    assert tab.shift <= MAX_SHIFT, tab.moved
    assert tab.overflow <= 0
    assert tab.cut == []
    assert "Pipeline Health" in tab.page.title()
    assert _violations(tab) == []


def _violations(tab: Tab) -> list[str]:
    """All that axe-core finds (WCAG 2.2 A and AA, and its best practices)."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab.page, context={"exclude": [[each.strip()] for each in _NOT_OURS.split(",")]}).response
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found["violations"] for node in each["nodes"]
    ]  # fmt: skip
