"""Deleting what is old: logs before their runs, everything in portions, and how large what is left is."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, func, insert, select
from sqlalchemy.orm import Session

from db.__main__ import main
from db.audit import AuditFilter, audit_page, record
from db.collection.heartbeat_detail import HeartbeatDetail
from db.definitions.records import LogRecord
from db.engine import session_scope, write_scope
from db.enums import AuditAction, AuditSubject
from db.logs.log_queries import list_logs
from db.logs.log_writes import record_failed_fetch, request_logs, store_log
from db.migrate import downgrade
from db.models import (
    Alert,
    AlertSilence,
    CauseAlias,
    CauseTriage,
    JobCause,
    JobLog,
    LogSketch,
    Notification,
    Run,
    RunGap,
)
from db.storage import pending_deletion, storage
from health import retention
from health.completeness.service_facts import storage_facts
from health.retention import prune, prune_audit, prune_logs
from tests.builders import ACTOR, NOON, add_repository, job, run, store_jobs, store_runs

DAY = timedelta(days=1)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Three runs, today's and two older, with a log each."""
    add_repository(engine)
    store_runs(engine, run(1, minutes=-60 * 24 * 200), run(2, minutes=-60 * 24 * 100), run(3))
    for number, age in ((1, 200), (2, 100), (3, 0)):
        store_jobs(engine, number, job(number, conclusion="failure"))
        with write_scope(engine) as session:
            record = LogRecord(
                number, number, "stored", text="it failed", excerpt=("it failed",), error_line="it failed"
            )
            store_log(session, 1, record, NOON - age * DAY)
    return engine


def states(engine: Engine) -> list[tuple[int, str, bool]]:
    with Session(engine) as session:
        query = select(JobLog.job_id, JobLog.state, JobLog.content.is_(None)).order_by(JobLog.job_id)
        return [tuple(row) for row in session.execute(query)]


