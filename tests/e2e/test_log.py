"""A log of 100,000 lines in the viewer, in a real browser."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.logs.ansi import for_both_themes
from db.definitions.records import LogRecord, RunDetailsRecord
from db.engine import write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import store_log
from db.repositories.repository_writes import get_repository
from tests.app.seeding import Seeded, job, run, store
from tests.e2e.conftest import Tab, opened

if TYPE_CHECKING:
    from playwright import sync_api

RUN, JOB, LINES, CAUSE = 9100, 91000, 100_000, 50_000
HOSTILE = "<img src=x onerror=alert(3)><script>alert(4)</script>"
LOG = f"/log?run_id={RUN}&job_id={JOB}"


def _text() -> str:
    lines = [f"2026-11-20T10:{k // 6000:02d}:{k // 100 % 60:02d}.{k % 100:02d}00000Z line {k} of the test run"
             for k in range(1, LINES + 1)]  # fmt: skip
    for first in range(101, LINES, 1_000):
        lines[first - 1] = f"2026-11-20T10:00:00.0000000Z ##[group]Step {first}"
        lines[first + 49] = "2026-11-20T10:00:00.0000000Z ##[endgroup]"
    lines[CAUSE - 1] = "E   assert 3 == 4"
    for number in (777, 60_777):
        lines[number - 1] = f"##[error]{HOSTILE}"
    lines[CAUSE] = "##[warning]\x1b[31mred\x1b[0m " + "long " * 200
    return "\n".join(lines)


@pytest.fixture(scope="module")
def long_log(seeded: Seeded) -> None:
    began = seeded.now - timedelta(hours=40)
    store(seeded.engine, 1, run(RUN, began, conclusion="failure", branch="long"))
    details = RunDetailsRecord(RUN, (), (job(JOB, "long", began, conclusion="failure"),), seeded.now)
    excerpt = ("line 49999 of the test run", "E   assert 3 == 4")
    record = LogRecord(JOB, RUN, LogState.STORED, _text(), 1, False, CAUSE - 1, excerpt, excerpt[1], "f")
    with write_scope(seeded.engine) as session:
        store_run_details(session, get_repository(session, 1), [details])
        store_log(session, 1, record, seeded.now)


@pytest.fixture
def log(desktop: "sync_api.BrowserContext", address: str, long_log: None) -> Iterator[Tab]:
    with opened(desktop, address) as found:
        yield found


def row(tab: Tab, line: int) -> "sync_api.Locator":
    return tab.page.locator(f".ph-lv-row[data-line='{line}']")


def see(tab: Tab, line: int) -> None:
    """Waits until this line stands in the viewer's window, with its text."""
    inside = """(line) => {
        const row = document.querySelector(`.ph-lv-row[data-line='${line}']:not(:has(.ph-lv-waiting))`);
        const [a, b] = [row, document.querySelector(".ph-lv-view")].map((each) => each?.getBoundingClientRect());
        return a && a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }"""
    tab.page.wait_for_function(inside, arg=line, timeout=15_000)


def test_only_what_is_seen_is_sent_and_drawn(log: Tab) -> None:
    sent: list[int] = []

    def count(answer: "sync_api.Response") -> None:
        if "/logs/" in answer.url:
            sent.append(len(answer.body()))

    log.page.on("response", count)
    log.go(LOG)
    see(log, CAUSE)
    assert row(log, CAUSE).locator(".ph-lv-sign").inner_text() == "▶"
    assert log.page.locator(".ph-lv-row").count() < 120
    assert sum(sent) < 120_000
    log.page.remove_listener("response", count)
    view = log.page.locator(".ph-lv-view")
    view.evaluate("view => view.scrollTo(0, 0)")
    row(log, 1).get_by_text("line 1 of the test run").wait_for()
    # Folded groups take one row each.
    view.evaluate("view => view.scrollTo(0, view.scrollHeight / 2)")
    log.page.wait_for_function("document.querySelector('.ph-lv-row').dataset.line > 40000")
    view.focus()
    log.page.keyboard.press("End")
    row(log, LINES).get_by_text(f"line {LINES} of the test run").wait_for()
    assert log.page.locator(".ph-lv-row").count() < 120


