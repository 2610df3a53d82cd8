"""While the database is away, pages show what they read last, and say since when."""

import gc
import re
import time
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from streamlit.testing.v1 import AppTest

from app.server.warm_up import warm_up
from db.engine import make_engine
from tests.app.conftest import MAIN, Open, TestClient
from tests.app.reading import everything
from tests.app.seeding import seed
from tests.databases import Shelf, administer
from tests.kept import Kept

_SAID = r"Database unavailable since (\d\d:\d\d); showing data from (\d\d:\d\d)"


class Switch:
    """Lets a real server refuse every connection to one database, and drop those that it has."""

    def __init__(self, url: str) -> None:
        self.url, self._name = url, make_url(url).database
        self._server = make_url(url).set(database="postgres").render_as_string(hide_password=False)

    def off(self) -> None:
        administer(self._server, f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false')
        administer(
            self._server, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{self._name}'"
        )

    def on(self) -> None:
        administer(self._server, f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true')


@pytest.fixture
def switch(shelf: Shelf, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    made = Switch(shelf.take())
    engine = make_engine(made.url)
    kept.fill(engine, seed, seconds=60)
    engine.dispose()
    monkeypatch.setenv("DATABASE_URL", made.url)
    yield made
    made.on()
    from app.data.connection import reset_engine

    reset_engine()
    shelf.put_back()


def _forget_the_state() -> None:
    """The state of the collection is kept for two seconds."""
    from app.data.status import load_status

    load_status.clear()


def _after_the_caches(page: AppTest) -> AppTest:
    _forget_the_state()
    page.run()
    assert not page.exception, page.exception
    return page


def _figures(page: AppTest) -> list[str]:
    return re.findall(r"<b[^>]*>[^<]*</b>", everything(page))


@pytest.mark.parametrize("name", ["", "runs", "alerts"])
def test_a_page_keeps_its_figures_and_says_since_when(switch: Switch, open_page: Open, name: str) -> None:
    page = open_page(name)
    before = _figures(page)
    assert "Database unavailable" not in everything(page)
    switch.off()
    gone = _after_the_caches(page)
    text = everything(gone).replace("\\", "")
    said = re.search(_SAID, " ".join(each.value for each in gone.error))
    assert said
    assert said[1] >= said[2]
    assert _figures(gone) == before
    assert "Data unavailable" not in text
    assert make_url(switch.url).database not in text
    switch.on()
    # No query waits for the database so shortly after a failure.
    time.sleep(2.1)
    page.run()
    assert not page.exception, page.exception
    assert not page.error
    assert _figures(page) == before


def test_data_that_changed_just_before_the_outage_leaves_the_figures(switch: Switch, open_page: Open) -> None:
    """The line above the page reads the new version first; the figures of it were never read."""
    from app.data.status import load_status

    page = open_page("")
    before = _figures(page)
    engine = make_engine(switch.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE heartbeats SET data_version = data_version + 1")
    engine.dispose()
    _forget_the_state()
    load_status()
    switch.off()
    gone = _after_the_caches(page)
    assert re.search(_SAID, " ".join(each.value for each in gone.error))
    assert _figures(gone) == before


def test_another_period_is_not_answered_with_the_last_one(switch: Switch, open_page: Open) -> None:
    from app.data import findings
    from app.data.outages import Unavailable
    from db.definitions.scope import Scope, Window

    moment = datetime.now(UTC)
    day = timedelta(days=1)
    findings.flaky(Scope(), Window(moment - day, moment), 1)
    switch.off()
    _forget_the_state()
    findings.flaky(Scope(), Window(moment - day + timedelta(minutes=5), moment + timedelta(minutes=5)), 2)
    for window in (Window(moment - 2 * day, moment - day), Window(moment - 2 * day, moment)):
        with pytest.raises(Unavailable):
            findings.flaky(Scope(), window, 2)


def test_what_was_never_read_says_so_without_the_address(switch: Switch, open_page: Open) -> None:
    switch.off()
    shown = everything(open_page()).replace("\\", "")
    assert "Data unavailable" in shown
    assert "The database is not responding" in shown
    assert "postgresql" not in shown
    assert str(make_url(switch.url).database) not in shown


def test_what_somebody_typed_stays(switch: Switch, open_page: Open) -> None:
    page = open_page("runs")
    field = page.text_input[0]
    field.set_value("fix")
    page.run()
    switch.off()
    assert _after_the_caches(page).text_input[0].value == "fix"


def test_the_dashboard_is_not_ready_while_the_database_is_away(switch: Switch, open_page: Open) -> None:
    import streamlit as st

    from app.server.routes import routes

    client = TestClient(st.App(str(MAIN), routes=routes()))
    assert client.get("/health/ready").status_code == 200
    switch.off()
    _forget_the_state()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "postgresql" not in answer.text
    assert client.get("/health/live").status_code == 200


def test_the_end_of_every_window_stands_still_meanwhile(switch: Switch, open_page: Open) -> None:
    import streamlit as st

    from app.data.outages import current_outage
    from app.data.status import load_status, window_end

    version = load_status().version
    end = window_end(version)
    switch.off()
    _forget_the_state()
    load_status()
    outage = current_outage()
    assert outage
    assert outage.last_success_at
    assert outage.last_success_at <= outage.since <= datetime.now(UTC)
    st.cache_data.clear()
    assert window_end(version) == end


def test_a_figure_that_cannot_be_made_does_not_stop_the_start(
    damaged: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    warm_up()
    assert "cannot be computed" in caplog.text


@pytest.fixture
def damaged(empty: Engine) -> Engine:
    """A value in a table that no version of this program writes."""
    seed(empty)
    with empty.begin() as connection:
        connection.exec_driver_sql("UPDATE sync_states SET gaps = '{'")
    return empty


def test_the_last_result_outlives_a_change_of_marks_and_earlier_ones_do_not() -> None:
    from app.data.outages import DatabaseDown, serve_stale

    class Result:
        pass

    is_down = False

    @serve_stale
    def causes(repo: str, version: int, marks: tuple[int, datetime | None]) -> Result:
        if is_down:
            raise DatabaseDown
        return Result()

    results = [weakref.ref(causes("acme/web", number, (number, None))) for number in range(6)]
    gc.collect()
    assert [result() is not None for result in results] == [False] * 5 + [True]
    is_down = True
    assert causes("acme/web", 9, (9, None)) is results[-1]()
