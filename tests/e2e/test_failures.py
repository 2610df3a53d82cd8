"""The Failures page in a real browser: classes by keyboard, bars that lead to causes, the search, and key figures."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from db.definitions.records import LogRecord, RunDetailsRecord
from db.engine import write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import store_log
from db.repositories.repository_writes import get_repository
from health.insights.causes.identity import fingerprint
from tests.app.seeding import Seeded, heartbeat, job, run, store
from tests.builders import roll_up
from tests.e2e.conftest import Tab

TEST = "FAILED tests/test_e2e.py::test_bar - assert 1 == 2"
LOST = "The self-hosted runner: runner-9 lost communication with the server."
FIRST = 73_001


@pytest.fixture
def failed(seeded: Seeded) -> None:
    """Two causes, of which the test failed on one day alone."""
    for number, (line, hours) in enumerate(((TEST, 150), (TEST, 150.2), (LOST, 60)), FIRST):
        at = seeded.now - timedelta(hours=hours)
        store(seeded.engine, 1, run(number, at, conclusion="failure", branch="classes"))
        with write_scope(seeded.engine) as session:
            details = RunDetailsRecord(number, (), (job(number * 10, "unit", at, conclusion="failure"),), seeded.now)
            store_run_details(session, get_repository(session, 1), [details])
            record = LogRecord(number * 10, number, LogState.EXPIRED, error_line=line, fingerprint=fingerprint(line))
            store_log(session, 1, record, seeded.now)
    roll_up(seeded.engine, seeded.now)
    heartbeat(seeded.engine, seeded.now, demo=True)


def test_causes_are_filtered_by_class_bar_text_and_key_figure(failed: None, wide: Tab) -> None:
    wide.go("/failures?branch=classes")
    page, rows = wide.page, wide.page.locator("[data-table=causes] tbody tr")
    page.evaluate("window.sameDocument = true")
    expect(rows).to_have_count(2)
    chip = page.get_by_role("link", name=re.compile(r"^Infrastructure 1$"))
    chip.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**class=infrastructure**")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text(LOST)
    expect(chip).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(rows).to_have_count(2)

    bar = page.locator(".st-key-chart-classes .barlayer .trace:first-child .point path").first
    page.locator(".st-key-chart-classes .js-plotly-plot[data-prepared]").wait_for(timeout=60_000)
    bar.scroll_into_view_if_needed()
    box = page.wait_for_function(
        """() => [...document.querySelectorAll('.st-key-chart-classes .barlayer .trace:first-child .point path')]
            .map(e => e.getBoundingClientRect()).find(b => b.height >= 4 && b.width >= 4)""",
        timeout=60_000,
    ).json_value()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 3, y - 1)
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)
    page.wait_for_url("**class=test**")
    query = parse_qs(urlsplit(page.url).query)
    assert (query["class"], query["branch"], set(query)) == (["test"], ["classes"], {"class", "branch", "dates"})
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("FAILED tests/test_e2e.py::test_bar")
    wide.see("2 runs with a cause of this class")
    page.go_back()
    expect(rows).to_have_count(2)

    search = page.get_by_label("Search error lines")
    search.fill("test_bar")
    search.press("Enter")
    page.wait_for_url("**line=test_bar**")
    expect(rows).to_have_count(1)
    card = page.locator("[data-figure=untriaged_causes] b a")
    number = card.inner_text()
    card.click()
    page.wait_for_url("**triage=untriaged**")
    assert "line" not in parse_qs(urlsplit(page.url).query)
    expect(rows).to_have_count(int(number))
    assert page.evaluate("window.sameDocument")
