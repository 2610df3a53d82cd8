"""How pages appear in a real browser: with their styles, in place, and without fading while they update."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bench.browser import LOAD_SCRIPT
from tests.app.seeding import RERUN, Seeded, heartbeat, run, store
from tests.e2e.conftest import Tab, opened

if TYPE_CHECKING:
    from playwright import sync_api

# https://web.dev/articles/cls calls at most this good.
MAX_SHIFT = 0.1
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


def result(tab: Tab) -> tuple[float, dict[str, Any]]:
    return tab.page.evaluate("window.benchLoad.shift"), tab.page.evaluate("window.seen")


@pytest.mark.parametrize("path", ["/", "/workflow?id=10", "/runs", f"/run?run_id={RERUN}"])
def test_a_page_appears_with_its_styles_and_in_place(cold: "sync_api.BrowserContext", address: str, path: str) -> None:
    with opened(cold, address) as tab:
        tab.go(path)
        tab.page.wait_for_timeout(500)
        shift, seen = result(tab)
        assert shift <= MAX_SHIFT
        assert seen["frames"] > 0
        assert seen["unstyled"] == 0


def test_an_update_neither_fades_nor_moves_the_page(
    cold: "sync_api.BrowserContext", address: str, seeded: Seeded
) -> None:
    from playwright.sync_api import expect

    with opened(cold, address) as tab:
        tab.go("/?repo=acme%2Fapi")
        items = tab.page.locator(".ph-attention .ph-need")
        before = items.count()
        tab.page.evaluate("window.benchLoad.shift = 0")
        # Deploy fails for the first time.
        failed = run(
            7_700,
            seeded.now - timedelta(minutes=3),
            repo=2,
            workflow_id=21,
            workflow_name="Deploy",
            conclusion="failure",
        )
        store(seeded.engine, 2, failed)
        heartbeat(seeded.engine, seeded.now, demo=True)
        expect(items).to_have_count(before + 1, timeout=15_000)
        tab.settle()
        shift, seen = result(tab)
        assert shift <= MAX_SHIFT
        assert seen["opacity"] == 1


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
