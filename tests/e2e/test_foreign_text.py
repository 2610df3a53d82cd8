"""Names, titles, branches, steps and comments that would like to be links, icons and formulas, in a real browser."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db.definitions.records import RunDetailsRecord
from db.engine import make_engine, write_scope
from db.jobs.job_writes import store_run_details
from db.migrate import upgrade
from db.repositories.repository_writes import get_repository, record_target
from health.alerts.evaluation import Evaluator
from health.alerts.rules.rules import parse_threshold
from health.alerts.storage.alert_queries import list_alerts
from health.alerts.storage.alert_writes import acknowledge
from tests.app.seeding import add_repository, heartbeat, job, run, store
from tests.builders import ACTOR, roll_up
from tests.e2e.conftest import Tab, opened, served

if TYPE_CHECKING:
    from playwright import sync_api

WORDS = (
    "https://evil.example/x www.evil.example me@evil.example :material/bug_report: :fire: :red[r] $x^2$ a -> b "
    "[l](https://evil.example) <b>x</b> `c`"
)
REPO = "acme/www.evil.example"
PAGES = {
    "/": "www.evil.example", "/runs": "evil.example/x", "/run?run_id=3": "Runner", "/workflow?id=10": "Success rate",
    "/compare?runs=2,3": "Compare runs", "/alerts": "Firing now", "/failures": "Failure causes",
    "/collector": "cannot be synced", "/log?run_id=3&job_id=300": "Fetch this log",
}  # fmt: skip
# What the page shows of it as something else than text.
LINKS = """[...document.querySelectorAll('a[href*="evil.example"]')]
    .filter(e => ![location.host, 'github.com'].includes(e.host)).map(e => e.outerHTML)"""
ICONS = "[...document.querySelectorAll('[role=img][aria-label*=bug_report], .katex')].map(e => e.outerHTML)"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard on a database whose every name is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    engine, now = make_engine(f"sqlite:///{folder / 'ui.db'}"), datetime.now(UTC).replace(microsecond=0)
    upgrade(engine)
    add_repository(engine, 1, REPO, now)
    for number in (1, 2, 3):
        began = now - timedelta(hours=4 - number)
        failed = run(number, began, conclusion="failure", title=WORDS, actor=WORDS, workflow_name=WORDS)
        other = run(number + 10, began, conclusion="failure", title=WORDS, branch=WORDS)
        store(engine, 1, failed, other)
        steps = ({"number": 1, "name": WORDS, "status": "completed", "conclusion": "failure"},)
        made = job(number * 100, WORDS, began, conclusion="failure", runner=WORDS, labels=(WORDS,), steps=steps)
        with write_scope(engine) as session:
            store_run_details(session, get_repository(session, 1), [RunDetailsRecord(number, (), (made,), now)])
    with write_scope(engine) as session:
        record_target(session, "acme/other", None, WORDS, now)
    roll_up(engine, now)
    heartbeat(engine, now)
    Evaluator(engine, parse_threshold("3"), ["slack"], "http://dash", lambda: now).run()
    with Session(engine) as session:
        fired = [each.id for each in list_alerts(session)]
    with write_scope(engine) as session:
        acknowledge(session, fired[0], WORDS, WORDS, now, actor=ACTOR)
    with served(engine, folder / "streamlit.log") as address:
        yield address
    engine.dispose()


@pytest.fixture
def shown(desktop: "sync_api.BrowserContext", hostile: str) -> Iterator[Tab]:
    with opened(desktop, hostile) as tab:
        yield tab


@pytest.mark.parametrize("path", PAGES)
def test_nothing_from_outside_links_or_becomes_an_icon(shown: Tab, path: str) -> None:
    shown.go(path)
    shown.see(PAGES[path])
    assert shown.page.evaluate(LINKS) == []
    assert shown.page.evaluate(ICONS) == []
    text = shown.page.locator("[data-testid=stMain]").inner_text()
    assert not [each for each in "🔥→" if each in text]


def test_it_is_shown_as_it_is(shown: Tab) -> None:
    shown.go("/run?run_id=3")
    shown.see("Runner")
    text = " ".join(shown.page.locator("[data-testid=stMain]").inner_text().replace("\u2060", "").split())
    assert f"Runner {WORDS} · {WORDS}" in text
