"""Stored causes of jobs, and fingerprints that they had before."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from db.definitions.records import CauseRecord, LogRecord
from db.engine import session_scope, write_scope
from db.logs.cause_writes import current_fingerprints, store_aliases
from db.logs.log_writes import record_failed_fetch, store_log
from db.models import JobCause, JobLog
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs


def cause(name: str) -> CauseRecord:
    return CauseRecord("test", "pytest", name, "boom", f"FAILED {name}", 7, "log", name)


def record(*names: str) -> LogRecord:
    return LogRecord(
        1, 1, "stored", text="text", error_line=f"FAILED {names[0]}" if names else None,
        fingerprint=names[0] if names else None, causes=tuple(map(cause, names)), cause_version=1,
    )  # fmt: skip


@pytest.fixture
def filled(engine: Engine) -> Engine:
    add_repository(engine)
    store_runs(engine, run(1, minutes=-60, conclusion="failure"))
    store_jobs(engine, 1, job(1, conclusion="failure"))
    return engine


def store(engine: Engine, log: LogRecord) -> None:
    with write_scope(engine) as session:
        store_log(session, 1, log, NOON)


def stored(engine: Engine) -> list[tuple[int, str | None]]:
    with session_scope(engine) as session:
        query = select(JobCause.position, JobCause.fingerprint).order_by(JobCause.position)
        return [(row[0], row[1]) for row in session.execute(query)]


def aliases(engine: Engine, *names: str) -> dict[str, str]:
    with session_scope(engine) as session:
        return current_fingerprints(session, names)


def test_all_causes_of_a_job_are_stored_with_the_time_of_its_run(filled: Engine) -> None:
    store(filled, record("a", "b", "c"))
    store(filled, record("b", "a"))
    assert stored(filled) == [(0, "b"), (1, "a")]
    with session_scope(filled) as session:
        assert set(session.scalars(select(JobCause.created_at))) == {NOON - timedelta(hours=1)}
        row = session.get_one(JobLog, (1, 1))
        assert (row.error_line, row.fingerprint, row.cause_version) == ("FAILED b", "b", 1)
    store(filled, record())
    assert stored(filled) == []


def test_causes_that_an_annotation_names_outlive_a_log_that_is_gone(filled: Engine) -> None:
    with write_scope(filled) as session:
        record_failed_fetch(
            session, 1, 1, 1, NOON, record=LogRecord(1, 1, "missing", error_line="x", causes=(cause("a"),))
        )
        store_log(session, 1, LogRecord(1, 1, "expired", cause_version=1), NOON)
    assert stored(filled) == [(0, "a")]


def test_aliases_lead_to_the_newest_fingerprint(filled: Engine) -> None:
    store(filled, record("b"))
    for earlier, current in (("a" * 16, "b"), ("b", "c"), ("c", "d")):
        store(filled, record(current))
        with write_scope(filled) as session:
            store_aliases(session, {earlier: current})
    assert aliases(filled, "a" * 16, "b", "c", "d") == {"a" * 16: "d", "b": "d", "c": "d"}


def test_a_fingerprint_that_a_job_has_is_no_alias(filled: Engine) -> None:
    store(filled, record("a", "b"))
    with write_scope(filled) as session:
        store_aliases(session, {"a": "b", "z": "b"})
    assert aliases(filled, "a", "z") == {"z": "b"}
    store(filled, record("z"))
    assert aliases(filled, "z") == {}
