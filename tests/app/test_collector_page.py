"""The Collector page: completeness, and remedies for gaps."""

import re
from datetime import timedelta

from streamlit.testing.v1 import AppTest

from db.collection.backfills import request_backfill
from db.collection.sync_state import add_gap, record_heartbeat, sync_state
from db.engine import write_scope
from db.enums import ErrorCode
from db.repositories.codeowners_files import record_unreadable, store_codeowners
from db.repositories.repository_writes import record_target
from tests.app.conftest import Open
from tests.app.reading import table
from tests.app.seeding import Seeded, add_repository, heartbeat


def told(page: AppTest) -> str:
    return "\n".join(block.proto.body for block in page.get("html"))


def test_complete_data_is_stated_in_one_sentence(seeded: Seeded, open_page: Open) -> None:
    page = open_page("collector")
    since = (seeded.now - timedelta(days=90)).strftime("%b %Y")
    assert "Data is complete since" in told(page)
    assert since in told(page)
    rows = table(page, "repositories")
    assert [row["State"].text for row in rows] == ["✓ Complete", "✓ Complete"]
    assert [row["Repository"].text for row in rows] == ["acme/api", "acme/web"]
    assert rows[1]["Repository"].links == ["collector?of=acme%2Fweb"]


def test_unreadable_repository_comes_first_with_a_remedy(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        state = sync_state(session, 1)
        state.error, state.error_at = "GitHub refused <b>it</b> (403 Forbidden)", seeded.now
        state.error_code = ErrorCode.FORBIDDEN
    page = open_page("collector")
    assert "1 of 2 repositories cannot be synced" in told(page)
    assert table(page, "repositories")[0]["Repository"].value == "acme/web"
    assert "GitHub refused &lt;b&gt;it&lt;/b&gt; (403 Forbidden)" in told(page)
    assert "Grant the token permission to read Actions" in told(page)


def test_gap_is_listed_for_its_repository(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        add_gap(session, 2, "capped", "1,200 runs were created within one second")
    page = open_page("collector", of="acme/api")
    assert "1,200 runs were created within one second" in told(page)
    assert "1,200 runs were created" not in told(open_page("collector", of="acme/web"))


def test_backfill_shows_its_progress(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        since = seeded.now - timedelta(days=400)
        request_backfill(session, 1, since, seeded.now, seeded.now)
    page = open_page("collector", of="acme/web")
    assert "History from" in told(page)
    assert "catching up" in told(page)
    assert len(page.get("progress")) == 1


def test_stale_heartbeat_is_reported(seeded: Seeded, open_page: Open) -> None:
    heartbeat(seeded.engine, seeded.now - timedelta(hours=3))
    page = open_page("collector")
    assert "Not running" in told(page)
    assert "the collector is not running" in told(page)


def test_stopped_collector_shows_the_time(seeded: Seeded, open_page: Open) -> None:
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


def test_unresolved_target_is_listed(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        record_target(session, "acme/gone", None, "/repos/acme/gone not found (404)", seeded.now)
    page = open_page("collector")
    assert "acme/gone" in [row["Repository"].value for row in table(page, "repositories")]
    assert "1 of 3 repositories cannot be synced" in told(page)


def test_page_without_repositories_names_the_setting(empty: object, open_page: Open) -> None:
    page = open_page("collector")
    assert "Nothing is monitored yet" in told(page)
    assert "Never started" in told(page)


def test_storage_shows_sizes_and_next_deletion(seeded: Seeded, open_page: Open) -> None:
    soon = (seeded.now + timedelta(hours=5)).isoformat()
    with write_scope(seeded.engine) as session:
        record_heartbeat(session, seeded.now, {"retention_days": 30, "log_retention_days": 7, "next_prune_at": soon})
    page = told(open_page("collector"))
    assert "Size of the database" in page
    assert "runs are kept 30 days, logs 7" in page
    assert re.search(r"<p>\d+ runs</p>", page.split("Next cleanup")[1])
    assert "<code>runs</code>" in page


def test_a_fault_of_the_teams_file_is_shown(seeded: Seeded, open_page: Open) -> None:
    heartbeat(seeded.engine, seeded.now, teams_file_error="t.yaml, line 2: <b>team</b>: unknown key")
    (warning,) = open_page("collector").warning
    assert "unknown key. The teams of the last valid file remain." in warning.value.replace("\\", "")
    assert "<b>" not in warning.value


def test_codeowners_files_and_teams_of_github_that_cannot_be_read(seeded: Seeded, open_page: Open) -> None:
    heartbeat(seeded.engine, seeded.now, github_teams_error="acme: <b>read:org</b> is missing")
    with write_scope(seeded.engine) as session:
        record_unreadable(session, 1, "answered 500: <i>Server Error</i>", seeded.now)
        store_codeowners(session, 2, "docs/CODEOWNERS", "* @acme/api\n!x @acme/<b>\n", None, seeded.now)
    page = open_page("collector", of="acme/web")
    shown = [warning.value.replace("\\", "") for warning in page.warning]
    assert len(shown) == 2
    assert "is missing. Teams that were read before remain." in shown[0]
    assert shown[1].startswith("1 CODEOWNERS file cannot be read, so owners may be unknown or out of date. acme/web: ")
    assert not any("<b>" in warning.value or "<i>" in warning.value for warning in page.warning)
    assert "the owners are unknown: answered 500: &lt;i&gt;Server Error&lt;/i&gt;." in told(page)
    page = open_page("collector", of="acme/api")
    assert "docs/CODEOWNERS has 1 rule." in told(page)
    assert "GitHub skips 1 line: line 2: &#x27;@acme/&lt;b&gt;&#x27; is not a user" in told(page)