def test_problems_are_listed_and_jumped_to_and_stay_text(log: Tab) -> None:
    log.go(LOG)
    log.page.get_by_role("button", name="3 errors").click()
    listed = log.page.locator(".ph-lv-list button")
    where = [listed.nth(k).locator(".ph-lv-where").inner_text() for k in range(4)]
    # The cause is one of them, marked by the runner or not.
    assert where == ["777", "50,000", "50,001", "60,777"]
    listed.nth(3).click()
    see(log, 60_777)
    assert HOSTILE in row(log, 60_777).inner_text()
    assert log.page.locator("img[src=x]").count() == 0
    assert log.page.url.endswith("line=60777")
    log.page.locator(".ph-lv-view").focus()
    log.page.keyboard.press("n")
    see(log, 777)
    log.page.keyboard.press("n")
    see(log, CAUSE)
    log.page.keyboard.press("p")
    log.page.keyboard.press("p")
    see(log, 60_777)


def test_search_sees_the_whole_log(log: Tab) -> None:
    log.go(LOG)
    row(log, CAUSE).wait_for()
    log.page.locator(".ph-lv-view").focus()
    log.page.keyboard.press("/")
    log.page.keyboard.type("LINE 7777")
    # The next one from what is in view.
    log.page.get_by_text("2 of 11 lines").wait_for()
    see(log, 77_770)
    assert row(log, 77_770).locator("mark").inner_text() == "line 7777"
    log.page.keyboard.press("Shift+Enter")
    log.page.get_by_text("1 of 11 lines").wait_for()
    see(log, 7_777)
    log.page.keyboard.press("Escape")
    log.page.get_by_label("Search the whole log").fill("nowhere in it")
    log.page.get_by_text("Not found").wait_for()
    assert log.page.url.endswith("&find=nowhere+in+it")
    # A link contains the search.
    log.go(f"{LOG}&find=LINE+7777")
    log.page.get_by_text("of 11 lines").wait_for()
    assert log.page.get_by_label("Search the whole log").input_value() == "LINE 7777"
    assert "find=LINE+7777" in log.page.url


def test_lines_are_linked(log: Tab) -> None:
    log.go(f"{LOG}&line=60110-60112")
    # They are in a group, which opens.
    see(log, 60_110)
    chosen = log.page.locator(".ph-lv-selected")
    assert chosen.count() == 3
    row(log, 60_108).locator(".ph-lv-n").click()
    assert log.page.url.endswith("line=60108")
    row(log, 60_105).locator(".ph-lv-n").click(modifiers=["Shift"])
    assert log.page.url.endswith("line=60105-60108")
    assert chosen.count() == 4
    log.page.reload()
    see(log, 60_105)
    assert chosen.count() == 4


def test_groups_fold_lines_wrap_and_times_are_told_on_demand(log: Tab) -> None:
    log.go(f"{LOG}&line=60100")
    group = row(log, 60_101).get_by_role("button", name="Step 60101")
    assert group.get_attribute("aria-expanded") == "false"
    assert row(log, 60_102).count() == 0
    group.focus()
    log.page.keyboard.press("Enter")
    see(log, 60_102)
    log.page.keyboard.press("Enter")
    row(log, 60_152).wait_for()
    assert row(log, 60_102).count() == 0
    log.page.get_by_role("button", name="Times").click()
    assert row(log, 60_100).locator("time").inner_text() == "10:10:01.000"
    log.go(f"{LOG}&line=50001")
    low = row(log, 50_001).bounding_box()
    log.page.get_by_role("button", name="Wrap").click()
    log.page.wait_for_timeout(300)
    high = row(log, 50_001).bounding_box()
    assert low
    assert high
    assert high["height"] > 2 * low["height"]
    see(log, 50_001)


def test_the_page_of_the_run_begins_shortly_before_the_cause(
    phone: "sync_api.BrowserContext", address: str, long_log: None
) -> None:
    from playwright.sync_api import expect

    with opened(phone, address) as tab:
        tab.go(f"/run?run_id={RUN}")
        tab.page.locator(".ph-lv").scroll_into_view_if_needed()
        gap = tab.page.get_by_role("button", name="49,991 lines before")
        gap.wait_for()
        see(tab, CAUSE)
        gap.click()
        see(tab, 49_992)
        assert tab.overflow <= 0
        tab.page.get_by_role("link", name="Open").click()
        tab.page.wait_for_url("**/log?*")
        see(tab, CAUSE)
        red = row(tab, CAUSE + 1).get_by_text("red", exact=True)
        on_dark = for_both_themes((205, 49, 49))[1]
        wanted = f"rgb({', '.join(str(int(on_dark[k : k + 2], 16)) for k in (1, 3, 5))})"
        # The row may be rendered anew between the lookup and the question: `expect` looks it up again.
        expect(red).to_have_css("color", wanted)
