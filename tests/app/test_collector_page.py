"""The Collector page: what is known to be complete, and what to do where it is not."""

import re
from datetime import timedelta

from streamlit.testing.v1 import AppTest

from db.collection.backfills import request_backfill
from db.collection.sync_state import add_gap, record_heartbeat, sync_state
from db.engine import write_scope
from db.enums import ErrorCode
from db.repositories.repository_writes import record_target
from tests.app.conftest import Open
from tests.app.seeding import Seeded, add_repository, heartbeat


def told(page: AppTest) -> str:
    return "\n".join(block.proto.body for block in page.get("html"))


def test_everything_complete_is_said_in_a_sentence(seeded: Seeded, open_page: Open) -> None:
    page = open_page("collector")
    since = (seeded.now - timedelta(days=90)).strftime("%b %Y")
    assert "Data is complete since" in told(page)
    assert since in told(page)
    frame = page.dataframe[0].value
    assert [state[0] for state in frame["state"]] == ["✓ Complete", "✓ Complete"]
    assert list(frame["repo"]) == ["acme/api", "acme/web"]


def test_a_repository_that_cannot_be_read_comes_first_with_what_to_do(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        state = sync_state(session, 1)
        state.error, state.error_at = "GitHub refused <b>it</b> (403 Forbidden)", seeded.now
        state.error_code = ErrorCode.FORBIDDEN
    page = open_page("collector")
    assert "1 of 2 repositories cannot be read" in told(page)
    assert next(iter(page.dataframe[0].value["repo"])) == "acme/web"
    assert "GitHub refused &lt;b&gt;it&lt;/b&gt; (403 Forbidden)" in told(page)
    assert "Give the token the permission to read Actions" in told(page)


def test_a_gap_is_named_in_the_ledger_of_its_repository(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        add_gap(session, 2, "capped", "1,200 runs were created within one second")
    page = open_page("collector", of="acme/api")
    assert "1,200 runs were created within one second" in told(page)
    assert "1,200 runs were created" not in told(open_page("collector", of="acme/web"))


def test_history_that_is_read_shows_how_far(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        since = seeded.now - timedelta(days=400)
        request_backfill(session, 1, since, seeded.now, seeded.now)
    page = open_page("collector", of="acme/web")
    assert "History from" in told(page)
    assert "catching up" in told(page)
    assert len(page.get("progress")) == 1


def test_a_silent_collector_is_said_so(seeded: Seeded, open_page: Open) -> None:
    heartbeat(seeded.engine, seeded.now - timedelta(hours=3))
    page = open_page("collector")
    assert "Not running" in told(page)
    assert "the collector is not running" in told(page)


def test_one_that_stopped_says_when(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        record_heartbeat(session, seeded.now, {"beat_seconds": 5}, stopped_at=seeded.now)
    page = told(open_page("collector"))
    assert f"Stopped at {seeded.now:%H:%M} UTC" in page
    assert f"the collector stopped at {seeded.now:%H:%M} UTC" in page


def test_several_collectors_are_listed(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        for name in ("one/1", "two/2"):
            record_heartbeat(session, seeded.now, {"state": "idle"}, name=f"collector/{name}")
    page = open_page("collector")
    assert "Collector one/1" in told(page)
    assert "Collector two/2" in told(page)


def test_names_are_text(seeded: Seeded, open_page: Open) -> None:
    add_repository(seeded.engine, 3, "acme/<img src=x onerror=alert(1)>", seeded.now)
    page = open_page("collector", of="acme/<img src=x onerror=alert(1)>")
    assert "<img" not in told(page)


def test_a_name_that_leads_nowhere_is_listed(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        record_target(session, "acme/gone", None, "GitHub knows no /repos/acme/gone (404)", seeded.now)
    page = open_page("collector")
    assert "acme/gone" in list(page.dataframe[0].value["repo"])
    assert "1 of 3 repositories cannot be read" in told(page)


def test_without_any_repository_it_says_what_to_set(empty: object, open_page: Open) -> None:
    page = open_page("collector")
    assert "Nothing is monitored yet" in told(page)
    assert "Never started" in told(page)


def test_it_says_what_the_stored_data_takes_and_what_goes_next(seeded: Seeded, open_page: Open) -> None:
    soon = (seeded.now + timedelta(hours=5)).isoformat()
    with write_scope(seeded.engine) as session:
        record_heartbeat(session, seeded.now, {"retention_days": 30, "log_retention_days": 7, "next_prune_at": soon})
    page = told(open_page("collector"))
    assert "Size of the database" in page
    assert "runs are kept 30 days, logs 7" in page
    assert re.search(r"<p>\d+ runs</p>", page.split("Next pruning")[1])
    assert "<code>runs</code>" in page
