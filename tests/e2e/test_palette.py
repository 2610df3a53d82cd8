"""The command palette and saved views, by keyboard and in a real browser."""

import re

from playwright.sync_api import expect

from db.engine import session_scope
from db.saved_views import list_views
from tests.app.seeding import HOSTILE_BRANCH, RERUN, Seeded, heartbeat
from tests.e2e.conftest import Tab


def ask(tab: Tab, query: str, first: str) -> None:
    """Opens the palette and types; `first` is the best entry."""
    tab.page.keyboard.press("Control+k")
    expect(tab.page.get_by_role("combobox", name="Search")).to_be_focused()
    tab.page.keyboard.type(query)
    best = tab.page.get_by_role("option").first
    expect(best).to_contain_text(first)
    expect(best).not_to_contain_text("Search logs")


def test_the_palette_opens_pages_workflows_and_runs_by_keyboard(tab: Tab) -> None:
    tab.go("/?branch=feature&period=7d")
    tab.page.evaluate("window.sameDocument = true")
    ask(tab, "ci api", "acme/api / CI")
    field, selected = tab.page.get_by_role("combobox", name="Search"), tab.page.get_by_role("option", selected=True)
    assert field.get_attribute("aria-activedescendant") == selected.get_attribute("id")
    dialog = tab.page.get_by_role("dialog", name="Command palette").bounding_box()
    size = tab.page.viewport_size
    assert dialog
    assert size
    assert 0 <= dialog["x"] <= size["width"] - dialog["width"]
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/workflow?id=20&saved=&period=7d")
    tab.settle()
    button = tab.page.locator("[data-palette]").nth(0 if tab.wide else 1)
    button.focus()
    ask(tab, f"web #{RERUN}", f"#{RERUN}")
    tab.page.keyboard.press("ArrowUp")
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("dialog", name="Command palette")).to_have_count(0)
    expect(button).to_be_focused()
    ask(tab, f"#{RERUN}", f"#{RERUN}")
    with tab.page.context.expect_page() as opened_page:
        tab.page.keyboard.press("Control+Enter")
    assert opened_page.value.url.endswith(f"/run?run_id={RERUN}")
    opened_page.value.close()
    tab.page.bring_to_front()
    ask(tab, "flaky", "Flaky")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/flaky**")
    assert tab.page.evaluate("window.sameDocument")


def test_a_view_is_saved_opened_by_default_and_deleted(wide: Tab, seeded: Seeded) -> None:
    wide.go("/runs?repo=acme%2Fapi&period=7d")
    ask(wide, "save view", "Save view")
    wide.page.keyboard.press("Enter")
    dialog = wide.page.get_by_role("dialog", name="Saved views")
    dialog.get_by_label("Name", exact=True).fill("API week")
    heartbeat(seeded.engine, seeded.now)
    # Longer than the interval after which a page without a dialog reruns with new data.
    wide.page.wait_for_timeout(6_000)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("API week")
    dialog.get_by_text("Open by default in this browser").click()
    dialog.get_by_role("button", name="Save view").click()
    wide.page.wait_for_url(re.compile(r"/runs\?.*saved=\d+"))
    expect(wide.page.locator(".ph-view")).to_be_visible()
    wide.page.wait_for_function("Object.keys(localStorage).some(key => key.includes('default_view'))")
    wide.page.reload()
    wide.settle()
    wide.page.get_by_role("button", name="API week").click()
    star = dialog.get_by_role("button", name="Default view: API week")
    expect(star).to_have_attribute("aria-pressed", "true")
    # The list can be drawn again after everything else on the page.
    assert star.evaluate("button => !button.closest('.stApp')")
    star.evaluate("button => button.replaceWith(Object.assign(button.cloneNode(), {ariaPressed: 'false'}))")
    expect(star).to_have_attribute("aria-pressed", "true")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    star.click()
    wide.go("/")
    wide.page.wait_for_url(re.compile(r"/runs\?period=7d&repo=acme%2Fapi&saved=\d+"))
    view = wide.page.url.rpartition("=")[2]
    wide.see("in the last 7d")
    expect(wide.page.locator(".ph-view")).to_be_visible()
    wide.page.evaluate("history.replaceState(null, '', '/')")
    wide.page.reload()
    wide.settle()
    assert wide.page.url == f"{wide.address}/"
    wide.go(f"/runs?period=7d&repo=acme%2Fapi&saved={view}")
    ask(wide, "api week", "API week")
    wide.page.keyboard.press("Escape")
    ask(wide, "clear default", "Clear default view")
    wide.page.keyboard.press("Enter")
    expect(wide.page.locator(".ph-view")).to_be_hidden()
    wide.go("/")
    assert wide.page.url == f"{wide.address}/"
    wide.page.get_by_role("button", name="Views").click()
    dialog.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete view").click()
    dialog.get_by_text("No saved views yet.").wait_for()
    with session_scope(seeded.engine) as session:
        assert list_views(session) == []


def test_a_deleted_view_is_no_longer_the_default(wide: Tab) -> None:
    wide.go("/runs?period=7d")
    key = wide.page.evaluate("Object.keys(localStorage).length")
    wide.page.evaluate(
        """localStorage.setItem("pipeline_health_default_view /",
           JSON.stringify({ id: "999", name: "Old", address: "runs?period=7d&saved=999" }))"""
    )
    wide.go("/")
    wide.page.wait_for_url("**/runs?period=7d&saved=999")
    wide.see("The saved view 999 does not exist")
    wide.page.wait_for_function(f"Object.keys(localStorage).length <= {key}")
    wide.go("/")
    assert wide.page.url == f"{wide.address}/"


def test_a_filter_with_several_values_is_readable_and_takes_what_is_typed(tab: Tab) -> None:
    branches = ["main", "feature", "release/1", "release/2", "a-branch-with-a-very-long-name"]
    tab.go("/?repo=acme%2Fweb&" + "&".join(f"branch={branch.replace('/', '%2F')}" for branch in branches))
    box = tab.page.get_by_test_id("stMultiSelect").nth(1)
    first, last = box.locator("[data-tag]").first, box.locator("[data-tag]").last
    text = "el => [el.scrollWidth <= el.clientWidth, getComputedStyle(el.closest('[role=group]'), '::after').content]"
    assert first.locator("span").first.evaluate(text) == [True, '"+" counter(others)']
    assert last.evaluate("el => el.getBoundingClientRect().width") == 1
    place = first.bounding_box()
    assert place
    tab.page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(box.locator("input")).to_be_focused()
    shown, page = last.bounding_box(), tab.page.viewport_size
    assert shown
    assert page
    assert shown["width"] > 100
    assert shown["x"] + shown["width"] <= page["width"]
    for field in (tab.page.get_by_test_id("stMultiSelect").first, box):
        field.locator("input").focus()
        frame = field.locator(":has(> [data-testid=stMultiSelectTagsContainer])").bounding_box()
        assert frame
        assert 0 <= frame["x"] <= frame["x"] + frame["width"] <= page["width"]
    tab.page.keyboard.type("ftx")
    expect(tab.page.get_by_role("option").first).to_have_text(HOSTILE_BRANCH)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(lambda url: "branch=feat" in url.replace("branch=feature", ""))
