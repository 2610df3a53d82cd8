"""All pages with no data, little data and very much data."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db.definitions.records import RunRecord
from db.engine import make_engine
from tests.app.crowd import NAMES, crowd
from tests.app.seeding import add_repository, heartbeat, run, store
from tests.e2e.conftest import Tab, free_port, opened, served

if TYPE_CHECKING:
    from playwright import sync_api

# What may look different when there is so little or so much.
PATHS = {
    "none": ("/", "/runs", "/failures", "/alerts", "/?wall=1"),
    "one": ("/", "/workflow", "/runs"),
    "many": ("/", "/workflow", "/runs", "/collector", "/?wall=1"),
}
# Right to left, four bytes a letter, a word without end, markup: as title, branch and actor.
STRANGE = (
    "\N{RIGHT-TO-LEFT OVERRIDE}מה שנשבר: הפריסה לייצור", "👩\u200d👩\u200d👧🚀" * 8, "x" * 300,
    "<script>document.title='gone'</script>",
)  # fmt: skip


@pytest.fixture(scope="module")
def port() -> int:
    """Of all places, one after the other: the browser knows its scripts by their addresses."""
    return free_port()


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, port: int, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[str, str]]:
    """A database size and the dashboard that shows it."""
    folder = tmp_path_factory.mktemp(request.param)
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_template, folder / 'ui.db')}")
    now = datetime.now(UTC).replace(microsecond=0)
    if request.param == "many":
        crowd(engine)
    elif request.param != "none":
        add_repository(engine, 1, "acme/web", now)
        store(engine, 1, *(_one(now) if request.param == "one" else _strange(now)))
    heartbeat(engine, now)
    with served(engine, folder / "streamlit.log", port=port) as address:
        yield request.param, address
    engine.dispose()


def _one(now: datetime) -> list[RunRecord]:
    return [run(1, now - timedelta(minutes=9), title=STRANGE[0])]


def _strange(now: datetime) -> list[RunRecord]:
    """One run for each of the strange texts."""
    return [
        run(number + 1, now - timedelta(minutes=30 + number), title=each, branch=each[:250], actor=each[:39],
            conclusion="failure")
        for number, each in enumerate(STRANGE)
    ]  # fmt: skip


WIDTHS = (1440, 420)


@pytest.fixture
def sized(desktop: "sync_api.BrowserContext", place: tuple[str, str]) -> Iterator[Tab]:
    """A tab whose width the test changes: another width of the same page takes half of the time of another page."""
    with opened(desktop, place[1]) as tab:
        usual = tab.page.viewport_size
        assert usual
        yield tab
        tab.page.set_viewport_size(usual)


def _widths(tab: Tab, path: str) -> Iterator[int]:
    """Opens the page, has it fit each width, and gives the width for more to be asserted at it."""
    for width in WIDTHS:
        tab.page.set_viewport_size({"width": width, "height": 900})
        if width == WIDTHS[0]:
            tab.go(path)
        else:
            tab.settle()
        assert tab.overflow <= 0, (path, width)
        assert tab.cut == [], (path, width)
        yield width


@pytest.mark.parametrize("place", PATHS, indirect=True)
def test_every_page_can_be_shown(sized: Tab, place: tuple[str, str]) -> None:
    for path in PATHS[place[0]]:
        for _ in _widths(sized, path):
            assert sized.page.get_by_text("cannot be shown").count() == 0
            _look(sized, place[0], path)


def shown(name: str) -> str:
    """The text without characters that change the writing direction."""
    return name.removeprefix("\N{RIGHT-TO-LEFT OVERRIDE}")


def _look(tab: Tab, much: str, path: str) -> None:
    said = tab.page.locator("[data-testid=stMain]").inner_text()
    if much == "none" and path in ("/", "/runs", "/failures"):
        assert "No repository matches GITHUB_REPOS" in said
    if much == "one" and path == "/runs":
        assert shown(STRANGE[0]) in said
    if much == "many" and path == "/":
        tab.see("All 1,000 workflows")
        assert NAMES[3] in tab.page.locator("[data-table=workflows]").inner_text() + said


@pytest.mark.parametrize("place", ["strange"], indirect=True)
def test_strange_names_stay_in_their_cells(sized: Tab) -> None:
    for path in ("/", "/run?run_id=1", "/run?run_id=3", "/run?run_id=4", "/runs"):
        for _ in _widths(sized, path):
            assert "Pipeline Health" in sized.page.title()
            if path == "/runs":
                said = sized.page.locator("[data-table=runs]").inner_text()
                assert all(shown(each)[:12] in said for each in STRANGE)