def test_the_text_of_a_log_goes_before_its_run_and_its_cause_stays(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LOG_BATCH", 1)
    assert list(prune_logs(filled, NOON - 90 * DAY)) == [1, 1]
    assert states(filled) == [(1, "pruned", True), (2, "pruned", True), (3, "stored", False)]
    with session_scope(filled) as session:
        (row,) = list_logs(session, 1, 1)
        assert (row.text, row.error_line, row.excerpt) == (None, "it failed", ["it failed"])


def test_a_log_that_was_deleted_for_its_age_is_not_asked_for_again(filled: Engine) -> None:
    assert sum(prune_logs(filled, NOON - 90 * DAY)) == 2
    with write_scope(filled) as session:
        assert request_logs(session, 1, 1, [1], NOON) == []
        record_failed_fetch(session, 1, 1, 1, NOON)
        store_log(session, 1, LogRecord(1, 1, "expired"), NOON)
    assert states(filled)[0] == (1, "pruned", True)


def test_everything_that_is_older_goes_in_portions_and_what_is_interrupted_goes_on(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUN_BATCH", 1)
    old, new = NOON - 150 * DAY, NOON - DAY
    with write_scope(filled) as session:
        for number, at in enumerate((old, old, new), start=1):
            alert = {"id": number, "repository_id": 1, "rule": "failure_rate", "threshold": "20%", "opened_at": at}
            session.execute(insert(Alert).values(**alert, state="resolved", target=str(number), detail={}))
            for alert_id in (number, None):
                message = {"alert_id": alert_id, "channel": "slack", "reason": "first", "message": {}, "state": "sent"}
                session.execute(insert(Notification).values(**message, tries=1, created_at=at, due_at=at))
            times = {"starts_at": at, "ends_at": at, "created_at": at}
            lists = {"repos": [], "workflows": [], "branches": []}
            session.execute(insert(AlertSilence).values(**times, **lists, comment="", author=""))
            gap = {"repository_id": 1, "workflow_id": 5, "first_number": number, "last_number": number}
            session.execute(
                insert(RunGap).values(
                    **gap, created_after=at, created_before=at, state="absent", checks=4, detected_at=at
                )
            )
            keys = {"repository_id": 1, "job_id": number, "run_id": number, "created_at": at}
            text = {"tool": "", "message": "it failed", "line": "it failed", "fingerprint": str(number)}
            session.execute(insert(JobCause).values(**keys, **text, position=0, kind="unknown", source="log"))
            sketch = {"workflow_id": 5, "job_name_hash": "", "day": at.date(), "content": b""}
            session.merge(LogSketch(**keys, **sketch))
            session.execute(insert(CauseAlias).values(fingerprint=f"earlier {number}", current=str(number)))
        triage = {"fingerprint": "1", "created_at": old, "updated_at": old}
        session.execute(insert(CauseTriage).values(triage))
    assert next(prune(filled, NOON - 90 * DAY, NOON)) == 1
    assert sum(prune(filled, NOON - 90 * DAY, NOON)) == 1
    with Session(filled) as session:
        left = {
            model: session.scalar(select(func.count()).select_from(model))
            for model in (Run, JobCause, JobLog, LogSketch, Alert, AlertSilence, RunGap)
        }
        assert left == dict.fromkeys(left, 1)
        assert session.scalar(select(func.count()).select_from(Notification)) == 2
        assert set(session.scalars(select(CauseAlias.current))) == {"1", "3"}


def test_what_is_stored_and_what_goes_next_is_known_without_counting(filled: Engine) -> None:
    with session_scope(filled) as session:
        found = storage(session, NOON + DAY / 2)
        next_time = pending_deletion(session, NOON, 150 * DAY, 90 * DAY)
    assert (found.oldest_run, found.oldest_log, found.runs_last_day) == (NOON - 200 * DAY, NOON - 200 * DAY, 1)
    assert (next_time.runs, next_time.logs) == (1, 2)
    sizes = {each.name: each for each in found.tables}
    assert {"runs", "jobs", "job_logs"} <= set(sizes)
    assert all(each.table_bytes and each.index_bytes for each in (sizes["runs"], sizes["jobs"]))
    assert found.total_bytes > sum((each.table_bytes or 0) + (each.index_bytes or 0) for each in found.tables) / 2
    assert sum(each.index_bytes or 0 for each in found.largest(1)) == sum(
        each.index_bytes or 0 for each in found.tables
    )
    if filled.dialect.name == "sqlite":
        assert sizes["runs"].rows == 3
    detail = HeartbeatDetail(retention_days=150, log_retention_days=90, next_prune_at=NOON + DAY)
    told = {
        each.label: (each.value, each.note) for each in storage_facts(found, detail, next_time, NOON, count_limit=2)
    }
    assert told["Next cleanup"] == ("In 1d 0h", "1 run and at least 2 logs")
    assert told["Oldest run"] == ("02 May 2026", "logs from 02 May 2026; runs are kept 150 days, logs 90")


def test_the_size_of_a_database_of_an_older_version_is_known(filled: Engine) -> None:
    downgrade(filled, "0014")
    with session_scope(filled) as session:
        assert "runs" in {table.name for table in storage(session, NOON).tables}


def test_by_command(
    filled: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LOG_RETENTION_DAYS", "1")
    assert main(["prune"]) == 0
    assert main(["vacuum"]) == 0
    told = capsys.readouterr().out
    assert "The text of 3 logs" in told
    assert "MB and takes" in told
    assert {state for _, state, _ in states(filled)} == {"pruned"}


def test_events_of_the_audit_trail_have_a_retention_of_their_own(
    filled: Engine, monkeypatch: pytest.MonkeyPatch, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retention, "RUN_BATCH", 2)

    def days() -> list[int]:
        with session_scope(filled) as session:
            return [(NOON - row.at) // DAY for row in audit_page(session, AuditFilter()).items]

    with write_scope(filled) as session:
        for age in range(7):
            record(session, ACTOR, AuditAction.SENT, AuditSubject.DIGEST, age, "", NOON - age * DAY)
    assert sum(prune(filled, NOON, NOON)) == 2
    assert days() == [0, 1, 2, 3, 4, 5, 6]
    assert list(prune_audit(filled, NOON - 3 * DAY)) == [2, 1]
    assert days() == [0, 1, 2, 3]
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("AUDIT_RETENTION_DAYS", "1")
    assert main(["prune"]) == 0
    assert "of the audit trail deleted (AUDIT_RETENTION_DAYS=1)" in capsys.readouterr().out


def test_deletion_reads_no_table_as_a_whole(filled: Engine) -> None:
    statements: list[tuple[str, object]] = []

    def listen(_c: object, _cursor: object, statement: str, parameters: object, *_more: object) -> None:
        if statement.lstrip().startswith(("DELETE", "UPDATE", "SELECT", "WITH")):
            statements.append((statement, parameters))

    event.listen(filled, "before_cursor_execute", listen)
    assert sum(prune_logs(filled, NOON - 50 * DAY)) == 2
    assert sum(prune(filled, NOON - 50 * DAY, NOON)) == 2
    event.remove(filled, "before_cursor_execute", listen)
    changes = [each for each in statements if re.search(r"DELETE FROM (runs|jobs|attempts|job_)|UPDATE job_", each[0])]
    changes = [each for each in changes if "WHERE 0 = 1" not in each[0]]
    assert len(changes) >= 6
    if filled.dialect.name != "sqlite":
        return
    with filled.connect() as connection:
        for statement, parameters in changes:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert not [row[3] for row in plan if re.match(r"SCAN (runs|jobs|attempts|job_\w+)\b", row[3])], statement
            assert not [row[3] for row in plan if "(state=?)" in row[3]], statement
