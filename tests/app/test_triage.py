"""Known failure causes: marking them on the run page and on the page of the cause, changing and removing the mark."""

import time
from datetime import timedelta
from html import escape
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from db.definitions.records import LogRecord, RunDetailsRecord
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import store_log
from db.migrate import downgrade
from db.models import CauseTriage, JobLog
from db.repositories.repository_writes import get_repository
from health.insights.causes.identity import fingerprint
from tests.app.conftest import Open
from tests.app.reading import html
from tests.app.seeding import HOSTILE, RERUN, SECRET_LINE, Seeded, job, run, store

CAUSE = fingerprint(SECRET_LINE) or ""
PAGES: list[tuple[str, dict[str, Any]]] = [("run", {"run_id": RERUN}), ("failures", {"cause": CAUSE})]


@pytest.fixture
def marked(seeded: Seeded) -> Seeded:
    """The cause of a run has the fingerprint of its line."""
    with write_scope(seeded.engine) as session:
        session.get_one(JobLog, (1, 4)).fingerprint = CAUSE
    return seeded


def open_dialog(page: AppTest) -> AppTest:
    page.button(key="triage-open").click().run()
    assert not page.exception, page.exception
    return page


def stored(seeded: Seeded) -> list[CauseTriage]:
    with session_scope(seeded.engine) as session:
        rows = list(session.query(CauseTriage).order_by(CauseTriage.fingerprint))
        session.expunge_all()
        return rows


def mark(seeded: Seeded, **values: Any) -> None:
    row = {"fingerprint": CAUSE, "created_at": seeded.now, "updated_at": seeded.now} | values
    with write_scope(seeded.engine) as session:
        session.merge(CauseTriage(**row))
    st.cache_data.clear()


def known(page: AppTest) -> str:
    return next((block for block in html(page) if 'class="ph-known"' in block), "")


@pytest.mark.parametrize(("name", "query"), PAGES)
def test_a_cause_is_marked_changed_and_unmarked(
    marked: Seeded, open_page: Open, name: str, query: dict[str, Any]
) -> None:
    page = open_dialog(open_page(name, **query))
    assert page.button(key="triage-open").label == "Mark as known…"
    assert "triage-remove" not in {button.key for button in page.button}
    page.text_input(key=f"triage-ticket-{CAUSE}").set_value("https://jira.example/browse/OPS-123")
    page.text_input(key=f"triage-owner-{CAUSE}").set_value("platform <b>")
    until = (marked.now + timedelta(days=9)).date()
    page.date_input(key=f"triage-until-{CAUSE}").set_value(until)
    page.button(key="triage-send").click().run()
    (row,) = stored(marked)
    assert (row.ticket, row.owner, row.comment, row.created_by) == (
        "https://jira.example/browse/OPS-123", "platform <b>", None, None,
    )  # fmt: skip
    assert row.until is not None
    assert f"{row.until:%Y-%m-%d %H:%M:%S}" == f"{until} 23:59:59"
    page = open_page(name, **query)
    assert (
        '<a href="https://jira.example/browse/OPS-123" target="_blank" rel="noopener noreferrer" '
        'title="https://jira.example/browse/OPS-123">OPS-123'
    ) in known(page)
    assert " · platform &lt;b&gt; · <time" in known(page)
    assert f">until {until.day} {until:%b}" in known(page)
    assert page.button(key="triage-open").label == "Change known cause…"
    page = open_dialog(page)
    assert page.text_input(key=f"triage-owner-{CAUSE}").value == "platform <b>"
    assert page.date_input(key=f"triage-until-{CAUSE}").value == until
    page.text_area(key=f"triage-comment-{CAUSE}").set_value(HOSTILE)
    page.button(key="triage-send").click().run()
    assert (stored(marked)[0].comment, stored(marked)[0].owner) == (HOSTILE, "platform <b>")
    page = open_dialog(open_page(name, **query))
    assert "<script>" not in known(page)
    assert f"</span><span>{escape(HOSTILE)}</span>" in known(page), "the comment is not only a tooltip"
    page.button(key="triage-remove").click().run()
    assert stored(marked) == []
    assert known(open_page(name, **query)) == ""


