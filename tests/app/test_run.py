import pytest
from streamlit.testing.v1 import AppTest

from db.engine import session_scope
from db.queries.logs import list_logs
from db.store.logs import store_log
from db.store.records import LogRecord
from db.vocabulary import LogState
from tests.app.conftest import Open
from tests.app.reading import facts, html, markdown
from tests.app.seeding import EXPIRED, RERUN, RUNNING, UNREAD, Seeded, heartbeat


def _log(page: AppTest) -> str:
    return next(block for block in html(page) if 'class="ph-log' in block)


def test_untrusted_text_is_escaped_everywhere(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)
    blocks = "\n".join(block for block in html(page) if "<style>" not in block)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold**" in blocks
    for raw in ("<script", "<img", "<i>mallory", "feat/<b>", "<b>test</b>"):
        assert raw not in blocks + markdown(page)
    assert "\\<b\\>test\\</b\\>" in markdown(page)


def test_the_latest_attempt_is_shown_and_says_what_was_carried_over(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)
    assert "Carried over from an earlier attempt, not run again: lint." in markdown(page)
    assert facts(page)["Jobs"] == "1"


def test_an_earlier_attempt_can_be_chosen_by_the_address(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN, attempt=1)
    assert facts(page)["Jobs"] == "2"
    assert "Carried over" not in markdown(page)


def test_the_cause_is_in_view_marked_and_numbered(seeded: Seeded, open_page: Open) -> None:
    log = _log(open_page("run", run_id=RERUN))
    assert log.count("ph-hit") == 1
    hit = log[log.index("ph-hit") :]
    assert "▶</span>61</span><span>&lt;img src=x onerror=alert(2)&gt; &amp; error" in hit
    assert "<summary>22 lines before</summary>" in log


def test_the_whole_log_comes_on_demand(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)
    assert "line 3<" not in _log(page)
    page.toggle[0].set_value(True).run()
    assert "line 3<" in _log(page)
    assert "62 lines" in markdown(page)


def test_a_log_is_asked_for_then_pending_then_there(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=UNREAD)
    next(button for button in page.button if button.label == "Fetch this log").click().run()
    assert "The collector is fetching this log" in markdown(page)
    with session_scope(seeded.engine) as session:
        assert [row.state for row in list_logs(session, UNREAD, 1)] == [LogState.PENDING]
        store_log(
            session,
            1,
            LogRecord(UNREAD * 10, UNREAD, LogState.STORED, "boom", 4, False, 1, ("boom",), "boom", "f"),
            seeded.now,
        )
    heartbeat(seeded.engine, seeded.now)
    from app import data

    data.status.clear()
    page.run()
    assert "boom" in _log(page)


def test_a_log_that_github_deleted_says_so(seeded: Seeded, open_page: Open) -> None:
    assert "GitHub had deleted this log" in markdown(open_page("run", run_id=EXPIRED))


def test_a_run_without_known_jobs_says_so(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RUNNING)
    assert "No job of this attempt is known" in markdown(page)
    assert any("● Running" in block for block in html(page))


@pytest.mark.parametrize("given", ["", "abc", "-1", "99999999999999999999", "²", "1; drop table runs"])
def test_an_address_without_a_usable_run_leads_to_the_list(seeded: Seeded, open_page: Open, given: str) -> None:
    assert "No run chosen" in markdown(open_page("run", run_id=given))


def test_an_unknown_run_says_why_it_may_be_missing(seeded: Seeded, open_page: Open) -> None:
    assert "Run 4711 is not known" in markdown(open_page("run", run_id=4711))
