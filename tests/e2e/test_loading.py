"""How pages appear in a real browser: with their styles, in place, and without fading while they update."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete

from app.streamlit_patches.document import REVEAL_SCRIPT
from bench.browser import LOAD_SCRIPT
from db.definitions.records import WorkflowRecord
from db.engine import write_scope
from db.models import Run, Workflow
from db.repositories.repository_writes import upsert_workflows
from tests.app.seeding import RERUN, Seeded, heartbeat, run, store
from tests.e2e.conftest import MAX_SHIFT, Tab, opened
from tests.e2e.lines import SlowLine

if TYPE_CHECKING:
    from playwright import sync_api

# Pages with elements that are filled after those below them, or of which scripts of ours decide the size.
SLOW_PAGES = ("/", "/?repo=acme%2Fweb", f"/run?run_id={RERUN}", "/workflow?id=10", "/flaky", "/cost", "/?wall=1")
# The first frames in which an element of ours had no styles, and the lowest opacity of an element of the page.
WATCH = """(() => {
    const seen = window.seen = {unstyled: 0, frames: 0, opacity: 1}
    const look = () => {
        const table = document.querySelector('.ph-tiles, .ph-table, .ph-panel')
        if (table) {
            seen.frames++
            const styled = getComputedStyle(table)
            const isStyled = ['grid', 'flex'].includes(styled.display) || styled.borderCollapse === 'separate'
            if (!isStyled) seen.unstyled++
            for (const stale of document.querySelectorAll('[data-stale=true]'))
                seen.opacity = Math.min(seen.opacity, Number(getComputedStyle(stale).opacity))
        }
        requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
})()"""


@pytest.fixture(scope="module")
def cold(browser: "sync_api.Browser") -> Iterator["sync_api.BrowserContext"]:
    """A context of its own: the first of its pages is loaded with empty caches."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    context.add_init_script(f"{LOAD_SCRIPT};{WATCH}")
    yield context
    context.close()


def opacity(tab: Tab) -> float:
    return float(tab.page.evaluate("window.seen.opacity"))


def test_pages_appear_with_their_styles_and_in_place_from_a_slow_server(
    cold: "sync_api.BrowserContext", address: str
) -> None:
    """The first page is loaded with empty caches. Elements arrive one by one, also after the first ones are shown."""
    with opened(cold, address, alone=True) as tab:
        line = SlowLine(tab.page)
        for path in SLOW_PAGES:
            line.hold()
            tab.page.goto(f"{address}{path}", wait_until="commit")
            line.trickle(pause_ms=12)
            tab.settle()
            seen: dict[str, Any] = tab.page.evaluate("window.seen")
            assert tab.shift <= MAX_SHIFT, (path, tab.moved)
            assert path == "/?wall=1" or seen["frames"] > 0, path
            assert seen["unstyled"] == 0, path


def test_an_update_neither_fades_nor_moves_the_page(
    cold: "sync_api.BrowserContext", address: str, seeded: Seeded
) -> None:
    from playwright.sync_api import expect

    def finish_runs(conclusion: str, minute: int) -> None:
        """A run of each of four workflows."""
        runs = [
            run(7_700 + 10 * minute + key, seeded.now - timedelta(minutes=9 - minute), repo=2, workflow_id=key,
                workflow_name=name, conclusion=conclusion)
            for key, name in names.items()
        ]  # fmt: skip
        store(seeded.engine, 2, *runs)
        heartbeat(seeded.engine, seeded.now, demo=True)

    names = {22 + number: f"Deploy {number}" for number in range(4)}
    with write_scope(seeded.engine) as session:
        records = [WorkflowRecord(key, name, f".github/workflows/{key}.yml", "active") for key, name in names.items()]
        upsert_workflows(session, 2, records)
    with opened(cold, address) as tab:
        for path, items in (("/?repo=acme%2Fapi", ".ph-need"), ("/?wall=1&repo=acme%2Fapi", ".ph-field.ph-red")):
            tab.go(path)
            listed = tab.page.locator(items)
            before = listed.count()
            tab.page.evaluate("window.benchLoad.shift = 0")
            finish_runs("failure", 1)
            expect(listed).to_have_count(before + 4, timeout=15_000)
            tab.settle()
            assert tab.shift <= 0.01, (path, tab.moved)
            if "wall" not in path:
                # What has no space is shown on demand, and then keeps its space when it recovers.
                button = tab.page.get_by_role("button", name="Show 3 more")
                button.press("Enter")
                tab.page.wait_for_function("document.activeElement.matches('.ph-attention a')")
                assert listed.nth(before + 3).is_visible()
                assert button.count() == 0
                # The focus reaches an item without space, and those above it stay in sight.
                tab.page.evaluate("document.documentElement.style.setProperty('--ph-attention-height', '60px')")
                assert tab.page.locator(".st-key-attention").bounding_box()["height"] == 60
                listed.nth(before + 3).locator("a").first.focus()
                expect(listed.first).to_be_in_viewport()
                tab.page.wait_for_function("document.querySelector('.ph-attention').scrollTop === 0")
                assert tab.page.locator(".st-key-attention").bounding_box()["height"] > 150
                tab.page.wait_for_timeout(600)
            finish_runs("success", 2)
            expect(listed).to_have_count(before, timeout=15_000)
            tab.settle()
            assert tab.shift <= 0.01, (path, tab.moved)
            assert opacity(tab) == 1
            with write_scope(seeded.engine) as session:
                session.execute(delete(Run).where(Run.workflow_id.in_(names)))
    with write_scope(seeded.engine) as session:
        session.execute(delete(Workflow).where(Workflow.id.in_(names)))
    heartbeat(seeded.engine, seeded.now, demo=True)


def test_a_page_whose_script_failed_is_shown_without_its_list(browser: "sync_api.Browser") -> None:
    state = '<div data-testid="stApp" data-test-script-state="notRunning">'
    main = '<div data-testid="stMainBlockContainer"><div class="stElementContainer ph-unknown-height">'
    page = browser.new_page()
    page.set_content(f"{state}{main}</div></div></div>")
    # At once: a busy browser takes longer to answer than the page is hidden.
    run = """script => {
        document.head.append(Object.assign(document.createElement("script"), {textContent: script}))
        return document.documentElement.className
    }"""
    assert "ph-loading" in page.evaluate(run, REVEAL_SCRIPT)
    page.locator("html:not(.ph-loading)").wait_for(state="attached", timeout=5_000)
    page.close()


def test_another_page_of_a_list_begins_at_its_top(cold: "sync_api.BrowserContext", address: str) -> None:
    from playwright.sync_api import expect

    with opened(cold, address) as tab:
        tab.go("/runs?period=90d")
        older = tab.page.get_by_role("button", name="Older").first
        older.scroll_into_view_if_needed()
        head = tab.page.locator(".ph-panel", has_text="Runs").first
        assert head.evaluate("head => head.getBoundingClientRect().top") < 0
        older.click()
        expect(tab.page.get_by_text("Page 2")).to_be_attached(timeout=15_000)
        expect(head).to_be_in_viewport()
