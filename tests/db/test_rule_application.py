"""Changes of own rules are applied to the stored failures."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from collector.logs.reextraction import extract_outdated_causes
from db.engine import session_scope, write_scope
from db.models import JobCause, JobLog, Run
from health.insights.causes import stored_rules
from health.insights.causes.model import CauseClass
from health.insights.causes.preview import preview_rule
from health.insights.causes.rule_application import RuleApplication
from health.insights.causes.rules import CauseRule, rule_fingerprint
from health.log_search.index import index_logs
from tests.builders import ACTOR, NOON
from tests.causes import add_cause
from tests.failed_logs import REGISTRY, fill

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RULE = CauseRule("Registry down", r"registry .*\b50[23]\b", CauseClass.INFRASTRUCTURE, is_expression=True)
# By hand, with run 40, which is older than the preview.
MATCHING = {2, 3, 7, 40, 101, 102, 103, 104, 105}
Causes = dict[int, list[tuple[str, str, str | None, int | None]]]


@pytest.fixture
def application(engine: Engine) -> RuleApplication:
    fill(engine)
    index_logs(engine, seconds=10)
    return RuleApplication(engine, lambda: NOON, delay=0)


def causes(engine: Engine) -> Causes:
    """Source, class, subject and line number of the causes of each run, in their order."""
    query = select(JobCause).order_by(JobCause.repository_id, JobCause.job_id, JobCause.position)
    listed: Causes = {}
    with session_scope(engine) as session:
        for row in session.scalars(query):
            listed.setdefault(row.run_id, []).append((row.source, row.kind, row.subject, row.line_number))
    return listed


def shown(engine: Engine) -> dict[int, tuple[str | None, str | None]]:
    """Error line and fingerprint of the log of each run."""
    with session_scope(engine) as session:
        return {row.run_id: (row.error_line, row.fingerprint) for row in session.scalars(select(JobLog))}


def save(engine: Engine, rule: CauseRule, rule_id: int | None = None) -> int:
    with write_scope(engine) as session:
        if rule_id is None:
            return stored_rules.add_rule(session, rule, NOON, by="ann", actor=ACTOR)
        stored_rules.update_rule(session, rule_id, rule, NOON, actor=ACTOR)
        return rule_id


def test_a_saved_rule_names_what_its_preview_counted(application: RuleApplication, engine: Engine) -> None:
    before, lines_before = causes(engine), shown(engine)
    with session_scope(engine) as session:
        preview = preview_rule(session, RULE, NOON)
    rule_id = save(engine, RULE)
    assert application.run(seconds=30) == len(MATCHING)
    after = causes(engine)
    named = {run for run, listed in after.items() if listed[0][0] == "rule"}
    assert named == MATCHING
    assert len(named - {40}) == preview.jobs
    # Class before and after: what the preview states is what a count of the stored causes gives.
    changes = Counter((before[run][0][1], after[run][0][1]) for run in named - {40})
    assert {(str(change.before), str(change.after)): change.jobs for change in preview.classes} == changes
    for run in named:
        assert after[run][0][:3] == ("rule", "infrastructure", "Registry down")
        # The rule replaces the cause of the line.
        assert len(after[run]) == len(before[run]) == 1
        assert shown(engine)[run][1] == rule_fingerprint(rule_id)
    assert (after[2][0][3], after[104][0][3], after[105][0][3]) == (2, 2, None)
    assert all(after[run] == before[run] for run in before.keys() - named)
    with session_scope(engine) as session:
        (rule,) = stored_rules.list_rules(session)
        assert rule.applied_at == NOON
    assert application.run(seconds=30) == 0

    save(engine, replace(RULE, name="Renamed", kind=CauseClass.DEPENDENCY, repositories=("acme/api",)), rule_id)
    application.run(seconds=30)
    after = causes(engine)
    assert {run for run, listed in after.items() if listed[0][0] == "rule"} == {run for run in MATCHING if run > 100}
    assert after[101][0][:3] == ("rule", "dependency", "Renamed")

    with write_scope(engine) as session:
        stored_rules.delete_rule(session, rule_id, NOON, actor=ACTOR)
    application.run(seconds=30)
    assert (causes(engine), shown(engine)) == (before, lines_before)
    with session_scope(engine) as session:
        assert stored_rules.unapplied_rules(session) == []


@SQLITE
def test_the_oldest_rule_names_the_cause_whatever_is_changed_last(application: RuleApplication, engine: Engine) -> None:
    older = save(engine, replace(RULE, name="Older", repositories=("acme/api",), enabled=False))
    save(engine, RULE)
    application.run(seconds=30)
    assert causes(engine)[101][0][2] == "Registry down"
    save(engine, replace(RULE, name="Older", repositories=("acme/api",)), older)
    application.run(seconds=30)
    after = causes(engine)
    assert (after[101][0][2], after[2][0][2]) == ("Older", "Registry down")
    assert [cause[0] for cause in after[101]].count("rule") == 1
    save(engine, replace(RULE, name="Older", enabled=False), older)
    application.run(seconds=30)
    assert causes(engine)[101][0][2] == "Registry down"


@SQLITE
def test_work_is_interrupted_and_resumed(
    application: RuleApplication, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("health.insights.causes.rule_application._BATCH", 2)
    rule_id = save(engine, RULE)
    passes = 0
    while application.run(seconds=0) or application.is_pending:
        passes += 1
        assert passes < 20
    assert passes > 3
    assert {run for run, listed in causes(engine).items() if listed[0][0] == "rule"} == MATCHING
    # A log that is deleted later keeps its cause, although the excerpt does not have the line.
    with write_scope(engine) as session:
        session.execute(update(JobLog).where(JobLog.run_id == 2).values(state="pruned", content=None, excerpt=["x"]))
    save(engine, replace(RULE, name="Renamed"), rule_id)
    application.run(seconds=30)
    assert causes(engine)[2][0] == ("rule", "infrastructure", "Renamed", 2)
    assert shown(engine)[2] == (REGISTRY.replace("503", "502"), rule_fingerprint(rule_id))
    # A new version of the extraction keeps what the rule named.
    expected = causes(engine)
    with write_scope(engine) as session:
        session.execute(update(JobLog).values(cause_version=None))
    assert extract_outdated_causes(engine, threading.Event(), seconds=30)
    for run, listed in causes(engine).items():
        # The job of run 8 did not fail.
        assert run == 8 or listed[0][:3] == expected[run][0][:3]
    waiting = RuleApplication(engine, lambda: NOON)
    save(engine, replace(RULE, name="New"), rule_id)
    assert (waiting.run(seconds=30), waiting.is_pending) == (0, True)


def test_an_annotation_of_a_stored_log_matches(application: RuleApplication, engine: Engine) -> None:
    """The search index does not contain it, and it is neither the first cause nor the error line."""
    line = "The registry returned 503 to the runner"
    with write_scope(engine) as session:
        at = session.scalars(select(Run.created_at).where(Run.id == 5)).one()
        add_cause(
            session,
            50,
            5,
            9,
            at=at,
            source="annotation",
            line=line,
            line_number=None,
            kind="unknown",
            fingerprint="annotation",
        )
    before = causes(engine)
    with session_scope(engine) as session:
        preview = preview_rule(session, RULE, NOON)
    assert preview.jobs == len(MATCHING - {40}) + 1
    assert [(shown.line, shown.line_number) for shown in preview.lines if shown.run_id == 5] == [(line, None)]
    rule_id = save(engine, RULE)
    application.run(seconds=30)
    assert {run for run, listed in causes(engine).items() if listed[0][0] == "rule"} == MATCHING | {5}
    assert causes(engine)[5] == [("rule", "infrastructure", "Registry down", None), *before[5][:-1]]
    # The annotation that the rule replaced counts for a change of the rule, and is a cause again without it.
    with session_scope(engine) as session:
        assert preview_rule(session, replace(RULE, id=rule_id), NOON).jobs == preview.jobs
    save(engine, replace(RULE, enabled=False), rule_id)
    application.run(seconds=30)
    assert sorted(causes(engine)[5]) == sorted(before[5])


def test_a_damaged_log_counts_as_deleted(application: RuleApplication, engine: Engine) -> None:
    before = causes(engine)
    with write_scope(engine) as session:
        session.execute(update(JobLog).where(JobLog.run_id == 2).values(content=b"damaged", excerpt=["x"]))
        session.execute(update(JobLog).where(JobLog.run_id == 3).values(content=b"damaged"))
        session.execute(update(JobCause).where(JobCause.run_id == 2).values(line="another line"))
    rule_id = save(engine, RULE)
    with session_scope(engine) as session:
        assert preview_rule(session, RULE, NOON).jobs == len(MATCHING - {2, 40})
    application.run(seconds=30)
    assert {run for run, listed in causes(engine).items() if listed[0][0] == "rule"} == MATCHING - {2}
    with write_scope(engine) as session:
        session.execute(update(JobLog).values(content=b"damaged"))
        stored_rules.delete_rule(session, rule_id, NOON, actor=ACTOR)
    application.run(seconds=30)
    assert causes(engine) == before


@SQLITE
def test_a_rule_that_is_too_slow_names_no_cause(
    application: RuleApplication, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = causes(engine)
    rule_id = save(engine, RULE)
    application.run(seconds=30)
    slow = save(engine, replace(RULE, name="Slow", pattern="503.*b"))
    application.run(seconds=30)
    assert not caplog.records
    monkeypatch.setattr("health.insights.causes.rule_application.RULES_CPU_SECONDS", -1.0)
    # The time is up, but the other rule did not change.
    save(engine, replace(RULE, name="Slower", pattern="503.*c"), slow)
    application.run(seconds=30)
    assert {run for run, listed in causes(engine).items() if listed[0][0] == "rule"} == MATCHING
    assert "took more than -1 s of CPU time; simplify their expressions" in caplog.messages[0]
    with write_scope(engine) as session:
        stored_rules.delete_rule(session, rule_id, NOON, actor=ACTOR)
    application.run(seconds=30)
    assert causes(engine) == before


@SQLITE
def test_a_rule_is_applied_when_all_its_logs_are_listed(
    application: RuleApplication, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(engine, RULE)
    with monkeypatch.context() as slow:
        slow.setattr("health.insights.causes.rule_queries._TIME_LIMIT", 0.0)
        slow.setattr("db.time_limit._INSTRUCTIONS", 1)
        application.run(seconds=0.5)
        assert {run for run, listed in causes(engine).items() if listed[0][0] == "rule"} == MATCHING - {104, 105}
        with session_scope(engine) as session:
            assert [rule.applied_at for rule in stored_rules.list_rules(session)] == [None]
            preview = preview_rule(session, RULE, NOON)
            assert preview.is_partial
    assert application.is_pending
    application.run(seconds=30)
    assert {run for run, listed in causes(engine).items() if listed[0][0] == "rule"} == MATCHING
    with session_scope(engine) as session:
        assert [rule.applied_at for rule in stored_rules.list_rules(session)] == [NOON]


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[str]]:
    executed: list[str] = []

    def add(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        executed.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", add)
    yield executed
    event.remove(engine, "before_cursor_execute", add)


def test_a_pass_obeys_its_time_and_the_end_of_the_program(
    application: RuleApplication, engine: Engine, statements: list[str]
) -> None:
    rule_id = save(engine, replace(RULE, steps=("Push",)))
    application.run(seconds=30)
    assert not any("job_logs.content" in statement for statement in statements)
    save(engine, RULE, rule_id)
    application.stop.set()
    assert application.run(seconds=30) == 0
    application.stop.clear()
    changes = []
    while application.run(seconds=0) or application.is_pending:
        changes.append(len([run for run, listed in causes(engine).items() if listed[0][0] == "rule"]))
    assert changes[-1] == len(MATCHING)
    assert all(now - before <= 1 for before, now in pairwise([0, *changes]))


def test_logs_are_locked_in_the_order_of_their_keys(
    application: RuleApplication, engine: Engine, statements: list[str]
) -> None:
    """Citus locks rows of one shard in a statement."""
    save(engine, RULE)
    application.run(seconds=30)
    locks = [text for text in statements if text.startswith("SELECT job_logs.job_id, job_logs.fetched_at FROM")]
    assert len(locks) >= 2
    assert all("job_logs.repository_id = " in text and "ORDER BY job_logs.job_id" in text for text in locks)
    if engine.dialect.name == "postgresql":
        assert all(text.endswith("FOR UPDATE") for text in locks)
    assert [text for text in statements if "FOR UPDATE" in text and "job_logs" in text and text not in locks] == []


@SQLITE
def test_a_batch_is_written_by_primary_key(application: RuleApplication, engine: Engine) -> None:
    """Other writers wait meanwhile."""
    said: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        if not given[5]:
            said.append((given[2], given[3]))

    save(engine, RULE)
    event.listen(engine, "before_cursor_execute", note)
    assert application.run(seconds=30) == len(MATCHING)
    event.remove(engine, "before_cursor_execute", note)
    locks = "SELECT job_logs.job_id, job_logs.fetched_at"
    written = [pair for pair in said if "DELETE FROM job_causes" in pair[0] or pair[0].startswith(locks)]
    with engine.connect() as connection:
        plans = [
            str(row[-1])
            for text, values in written
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        ]
    read = [step for step in plans if step.split()[1] in ("job_causes", "job_logs")]
    assert len(read) >= 2
    assert [step for step in read if "(repository_id=? AND job_id=?)" not in step] == []
