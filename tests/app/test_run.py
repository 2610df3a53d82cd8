import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from app.components.cause_rows import listed_failures
from db.definitions.records import LogRecord, RunDetailsRecord
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_queries import JobLogRow, list_logs
from db.logs.log_writes import store_log
from db.repositories.repository_writes import get_repository
from db.time_limit import TimeLimitExceeded
from tests.app.conftest import Open
from tests.app.reading import everything, facts, html, markdown, table, viewers
from tests.app.seeding import (
    EXPIRED,
    RERUN,
    RUNNING,
    SECRET_LINE,
    UNREAD,
    Seeded,
    heartbeat,
    job,
    run,
    store,
)
from tests.causes import add_cause


def test_untrusted_text_is_escaped_everywhere(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)
    blocks = "\n".join(block for block in html(page) if "<style>" not in block)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold**" in blocks
    for raw in ("<script", "<img", "<i>mallory", "feat/<b>", "<b>test</b>"):
        assert raw not in blocks + markdown(page)
    assert "\\<b\\>test\\</b\\>" in markdown(page)


def test_latest_attempt_is_shown_with_reused_jobs(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)
    assert "Reused from an earlier attempt: lint." in markdown(page)
    assert facts(page)["Jobs"] == "1"


def test_url_selects_an_earlier_attempt(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN, attempt=1)
    assert facts(page)["Jobs"] == "2"
    assert "Carried over" not in markdown(page)
    assert "of the latest attempt" in everything(page)
    assert "of the latest attempt" not in everything(open_page("run", run_id=RERUN))


def test_the_url_and_the_control_select_the_same_attempt(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)

    def github() -> str:
        return next(link.proto.url for link in page.get("link_button") if link.proto.label == "View on GitHub")

    page.query_params["attempt"] = "1"
    page.run()
    assert (page.button_group[0].value, facts(page)["Jobs"]) == (1, "2")
    assert github().endswith("/attempts/1")
    page.button_group[0].set_value(2).run()
    assert "attempt" not in page.query_params
    assert not github().endswith("/attempts/1")
    page.button_group[0].set_value(1).run()
    assert page.query_params["attempt"] == "1"
    assert github().endswith("/attempts/1")
    del page.query_params["attempt"]
    page.run()
    assert (page.button_group[0].value, facts(page)["Jobs"]) == (2, "1")


def test_an_unknown_attempt_is_reported(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN, attempt=7)
    assert "attempt=7 is unknown and was ignored." in page.warning[0].value.replace("\\", "")
    assert facts(page)["Jobs"] == "1"


def test_the_log_of_a_failed_job_begins_shortly_before_the_cause(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RERUN)
    assert '<div class="ph-cause">&lt;img src=x onerror=alert(2)&gt; &amp; error</div>' in html(page)
    assert viewers(page) == [
        {"base": f"logs/{RERUN}/4", "page": f"log?run_id={RERUN}&job_id=4", "name": "<b>test</b>", "embedded": True,
         "line": "", "find": ""}
    ]  # fmt: skip


def test_failed_run_links_to_the_runs_with_its_cause(seeded: Seeded, open_page: Open) -> None:
    region = next(block for block in html(open_page("run", run_id=RERUN)) if "Why it failed" in block)
    assert ">no other stored run with this line</a>" in region
    assert "＋ new: first seen in this run" in region
    with write_scope(seeded.engine) as session:
        log = LogRecord(UNREAD * 10, UNREAD, LogState.EXPIRED, error_line=SECRET_LINE, fingerprint="f")
        store_log(session, 1, log, seeded.now)
    heartbeat(seeded.engine, seeded.now)
    from app.data.status import load_status

    load_status.clear()
    region = next(block for block in html(open_page("run", run_id=RERUN)) if "Why it failed" in block)
    days = r"\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d"
    runs = r"2 runs with this line in 1 workflow since \d\d? \w{3}(?: \d{4})?"
    assert re.search(rf'<a href="failures\?cause=f&amp;dates={days}"[^>]*>{runs}</a>', region)
    assert "runs with this line by day" in region
    assert 'alt="Runs with this line by day, the last 3' in region


def test_jobs_with_the_same_line_and_cause_share_a_row() -> None:
    rows = [
        JobLogRow(1, number, f"lint ({number})", "failure", True, LogState.EXPIRED, None, [], line, False, None,
                  fingerprint=key)
        for number, line, key in ((1, "no-console", "a"), (2, "no-console", "b"), (3, "no-console", "a"), (4, None, ""))
    ]  # fmt: skip
    merged, left = listed_failures(rows, merged=True)
    assert [(item.row.job_id, item.others) for item in merged] == [(1, ("lint (3)",)), (2, ())]
    assert ([item.row.job_id for item in listed_failures(rows, merged=False)[0]], left) == ([1, 2, 3], 0)