def test_the_marks_of_all_lines_of_a_cause_are_removed(marked: Seeded, open_page: Open) -> None:
    names = {}
    for number, line in enumerate(
        ("shop: cannot open ledger alpha of the store", "shop: cannot open ledger beta of the store")
    ):
        at, other = marked.now - timedelta(hours=2 + number), fingerprint(line)
        store(marked.engine, 1, run(61_000 + number, at, conclusion="failure"))
        failed = job(61_010 + number, "build", at, conclusion="failure")
        with write_scope(marked.engine) as session:
            details = RunDetailsRecord(61_000 + number, (), (failed,), marked.now)
            store_run_details(session, get_repository(session, 1), [details])
            log = LogRecord(61_010 + number, 61_000 + number, LogState.EXPIRED, error_line=line, fingerprint=other)
            store_log(session, 1, log, marked.now)
        names[other] = number
        mark(marked, fingerprint=other, ticket=f"OPS-{number}")
    for name in names:
        assert "OPS-" in known(open_page("failures", cause=name))
    page = open_page("failures", cause=min(names))
    assert "2 runs, 2 jobs" in "".join(html(page)), "both lines are one cause"
    open_dialog(page).button(key="triage-remove").click().run()
    assert stored(marked) == []


def test_an_invalid_field_is_reported(marked: Seeded, open_page: Open) -> None:
    page = open_dialog(open_page("run", run_id=RERUN))
    page.text_input(key=f"triage-ticket-{CAUSE}").set_value("javascript://x <script>")
    page.button(key="triage-send").click().run()
    field, message = page.session_state["triage-failure"]
    assert (field, message.partition(" of")[0]) == ("ticket", "expected an http or https address")
    assert stored(marked) == []


def test_only_http_tickets_are_links_and_expired_marks_are_not_shown(marked: Seeded, open_page: Open) -> None:
    mark(marked, ticket="javascript://alert(1)", owner="<i>x</i>", until=None)
    shown = known(open_page("run", run_id=RERUN))
    assert "javascript" not in shown.partition("known")[0]
    assert 'href="javascript' not in shown
    assert "&lt;i&gt;x&lt;/i&gt;" in shown
    mark(marked, until=marked.now - timedelta(seconds=5))
    page = open_page("run", run_id=RERUN)
    assert (known(page), page.button(key="triage-open").label) == ("", "Mark as known…")


def test_one_of_several_causes_is_chosen(marked: Seeded, open_page: Open) -> None:
    at = marked.now - timedelta(hours=1)
    store(marked.engine, 1, run(60_001, at, conclusion="failure"))
    jobs = tuple(job(60_010 + number, f"job {number}", at, conclusion="failure") for number in range(3))
    with write_scope(marked.engine) as session:
        store_run_details(session, get_repository(session, 1), [RunDetailsRecord(60_001, (), jobs, marked.now)])
        for number, name in enumerate(("a", "b", "b")):
            log = LogRecord(60_010 + number, 60_001, LogState.EXPIRED, error_line=f"E {name}")
            store_log(session, 1, log, marked.now)
            session.flush()
        for number, name in enumerate(("a", "b", "b")):
            session.get_one(JobLog, (1, 60_010 + number)).fingerprint = name
    mark(marked, fingerprint="a", ticket="OPS-1")
    page = open_dialog(open_page("run", run_id=60_001))
    choice = page.selectbox(key="triage-cause")
    assert (choice.options, choice.value) == (["E a · known", "E b"], "b")
    assert page.text_input(key="triage-ticket-b").value == ""


def test_a_change_that_cannot_be_stored_is_reported(marked: Seeded, open_page: Open) -> None:
    page = open_dialog(open_page("run", run_id=RERUN))
    downgrade(marked.engine, "0016")
    page.button(key="triage-send").click().run()
    assert page.session_state["triage-failure"][0] == ""
    assert "The change was not stored. The database is at revision 0016" in page.session_state["triage-failure"][1]


@pytest.mark.usefixtures("with_login")
def test_the_name_of_the_user_is_recorded(marked: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_ROLES", "editor:email=alice@example.com")
    user = {"is_logged_in": True, "sub": "alice", "email": "alice@example.com", "email_verified": True}
    page = open_dialog(open_page("run", user=user | {"iat": int(time.time())}, run_id=RERUN))
    page.button(key="triage-send").click().run()
    assert [row.created_by for row in stored(marked)] == ["alice@example.com"]
