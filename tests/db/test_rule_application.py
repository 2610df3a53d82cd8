"""Changes of own rules are applied to the stored failures."""

import threading
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select, update

from collector.logs.reextraction import extract_outdated_causes
from db.engine import session_scope, write_scope
from db.models import JobCause, JobLog
from health.insights.causes import stored_rules
from health.insights.causes.model import CauseClass
from health.insights.causes.preview import preview_rule
from health.insights.causes.rule_application import RuleApplication
from health.insights.causes.rules import CauseRule, rule_fingerprint
from health.log_search.index import index_logs
from tests.builders import NOON
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
            return stored_rules.add_rule(session, rule, NOON, by="ann")
        stored_rules.update_rule(session, rule_id, rule, NOON)
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
        assert after[run][1:] == before[run]
        assert shown(engine)[run][1] == rule_fingerprint(rule_id)
    assert (after[2][0][3], after[104][0][3], after[105][0][3]) == (2, 8, None)
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
        stored_rules.delete_rule(session, rule_id, NOON)
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