def test_without_time_the_runs_with_a_cause_are_not_counted(
    seeded: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def exceeded(*_: object) -> Iterator[None]:
        raise TimeLimitExceeded
        yield

    with write_scope(seeded.engine) as session:
        log = LogRecord(UNREAD * 10, UNREAD, LogState.EXPIRED, error_line=SECRET_LINE, fingerprint="f")
        store_log(session, 1, log, seeded.now)
    monkeypatch.setattr("health.insights.causes.queries.time_limit", exceeded)
    region = next(block for block in html(open_page("run", run_id=RERUN)) if "Why it failed" in block)
    assert ">2 runs with this line in 1 workflow" in region
    assert "by day" not in region


def test_a_failed_job_names_class_place_and_other_causes(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        add_cause(session, 4, RERUN, line=SECRET_LINE, subject="<i>web</i> TS1", tool="tsc", line_number=61)
        for position in range(1, 24):
            add_cause(session, 4, RERUN, position, line=f"<b>{position}</b>", line_number=None)
    region = next(block for block in html(open_page("run", run_id=RERUN)) if "Why it failed" in block)
    assert '<span class="ph-class ph-orange">Test</span> <a href="log?run_id=9001&amp;attempt=2&amp;job_id=4"' in region
    assert "<span>tsc: <b>&lt;i&gt;web&lt;/i&gt; TS1</b></span>" in region
    assert 'href="log?run_id=9001&amp;attempt=2&amp;job_id=4&amp;line=61"' in region
    assert '<details data-section="causes-4"><summary>and at least 23 more failed tests</summary>' in region
    assert "<code>&lt;b&gt;20&lt;/b&gt;</code>" in region
    assert "21&lt;" not in region
    assert "3 more are not listed" in region
    assert "<details open" not in region
    opened = "".join(html(open_page("run", run_id=RERUN, open="causes-4")))
    assert '<details data-section="causes-4" open>' in opened
    log = next(block for block in html(open_page("log", run_id=RERUN, job_id=4)) if "Failure cause" in block)
    assert '<span class="ph-class ph-orange">Test</span>' in log
    assert "＋ new: first seen in this run" in log
    assert not any("Failure cause" in block for block in html(open_page("log", run_id=RERUN, job_id=3)))


def test_log_is_requested_then_pending_then_stored(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=UNREAD)
    next(button for button in page.button if button.label == "Fetch this log").click().run()
    assert "The log is being fetched." in markdown(page)
    with session_scope(seeded.engine) as session:
        assert [row.state for row in list_logs(session, UNREAD, 1)] == [LogState.PENDING]
        store_log(
            session,
            1,
            LogRecord(UNREAD * 10, UNREAD, LogState.STORED, "boom", 4, False, 1, ("boom",), "boom", "f"),
            seeded.now,
        )
    heartbeat(seeded.engine, seeded.now)
    from app.data.status import load_status

    load_status.clear()
    page.run()
    assert [each["base"] for each in viewers(page)] == [f"logs/{UNREAD}/{UNREAD * 10}"]


def test_expired_log_is_stated(seeded: Seeded, open_page: Open) -> None:
    assert "GitHub deleted this log" in markdown(open_page("run", run_id=EXPIRED))


def test_run_without_jobs_shows_a_message(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RUNNING)
    assert "No jobs are stored for this attempt" in markdown(page)
    assert any("● Running" in block for block in html(page))


@pytest.mark.parametrize("given", ["", "abc", "-1", "99999999999999999999", "²", "1; drop table runs"])
def test_url_without_a_run_links_to_the_list(seeded: Seeded, open_page: Open, given: str) -> None:
    assert "No run selected" in markdown(open_page("run", run_id=given))


def test_unknown_run_states_possible_reasons(seeded: Seeded, open_page: Open) -> None:
    assert "Run 4711 not found" in markdown(open_page("run", run_id=4711))


def test_run_with_many_jobs_is_truncated_with_a_note(seeded: Seeded, open_page: Open) -> None:
    number, total = 77_000, 700
    began = seeded.now - timedelta(hours=2)
    store(seeded.engine, 1, run(number, began, conclusion="failure"))
    jobs = [
        job(
            number * 100 + k,
            f"matrix ({k})",
            began,
            seconds=30 + k % 90,
            conclusion="failure" if k % 50 == 7 else "success",
        )
        for k in range(total)
    ]
    with write_scope(seeded.engine) as session:
        store_run_details(session, get_repository(session, 1), [RunDetailsRecord(number, (), tuple(jobs), seeded.now)])
    page = open_page("run", run_id=number)
    text = everything(page)
    assert "40 of 700 jobs: failed jobs first, then the longest" in text
    assert "Steps of 25 of 700 jobs" in text
    assert len(page.expander) == 25
    rows = table(page, "run-jobs")
    assert len(rows) == 100
    assert [row["Status"].value for row in rows[:14]] == ["failure"] * 14
    assert rows[14]["Status"].value == "success"
    assert "1 to 100 of 700 jobs" in text
    page.text_input(key=f"jobs-q-{number}").set_value("matrix (69").run()
    assert [row["Job"].value for row in table(page, "run-jobs")] == [
        "matrix (69)",
        *(f"matrix (69{k})" for k in range(10)),
    ]
    assert sum(map(len, html(page))) < 400_000
