"""Causes that an earlier version extracted are extracted again, whatever is still stored of their logs."""

import logging
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from collector.logs import reextraction
from collector.logs.reextraction import extract_outdated_causes
from db.definitions.records import LogRecord
from db.engine import session_scope, write_scope
from db.logs.cause_writes import current_fingerprints
from db.logs.log_writes import record_failed_fetch, store_log
from db.logs.outdated_causes import outdated_logs
from db.models import JobCause, JobLog
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.job_causes import annotation_record
from health.insights.causes.model import CauseClass
from health.insights.causes.rule_application import RuleApplication
from health.insights.causes.rules import CauseRule
from health.insights.causes.stored_rules import add_rule, delete_rule
from health.retention import prune_logs
from tests.builders import ACTOR, NOON, add_repository, job, run, store_jobs, store_runs

STEP, END = "##[group]Run pytest", "##[error]Process completed with exit code 1."
FAILED = "FAILED tests/test_cart.py::test_{} - AssertionError: total"
LOG = [STEP, "##[endgroup]", *(FAILED.format(name) for name in "ab"), END]
LOST = "The hosted runner lost communication with the server."
BOTH = [("test", f"tests/test_cart.py::test_{name}", number, "log") for name, number in (("a", 3), ("b", 4))]
LATER = NOON + timedelta(days=200)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Five failed jobs of one run, and a successful one."""
    add_repository(engine)
    store_runs(engine, run(1, minutes=-60, conclusion="failure"))
    jobs = [job(number, name=f"job {number}", conclusion="failure") for number in range(1, 6)]
    store_jobs(engine, 1, *jobs, job(6, name="job 6"))
    return engine


def store(
    engine: Engine, job_id: int, lines: list[str], error: str | None, *, excerpt: bool = True, run_id: int = 1
) -> None:
    """A log as an earlier version stored it: with the first cause only, under a fingerprint of earlier rules."""
    record = LogRecord(
        job_id, run_id, "stored", "\n".join(lines), excerpt_first_line=1, excerpt=tuple(lines) if excerpt else (),
        error_line=error, fingerprint=f"{job_id:016}" if error else None,
    )  # fmt: skip
    with write_scope(engine) as session:
        store_log(session, 1, record, NOON)


def extract(engine: Engine, seconds: float = 60) -> int:
    return extract_outdated_causes(engine, threading.Event(), seconds=seconds)


def causes(engine: Engine, job_id: int) -> list[tuple[str, str | None, int | None, str]]:
    with session_scope(engine) as session:
        columns = (JobCause.kind, JobCause.subject, JobCause.line_number, JobCause.source)
        query = select(*columns).where(JobCause.job_id == job_id).order_by(JobCause.position)
        return [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]


def fingerprints(engine: Engine, job_id: int) -> list[str | None]:
    with session_scope(engine) as session:
        query = select(JobCause.fingerprint).where(JobCause.job_id == job_id)
        return list(session.scalars(query.order_by(JobCause.position)))


def aliases(engine: Engine, *earlier: str) -> dict[str, str]:
    with session_scope(engine) as session:
        return current_fingerprints(session, earlier)


def test_causes_come_from_the_text_else_from_the_excerpt_else_from_the_line(filled: Engine) -> None:
    store(filled, 2, LOG, FAILED.format("a"))
    assert sum(prune_logs(filled, LATER)) == 1
    store(filled, 1, LOG, FAILED.format("a"))
    store(filled, 3, [STEP, "##[endgroup]", "waits"], LOST, excerpt=False)
    lost = LogRecord(4, 1, "missing", error_line=LOST, fingerprint="0" * 20)
    with write_scope(filled) as session:
        record_failed_fetch(session, 1, 4, 1, NOON, record=lost)
    store(filled, 6, LOG, None)
    assert extract(filled) == 5
    assert extract(filled) == 0
    assert causes(filled, 1) == causes(filled, 2) == BOTH
    assert causes(filled, 3) == causes(filled, 4) == [("infrastructure", None, None, "annotation")]
    assert causes(filled, 6) == []
    with session_scope(filled) as session:
        assert set(session.scalars(select(JobLog.cause_version))) == {CAUSE_VERSION}
        logs = session.execute(select(JobLog.job_id, JobLog.fingerprint).where(JobLog.error_line.is_not(None)))
        first = {row[0]: row[1] for row in logs}
    assert first == {number: fingerprints(filled, number)[0] for number in (1, 2, 3, 4)}
    earlier = {f"{number:016}": first[number] for number in (1, 2, 3)} | {"0" * 20: first[4]}
    assert aliases(filled, *earlier) == earlier


@pytest.mark.parametrize("has_text", [True, False])
def test_annotations_are_not_requested_again_and_keep_their_places(filled: Engine, *, has_text: bool) -> None:
    lines = [STEP, "##[endgroup]", "waits"]
    records = tuple(annotation_record(*pair) for pair in ((LOST, None), ("Badge differs", "src/a.py:12")))
    record = LogRecord(
        1, 1, "stored" if has_text else "expired", "\n".join(lines) if has_text else None, excerpt_first_line=1,
        excerpt=tuple(lines), error_line=LOST, fingerprint=records[0].fingerprint, causes=records,
    )  # fmt: skip
    with write_scope(filled) as session:
        store_log(session, 1, record, NOON)
    stored = fingerprints(filled, 1)
    assert extract(filled) == 1
    assert [cause[1:] for cause in causes(filled, 1)] == [
        (None, None, "annotation"), ("src/a.py:12", None, "annotation")
    ]  # fmt: skip
    assert fingerprints(filled, 1) == stored


def test_causes_that_had_the_name_of_a_runner_are_aliases_of_one(filled: Engine) -> None:
    with write_scope(filled) as session:
        for number in (1, 2):
            line = f"The self-hosted runner: vm-{number} lost communication with the server."
            record = replace(annotation_record(line, None), fingerprint=f"with name {number}")
            log = LogRecord(number, 1, "missing", error_line=line, fingerprint=record.fingerprint, causes=(record,))
            record_failed_fetch(session, 1, number, 1, NOON, record=log)
    assert extract(filled) == 2
    (current,) = {*fingerprints(filled, 1), *fingerprints(filled, 2)}
    assert aliases(filled, "with name 1", "with name 2") == {"with name 1": current, "with name 2": current}


def test_a_cause_that_a_rule_replaced_returns_with_the_end_of_the_rule(filled: Engine) -> None:
    store(filled, 2, LOG, FAILED.format("a"))
    assert sum(prune_logs(filled, LATER)) == 1
    store(filled, 1, LOG, FAILED.format("a"))
    records = tuple(annotation_record(*pair) for pair in ((LOST, None), ("Badge differs", "src/a.py:12")))
    with write_scope(filled) as session:
        annotated = LogRecord(3, 1, "expired", error_line=LOST, fingerprint=records[0].fingerprint, causes=records)
        store_log(session, 1, annotated, NOON)
    assert extract(filled) == 3
    before = [causes(filled, number) for number in (1, 2, 3)]
    named = {number: fingerprints(filled, number) for number in (1, 2, 3)}
    rule = CauseRule("Mine", "test_b|Badge", CauseClass.LINT, is_expression=True)
    rules = RuleApplication(filled, lambda: NOON, delay=0)
    with write_scope(filled) as session:
        rule_id = add_rule(session, rule, NOON, by=None, actor=ACTOR)
    assert rules.run(seconds=30) == 3
    replaced = [("lint", "Mine", 4, "rule"), BOTH[0]]
    for _ in range(2):
        assert causes(filled, 1) == causes(filled, 2) == replaced
        assert causes(filled, 3) == [("lint", "Mine", None, "rule"), before[2][0]]
        with write_scope(filled) as session:
            session.execute(update(JobLog).values(cause_version=CAUSE_VERSION - 1))
        assert extract(filled) == 3
    with write_scope(filled) as session:
        delete_rule(session, rule_id, NOON, actor=ACTOR)
    assert rules.run(seconds=30) == 3
    assert extract(filled) == 2
    assert [causes(filled, 1), causes(filled, 2), sorted(causes(filled, 3))] == [*before[:2], sorted(before[2])]
    assert {number: sorted(map(str, fingerprints(filled, number))) for number in named} == {
        number: sorted(map(str, listed)) for number, listed in named.items()
    }


def test_a_later_version_extracts_all_logs_again_and_the_newest_first(filled: Engine) -> None:
    """The address of a cause leads to the cause with the same line."""
    for number in (1, 2):
        store(filled, number, LOG, FAILED.format("a"))
    assert extract(filled) == 2
    with write_scope(filled) as session:
        session.execute(update(JobLog).values(cause_version=CAUSE_VERSION - 1))
        session.execute(update(JobLog).where(JobLog.job_id == 2).values(fetched_at=LATER))
        for position in (0, 1):
            where = (JobCause.job_id == 2) & (JobCause.position == position)
            session.execute(update(JobCause).where(where).values(fingerprint=f"earlier {position}"))
    assert extract(filled, seconds=0) == 1
    with session_scope(filled) as session:
        versions = [session.get_one(JobLog, (1, number)).cause_version for number in (1, 2)]
    assert versions == [CAUSE_VERSION - 1, CAUSE_VERSION]
    assert aliases(filled, "earlier 0", "earlier 1") == dict(
        zip(("earlier 0", "earlier 1"), fingerprints(filled, 2), strict=True)
    )
    assert extract(filled) == 1


@pytest.mark.parametrize("version", [None, CAUSE_VERSION - 1])
def test_a_cause_is_an_alias_only_of_the_one_in_its_place(filled: Engine, version: int | None) -> None:
    """A mark of a cause that is gone does not apply to the one that is shown now. A comparison with a successful log,
    which clears the version, changes nothing about it."""
    for number in (1, 2):
        store(filled, number, LOG, FAILED.format("a"))
    assert extract(filled) == 2
    with write_scope(filled) as session:
        session.execute(update(JobLog).values(cause_version=version))
        # Of the first log, the second cause is gone; of the second log, the first one is shown in another form.
        for number, position, line in ((1, 1, "FAILED gone"), (2, 0, "FAILED of another form")):
            where = (JobCause.job_id == number) & (JobCause.position == position)
            session.execute(update(JobCause).where(where).values(fingerprint=f"earlier {number}", line=line))
            where = (JobCause.job_id == number) & (JobCause.position != position)
            session.execute(update(JobCause).where(where).values(fingerprint=f"same line {number}"))
        gone = (JobCause.job_id == 1) & (JobCause.position == 1)
        session.execute(update(JobCause).where(gone).values(line_number=2))
    assert extract(filled) == 2
    first, second = fingerprints(filled, 1)
    assert aliases(filled, "earlier 1") == {}
    assert aliases(filled, "earlier 2", "same line 1", "same line 2") == {
        "earlier 2": first, "same line 1": first, "same line 2": second
    }  # fmt: skip


def test_a_cancelled_job_that_made_its_run_fail_is_extracted_again(filled: Engine) -> None:
    store_runs(filled, run(2, minutes=-30, conclusion="failure"), run(3, minutes=-20, conclusion="cancelled"))
    for number in (2, 3):
        store_jobs(filled, number, job(10 * number, conclusion="cancelled"))
        store(filled, 10 * number, LOG, None, run_id=number)
    extract(filled)
    assert causes(filled, 20) == BOTH
    assert causes(filled, 30) == []


def test_a_damaged_log_is_named_once_and_stops_nothing(filled: Engine, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2, 3):
        store(filled, number, LOG, FAILED.format("a"))
    with write_scope(filled) as session:
        for number, content in ((1, zlib.compress(b"x" * 999)[:-9]), (2, b"no zlib")):
            session.execute(update(JobLog).where(JobLog.job_id == number).values(content=content))
    with caplog.at_level(logging.WARNING):
        assert extract(filled) == 3
        assert extract(filled) == 0
    assert sorted(line.split(" is damaged")[0] for line in caplog.messages) == [
        f"acme/web: the stored log of job {number}" for number in (1, 2)
    ]
    assert [causes(filled, number) for number in (1, 2, 3)] == [BOTH] * 3


def test_a_log_that_is_stored_in_the_meantime_is_not_overwritten(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(filled, 1, LOG, FAILED.format("a"))
    content = reextraction.log_content

    def store_meanwhile(*given: object) -> bytes | None:
        monkeypatch.undo()
        found = content(*given)  # type: ignore[arg-type]
        store(filled, 1, [STEP, "##[endgroup]", FAILED.format("c"), END], FAILED.format("c"))
        with write_scope(filled) as session:
            session.execute(update(JobLog).values(fetched_at=LATER))
        return found

    monkeypatch.setattr(reextraction, "log_content", store_meanwhile)
    extract(filled, seconds=0)
    assert causes(filled, 1) == []
    extract(filled)
    assert [row[1] for row in causes(filled, 1)] == ["tests/test_cart.py::test_c"]


@pytest.fixture
def statements(filled: Engine) -> Iterator[list[str]]:
    said: list[str] = []

    def note(*given: object) -> None:
        said.append(str(given[2]))

    event.listen(filled, "before_cursor_execute", note)
    yield said
    event.remove(filled, "before_cursor_execute", note)


def test_the_causes_of_a_batch_are_one_insert(filled: Engine, statements: list[str]) -> None:
    for number in range(1, 6):
        store(filled, number, LOG, FAILED.format("a"))
    statements.clear()
    assert extract(filled) == 5
    assert len([text for text in statements if text.startswith("INSERT INTO job_causes")]) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_batch_reads_no_whole_table(filled: Engine) -> None:
    """It is written under the lock of the database."""
    said: list[tuple[str, Any]] = []
    event.listen(filled, "before_cursor_execute", lambda *given: said.append((given[2], given[3])))
    for number in range(1, 9):
        store(filled, number, LOG, FAILED.format("a") if number < 6 else None)
    said.clear()
    assert extract(filled) == 8
    statements = [pair for pair in said if pair[0].startswith(("UPDATE", "DELETE", "WITH"))]
    with filled.connect() as connection:
        plans = [
            str(row[-1])
            for text, values in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        ]
    read = [step for step in plans if step.split()[1] in ("job_causes", "job_logs")]
    assert len(read) >= 3
    assert [step for step in read if "(repository_id=? AND job_id=?)" not in step] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("version", [None, CAUSE_VERSION - 1])
def test_the_newest_outdated_logs_are_read_from_an_index(
    filled: Engine, statements: list[str], version: int | None
) -> None:
    """Without a sort of all of them, so that the work does not grow with the square of their number."""
    store(filled, 1, LOG, FAILED.format("a"))
    with write_scope(filled) as session:
        session.execute(update(JobLog).values(cause_version=version))
    statements.clear()
    with session_scope(filled) as session:
        assert len(outdated_logs(session, CAUSE_VERSION, limit=50)) == 1
    values = {"param_1": 50, "cause_version_1": version}
    said = [text for text in statements if "FROM job_logs" in text and "LIMIT" in text]
    with filled.connect() as connection:
        for kind in ("seqscan", "bitmapscan"):
            connection.exec_driver_sql(f"SET enable_{kind} = off")
        plan = "\n".join(str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {said[-1]}", values))
    assert "ix_job_logs_cause_version_fetched_at" in plan
    assert "Sort" not in plan
