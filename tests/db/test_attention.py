"""What needs a person, by its impact, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from db.definitions.records import RunRecord, WorkflowRecord
from db.definitions.scope import Scope
from db.engine import session_scope, write_scope
from db.enums import RuleKind, Severity
from health.alerts.attention import Attention, Impact, attention, severity_of_streak
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_writes import AlertScope, acknowledge, open_alert
from health.alerts.storage.silences import add_silence
from health.insights.causes.triage import Triage, set_triage
from health.insights.runner_shortage import find_shortage
from tests.builders import ACTOR, NOON, REPO, WORKFLOW, add_repository, job, run, store_jobs, store_runs
from tests.findings import name_cause

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NIGHTLY, WEEKLY = WorkflowRecord(6, "Nightly", "n.yml", "active"), WorkflowRecord(7, "Old nightly", "o.yml", "active")


def failed(run_id: int, hours_ago: float, workflow: WorkflowRecord = WORKFLOW, **changed: object) -> RunRecord:
    values = {"conclusion": "failure", "workflow_id": workflow.id, "workflow_name": workflow.name} | changed
    return run(run_id, minutes=-60 * hours_ago, **values)


def needs(engine: Engine) -> list[Attention]:
    with session_scope(engine) as session:
        return attention(session, Scope(), NOON)


def test_each_term_of_the_score_is_bounded() -> None:
    most = Impact(Severity.CRITICAL, timedelta(), 1_000_000, 10_000)
    assert most.score == 110
    assert Impact(Severity.CRITICAL, 365 * DAY, 0, 1).score == 50
    assert Impact(Severity.INFO, 365 * DAY, 0, acknowledged=True).score == 0
    assert Impact(Severity.WARNING, 2 * DAY, 0).score == 50
    assert Impact(Severity.WARNING, 365 * DAY, 1_000).score == 55
    assert Impact(Severity.WARNING, 365 * DAY, 0, 32).score == 45


@pytest.mark.parametrize(
    ("failures", "span", "idle", "severity"),
    [
        (1, timedelta(), HOUR, Severity.WARNING),
        (1, timedelta(), 8 * DAY, Severity.INFO),
        (2, HOUR, HOUR, Severity.CRITICAL),
        (27, 26 * DAY, HOUR, Severity.CRITICAL),
        (27, 26 * DAY, 8 * DAY, Severity.WARNING),
        (3, 60 * DAY, 8 * DAY, Severity.CRITICAL),
    ],
    ids=["once", "once, long ago", "twice", "nightly", "a nightly that no longer runs", "monthly"],
)
def test_one_failure_is_a_warning_and_so_is_a_dead_branch(
    failures: int, span: timedelta, idle: timedelta, severity: Severity
) -> None:
    assert severity_of_streak(failures, span, idle) is severity


def test_what_broke_today_stands_above_a_nightly_that_is_dead_for_weeks(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW, NIGHTLY, WEEKLY)
    green = [run(1_000 + k, minutes=-60 * 24 * 6 + 30 * k) for k in range(200)]
    old = [failed(2_000 + k, 24 * (8 + k), WEEKLY) for k in range(27)]
    store_runs(engine, *green, failed(1, 3), failed(2, 2), failed(3, 1), failed(10, 5, NIGHTLY), *old)
    found = needs(engine)
    assert [(each.headline, each.tone, each.failures) for each in found] == [
        ("acme/web · CI is failing on main", "red", 3),
        ("acme/web · Nightly failed once on main", "orange", 1),
        ("acme/web · Old nightly is failing on main", "orange", 27),
    ]
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_what_somebody_acknowledged_says_so_and_stands_last(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW, NIGHTLY)
    store_runs(engine, *(failed(k, 4 - k) for k in range(1, 4)), failed(10, 70, NIGHTLY))
    with write_scope(engine) as session:
        opened = open_alert(
            session, AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES), "3", AlertDetail(failures=3), NOON
        )
        acknowledge(session, opened, "ann", "reverting <#12>", NOON, actor=ACTOR)
    nightly, ci = needs(engine)
    assert nightly.acknowledged is None
    assert ci.acknowledged is not None
    assert (ci.acknowledged.by, ci.acknowledged.comment, ci.alert_id) == ("ann", "reverting <#12>", opened)
    assert ci.headline == "acme/web · CI is failing on main"


def test_the_acknowledgement_of_another_branch_is_not_that_of_the_default_branch(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW)
    store_runs(engine, *(failed(k, 4 - k) for k in range(1, 4)))
    for branch, is_handled in (("release/1", False), ("main", True)):
        with write_scope(engine) as session:
            scope = AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, branch, target=branch)
            alert_id = open_alert(session, scope, "3", AlertDetail(failures=3), NOON)
            acknowledge(session, alert_id, "ann", "", NOON, actor=ACTOR)
        (item,) = needs(engine)
        assert item.is_handled is is_handled


def test_a_silenced_problem_is_listed_last_with_its_silence(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW, NIGHTLY)
    store_runs(engine, *(failed(k, 4 - k) for k in range(1, 4)), failed(10, 70, NIGHTLY))
    with write_scope(engine) as session:
        scopes = AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES), AlertScope(1, None, RuleKind.QUEUE_TIME, target="q")
        broken, queue = (open_alert(session, scope, "3", AlertDetail(failures=3), NOON) for scope in scopes)
    assert [(each.kind, each.is_handled) for each in needs(engine)] == [
        ("broken", False), ("alert", False), ("broken", False),
    ]  # fmt: skip
    until = NOON + 3 * HOUR
    everything = Patterns(("acme/*",))
    with write_scope(engine) as session:
        add_silence(session, everything, None, NOON, until, comment="<deploy>", author="bob", now=NOON, actor=ACTOR)
        acknowledge(session, queue, "ann", "", NOON, actor=ACTOR)
    listed = needs(engine)
    assert [(each.kind, each.alert_id, each.is_handled) for each in listed] == [
        ("broken", None, False), ("broken", broken, True), ("alert", queue, True),
    ]  # fmt: skip
    silences = [each.silenced for each in listed if each.silenced]
    assert [(each.until, each.by, each.comment) for each in silences] == [(until, "bob", "<deploy>")] * 2
    assert [each.acknowledged.by for each in listed if each.acknowledged] == ["ann"]


def test_runners_are_short_where_many_jobs_wait_for_hours_and_did_not_a_week_before() -> None:
    now = 7 * 86_400.0
    waited = [(now - 600 * k, 900.0 if k % 3 else 5.0) for k in range(1, 18)]
    usual = [4.0] * 16 + [700.0]
    found = find_shortage(waited, usual, now)
    assert found is not None
    assert (found.jobs, found.waiting_jobs, found.jobs_before) == (17, 12, 17)
    assert find_shortage(waited, [seconds for _, seconds in waited], now) is None, "as always at these hours"
    assert find_shortage([each for each in waited if now - each[0] < 3_600], usual, now) is None, (
        "an hour is no shortage"
    )
    cold = [(now - 600 * k, 800.0 if k == 3 else 5.0) for k in range(1, 18)]
    assert find_shortage(cold, usual, now) is None, "one machine that was started"
    assert find_shortage(waited, [], now) is not None, "most jobs waited, and there is nothing to compare with"


def test_the_label_whose_jobs_waited_is_named(engine: Engine) -> None:
    """The longest job of each run was not the one that waited."""
    add_repository(engine)
    for k in range(1, 17):
        created = NOON - timedelta(minutes=11 * k)
        store_runs(engine, run(k, minutes=-11 * k, seconds=3_000))
        store_jobs(
            engine, k, job(10 * k, at=created, start=1_200, end=1_230, labels=("ubuntu-latest",)),
            job(10 * k + 1, at=created, start=5, end=2_900, labels=("macos-14",), name="ios"),
        )  # fmt: skip
    (short,) = [each for each in needs(engine) if each.kind == "queue"]
    assert short.headline == "Long queue times: ubuntu-latest"
    assert short.why.startswith("p95 20m 00s over the last 3 hours, ")
    assert "16 of 16 jobs waited 5 minutes or longer" in short.why


@pytest.mark.parametrize(
    ("status", "title", "why"),
    [
        ("queued", "acme/web · CI #9 is waiting for a runner", "waiting for 2h 00m"),
        ("pending", "acme/web · CI #9 is waiting for another run of its concurrency group", "waiting for 2h 00m"),
        ("requested", "acme/web · CI #9 has not started", "waiting for 2h 00m"),
        ("in_progress", "Stuck run: acme/web · CI #9", "running for 2h 00m"),
    ],
)
def test_a_run_that_does_not_end_waits_for_what_its_state_says(
    engine: Engine, status: str, title: str, why: str
) -> None:
    add_repository(engine, REPO, WORKFLOW)
    store_runs(engine, run(9, minutes=-120, status=status, conclusion=None))
    (stuck,) = needs(engine)
    assert (stuck.headline, stuck.why) == (title, why)


def test_a_broken_branch_names_the_mark_of_its_cause(engine: Engine) -> None:
    """Only where the job that decided the last failure has a cause."""
    add_repository(engine, REPO, WORKFLOW, NIGHTLY)
    store_runs(engine, failed(1, 3), failed(2, 1), failed(3, 2, NIGHTLY))
    for run_id, cause in ((1, "a" * 24), (2, "b" * 24), (3, "c" * 24)):
        name_cause(engine, run_id, cause, f"error of run {run_id}")
    assert [item.known for item in needs(engine)] == [None, None]
    with write_scope(engine) as session:
        for cause, until in (("a" * 24, None), ("b" * 24, NOON + HOUR), ("c" * 24, NOON)):
            set_triage(session, cause, Triage("OPS-1", "ann", None, until), NOON, by=None, actor=ACTOR)
    known = {item.workflow: item.known for item in needs(engine)}
    assert known[NIGHTLY.name] is None
    named = known[WORKFLOW.name]
    assert named is not None
    assert (named.line, named.triage.text) == ("error of run 2", "known: OPS-1 (ann)")
