"""The database stops and starts again while pages are open."""

from pathlib import Path
from typing import TYPE_CHECKING

from db.engine import make_engine
from db.migrate import upgrade
from tests.app.seeding import RERUN, seed
from tests.chaos.outages.stand import Database
from tests.e2e.conftest import Tab, served

if TYPE_CHECKING:
    from playwright import sync_api

# What the pages show of the database, by their paths.
FIGURES = {
    "/?period=7d": ".ph-tile b, .ph-need a",
    f"/run?run_id={RERUN}": "h1, .ph-need, .ph-step .ph-name",
    "/?wall=1": ".ph-wall-figures b, .ph-field",
    "/alerts?show=rules&rule=new": "h2, [data-table=rules] tbody tr",
}


def test_open_pages_keep_figures_and_typed_text_and_recover(browser: "sync_api.Browser", tmp_path: Path) -> None:
    from playwright.sync_api import expect

    database = Database()
    engine = make_engine(database.url)
    try:
        upgrade(engine)
        seed(engine)
        with served(engine, tmp_path / "streamlit.log") as address:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            tabs = {path: Tab(context.new_page(), address) for path in FIGURES}
            shown = {}
            for path, tab in tabs.items():
                tab.go(path)
                shown[path] = tab.page.locator(FIGURES[path]).all_inner_texts()
                assert shown[path], path
                tab.page.evaluate("window.sameDocument = true")
            name = tabs["/alerts?show=rules&rule=new"].page.get_by_label("Name", exact=True)
            name.press_sequentially(" half-typed")
            typed = name.input_value()
            engine.dispose()
            database.kill()
            for path, tab in tabs.items():
                banner = tab.page.get_by_text("Database unavailable since")
                banner.wait_for(timeout=60_000)
                assert "showing data from" in banner.inner_text(), path
                expect(name).to_have_value(typed)
                assert tab.page.locator(FIGURES[path]).all_inner_texts() == shown[path]
                text = tab.page.content()
                assert "postgresql" not in text
                assert str(engine.url.query["host"]) not in text
            database.start()
            for path, tab in tabs.items():
                expect(tab.page.get_by_text("Database unavailable")).to_have_count(0, timeout=60_000)
                assert tab.page.locator(FIGURES[path]).all_inner_texts() == shown[path]
                assert tab.page.evaluate("window.sameDocument") is True
            expect(name).to_have_value(typed)
            context.close()
    finally:
        database.stop()
