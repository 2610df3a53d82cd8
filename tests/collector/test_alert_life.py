"""An alert from its opening to its end: who knows of it, silences, repeats, storms, and every kind of rule."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.records import LogRecord, RepositoryRecord, WorkflowRecord
from db.engine import write_scope
from db.enums import LogState, RuleKind, RuleScope, Severity
from db.logs.log_writes import store_log
from db.models import Notification
from health.alerts.evaluation import Evaluator
from health.alerts.rules.rules import Rule, parse_threshold, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.rules.transitions import GROUP_THRESHOLD
from health.alerts.storage.alert_queries import AlertRow, list_alerts
from health.alerts.storage.alert_writes import acknowledge, unacknowledge
from health.alerts.storage.silences import add_silence, end_silence
from health.alerts.storage.stored_rules import add_rule, delete_rule, update_rule
from health.insights.causes.triage import Triage, set_triage
from tests.builders import ACTOR, NOON, REPO, WORKFLOW, add_repository, attempt, job, run, store_jobs, store_runs
from tests.collector.conftest import Clock

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOURS = 3600.0


class Station:
    """Rules over one database; what they tell is read in the outbox."""

    def __init__(self, engine: Engine, clock: Clock, threshold: str = "3") -> None:
        self.engine, self.clock = engine, clock
        self.evaluator = Evaluator(engine, parse_threshold(threshold), ["slack", "email"], "http://dash", clock)
        self._read = 0

    def rule(self, kind: RuleKind, open_at: float, **more: Any) -> int:
        with write_scope(self.engine) as session:
            return add_rule(session, validate_rule(Rule("mine", kind, open_at, **more)), self.clock(), actor=ACTOR)

    def write(self, work: Callable[[Session], Any]) -> Any:
        with write_scope(self.engine) as session:
            return work(session)

    def told(self) -> list[tuple[str, str, str]]:
        """Evaluates; the new messages as channel, reason and headline."""
        self.evaluator.run()
        with Session(self.engine) as session:
            rows = session.query(Notification).order_by(Notification.id).all()
        new, self._read = rows[self._read :], len(rows)
        return [(row.channel, row.reason, row.message["headline"]) for row in new]

    def slack(self) -> list[tuple[str, str]]:
        return [(reason, headline) for channel, reason, headline in self.told() if channel == "slack"]

    def alerts(self) -> list[AlertRow]:
        with Session(self.engine) as session:
            return list_alerts(session)


@pytest.fixture
def station(engine: Engine, clock: Clock) -> Station:
    add_repository(engine)
    clock.forward(hours=1)
    return Station(engine, clock)


def fail(number: int, minutes: float, **changed: Any) -> Any:
    return run(number, minutes=minutes, conclusion="failure", **changed)


def broken(engine: Engine) -> None:
    store_runs(engine, *(fail(number, number) for number in (1, 2, 3)))


BROKEN, STILL, OVER = (
    f"acme/web · CI {state} on main" for state in ("is failing", "is still failing", "has recovered")
)


def test_who_acknowledged_hears_no_repeats_but_the_recovery(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.CONSECUTIVE_FAILURES, 2, channels=("slack",), repeat_seconds=HOURS)
    broken(engine)
    assert station.told() == [("slack", "first", BROKEN), ("email", "first", BROKEN), ("slack", "first", BROKEN)]
    station.clock.forward(minutes=61)
    assert station.told() == [("slack", "repeat", STILL)]
    station.clock.forward(minutes=30)
    assert station.told() == []
    mine = next(alert for alert in station.alerts() if alert.rule_name == "mine")
    assert station.write(lambda session: acknowledge(session, mine.id, "ann", "on it", station.clock(), actor=ACTOR))
    station.clock.forward(hours=5)
    assert station.told() == []
    assert station.write(lambda session: unacknowledge(session, mine.id, station.clock(), actor=ACTOR))
    assert station.told() == [("slack", "repeat", STILL)]
    station.clock.forward(minutes=30)
    assert station.told() == []
    store_runs(engine, run(9, minutes=460))
    assert [reason for _, reason, _ in station.told()] == ["resolved"] * 3


def test_a_silence_says_nothing_and_what_fires_on_is_told_at_its_end(engine: Engine, station: Station) -> None:
    def silence(session: Session, hours: float) -> int:
        now = station.clock()
        ends = now + timedelta(hours=hours)
        scope = Patterns(("acme/*",), (), ("main",))
        return add_silence(session, scope, None, now, ends, comment="", author="ann", now=now, actor=ACTOR)

    station.write(lambda session: silence(session, 2))
    broken(engine)
    assert station.told() == []
    assert [alert.state for alert in station.alerts()] == ["silenced"]
    station.clock.forward(hours=2)
    assert station.slack() == [("first", BROKEN)]
    assert station.told() == []
    number = station.write(lambda session: silence(session, 9))
    station.clock.forward(hours=1)
    assert station.told() == []
    station.write(lambda session: end_silence(session, number, station.clock(), actor=ACTOR))
    assert station.slack() == [("repeat", STILL)]
    station.write(lambda session: silence(session, 1))
    store_runs(engine, run(9, minutes=400))
    assert station.told() == []
    assert [alert.state for alert in station.alerts()] == ["resolved"]


@SQLITE
def test_nobody_is_told_of_the_end_of_what_nobody_was_told_of(engine: Engine, station: Station) -> None:
    now = station.clock()
    station.write(
        lambda session: add_silence(
            session, Patterns(("*",)), None, now, now + timedelta(hours=1), comment="", author="a", now=now, actor=ACTOR
        )
    )
    broken(engine)
    assert station.told() == []
    store_runs(engine, run(9, minutes=30))
    station.clock.forward(hours=2)
    assert station.told() == []


def many(engine: Engine, number: int) -> None:
    workflows = [WorkflowRecord(100 + k, f"W{k}", f"{k}.yml", "active") for k in range(number)]
    add_repository(engine, RepositoryRecord(2, "acme/many", "main", False, False, ""), *workflows)


def runs_of_many(number: int, first: int, minutes: float, conclusion: str) -> list[Any]:
    return [
        run(first + 10 * k + n, minutes=minutes + n, conclusion=conclusion, workflow_id=100 + k, workflow_name=f"W{k}")
        for k in range(number)
        for n in range(3 if conclusion == "failure" else 1)
    ]


def test_a_storm_is_one_message_and_so_is_its_end(engine: Engine, station: Station) -> None:
    size = GROUP_THRESHOLD + 2
    many(engine, size)
    store_runs(engine, *runs_of_many(size, 1000, 1, "failure"), repository_id=2)
    assert station.slack() == [("first", f"{size} alerts firing: ALERT_THRESHOLD")]
    assert len({alert.group_id for alert in station.alerts()}) == 1
    store_runs(engine, *runs_of_many(size - 1, 5000, 30, "success"), repository_id=2)
    assert station.told() == []
    store_runs(engine, *runs_of_many(size, 9000, 40, "success"), repository_id=2)
    assert station.slack() == [("resolved", f"{size} alerts resolved: ALERT_THRESHOLD")]
    assert {alert.state for alert in station.alerts()} == {"resolved"}


def test_one_cause_in_two_places_is_one_message_that_names_it(engine: Engine, station: Station) -> None:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "E2E", "e.yml", "active"))
    broken(engine)
    store_runs(engine, *(fail(n, n, workflow_id=6, workflow_name="E2E") for n in (11, 12, 13)))
    for run_id in (3, 13):
        store_jobs(engine, run_id, job(run_id, conclusion="failure"), attempts=(attempt(1, "failure"),))
        log = LogRecord(run_id, run_id, LogState.STORED, "x", 1, False, 1, ("x",), "no space left on device", "f1")
        station.write(lambda session, log=log: store_log(session, 1, log, NOON))
    station.write(lambda session: set_triage(session, "f1", Triage("OPS-1", "ann"), NOON, by=None, actor=ACTOR))
    ((reason, headline),) = station.slack()
    assert (reason, headline) == ("first", "2 alerts firing: ALERT_THRESHOLD")
    with Session(engine) as session:
        message = session.query(Notification).first().message  # type: ignore[union-attr]
    assert message["fields"][:2] == [["Common cause", "no space left on device"], ["Cause", "known: OPS-1 (ann)"]]
    assert message["data"]["digest"]["known"] == "known: OPS-1 (ann)"
    assert any("acme/web · E2E (main): 3 failed runs in a row" in line for line in message["lines"])


def test_a_rule_that_no_longer_covers_a_place_closes_its_alert_quietly(engine: Engine, station: Station) -> None:
    rule_id = station.rule(RuleKind.CONSECUTIVE_FAILURES, 2)
    broken(engine)
    station.told()
    elsewhere = validate_rule(Rule("mine", RuleKind.CONSECUTIVE_FAILURES, 2, scope=Patterns(repos=("beta/*",))))
    station.write(lambda session: update_rule(session, rule_id, elsewhere, station.clock(), actor=ACTOR))
    assert station.told() == []
    states = {alert.rule_name: (alert.state, alert.detail.reason) for alert in station.alerts()}
    assert states == {"ALERT_THRESHOLD": ("firing", None), "mine": ("resolved", "the rule changed")}
    station.write(lambda session: delete_rule(session, rule_id, station.clock(), actor=ACTOR))
    assert station.told() == []


@SQLITE
def test_branches_that_are_named_have_alerts_of_their_own(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.CONSECUTIVE_FAILURES, 2, scope=Patterns(branches=("release/*",)))
    for number, branch in enumerate(
        ("release/1", "release/2", "feature", "release/1", "release/2", "feature"), start=1
    ):
        store_runs(engine, fail(number, number, branch=branch))
    names = sorted(headline for _, headline in station.slack())
    assert names == ["acme/web · CI is failing on release/1", "acme/web · CI is failing on release/2"]
    store_runs(engine, run(9, minutes=30, branch="release/1"))
    assert station.slack() == [("resolved", "acme/web · CI has recovered on release/1")]


@SQLITE
def test_a_run_that_does_not_end_is_told_once_until_it_does(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.STUCK_RUN, 2 * HOURS, severity=Severity.INFO)
    store_runs(engine, run(1, status="in_progress", conclusion=None, branch="feature"))
    store_runs(engine, run(2, status="waiting", conclusion=None))
    assert station.told() == []
    station.clock.forward(hours=2)
    assert station.slack() == [("first", "Stuck run: acme/web · CI")]
    assert station.alerts()[0].severity == "info"
    store_runs(engine, run(1, seconds=9000, branch="feature"))
    station.clock.forward(minutes=1)
    assert station.slack() == [("resolved", "Stuck run finished: acme/web · CI")]


@SQLITE
def test_long_queues_and_flaky_runs_are_told(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.QUEUE_TIME, 120, minimum=2, per=RuleScope.REPOSITORY)
    station.rule(RuleKind.FLAKY_RATE, 0.3, minimum=2)
    store_runs(engine, run(1, minutes=20), run(2, minutes=21, attempt=2), run(3, minutes=22, attempt=2))
    store_jobs(engine, 1, job(1, start=300, end=330, at=NOON + timedelta(minutes=20)))
    for number in (2, 3):
        at = NOON + timedelta(minutes=19 + number)
        store_jobs(
            engine, number, job(number * 10, conclusion="failure", at=at),
            job(number * 10 + 1, attempt=2, start=400, end=430, at=at),
            attempts=(attempt(1, "failure", start=0), attempt(2, "success", start=0)),
        )  # fmt: skip
    assert sorted(station.slack()) == [
        ("first", "High flake rate: acme/web · CI"),
        ("first", "Long queue times: acme/web"),
    ]
    measured = {alert.rule: alert.detail for alert in station.alerts()}
    assert (measured["flaky_rate"].flaky, measured["flaky_rate"].decided) == (2, 3)
    assert (measured["queue_time"].value or 0) > 120


@SQLITE
def test_an_error_budget_that_burns_is_told_and_over_with_the_short_window(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.ERROR_BUDGET, 4, minimum=4, objective=0.9, window_seconds=12 * HOURS)
    store_runs(engine, *(fail(n, 5 * n, branch="main") for n in range(1, 3)), run(3, minutes=11), run(4, minutes=12))
    assert ("first", "Error budget burning too fast: acme/web · CI (main)") in station.slack()
    store_runs(engine, *(run(n, minutes=60 + n) for n in range(5, 9)))
    station.clock.forward(hours=1)
    assert station.slack() == [("resolved", "Error budget burn back to normal: acme/web · CI (main)")]


@SQLITE
def test_a_repository_that_is_not_read_is_told(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.COLLECTOR_STALE, HOURS, per=RuleScope.REPOSITORY)

    def read(session: Session) -> None:
        sync_state(session, 1).synced_at = station.clock()

    station.write(read)
    station.clock.forward(minutes=59)
    assert station.told() == []
    station.clock.forward(minutes=1)
    assert station.slack() == [("first", "acme/web is not being synced")]
    station.write(read)
    station.clock.forward(minutes=1)
    assert station.slack() == [("resolved", "acme/web is being synced again")]


@SQLITE
def test_what_became_worse_is_told_with_its_figures(engine: Engine, station: Station) -> None:
    station.rule(RuleKind.SUCCESS_REGRESSION, 0.05)
    station.rule(RuleKind.DURATION_REGRESSION, 0.2)
    day = 24 * 60
    before = [run(n, minutes=-10 * day - 200 * n, seconds=300 + n % 7) for n in range(1, 60)]
    lately = [run(100 + n, minutes=-100 * n, seconds=600 + n % 7) for n in range(1, 30)]
    failed = [fail(200 + n, -100 * n - 50) for n in range(1, 9)]
    store_runs(engine, *before, *lately, *failed)
    assert sorted(station.slack()) == [
        ("first", "Success rate dropped: acme/web · CI (main)"),
        ("first", "acme/web · CI slowed down on main"),
    ]
    texts = {alert.rule: alert.detail.text for alert in station.alerts()}
    assert texts["success_regression"] == "78.4% in the last 7 days, 100.0% in the 30 days before"
    assert "slower" in texts["duration_regression"]


def test_a_success_between_two_looks_ends_it_though_it_failed_again_since(engine: Engine, station: Station) -> None:
    broken(engine)
    assert station.slack() == [("first", BROKEN)]
    store_runs(engine, fail(4, 4), run(5, minutes=5), run(6, minutes=6), fail(7, 7))
    assert station.slack() == [("resolved", OVER)]
    (alert,) = station.alerts()
    assert alert.detail.resolved_by == 5
    assert station.told() == []
    store_runs(engine, fail(8, 8), fail(9, 9))
    assert station.slack() == [("first", BROKEN)]


def test_failures_that_passed_when_they_were_run_again_end_nothing_while_later_ones_stay(
    engine: Engine, station: Station
) -> None:
    broken(engine)
    assert station.slack() == [("first", BROKEN)]
    for number in (1, 2):
        store_runs(engine, run(number, minutes=number, attempt=2, started_at=NOON + timedelta(minutes=9 + number)))
        assert station.told() == []
    assert [alert.state for alert in station.alerts()] == ["firing"]


def test_of_what_was_told_together_the_end_is_told_though_one_is_silenced(engine: Engine, clock: Clock) -> None:
    clock.forward(hours=1)
    workflows = [WorkflowRecord(50 + k, f"W{k}", f"{k}.yml", "active") for k in range(GROUP_THRESHOLD + 1)]
    add_repository(engine, REPO, *workflows)
    station = Station(engine, clock)
    for k, minute in ((k, minute) for k in range(GROUP_THRESHOLD + 1) for minute in (1, 2, 3)):
        store_runs(engine, fail(10 * k + minute, minute, workflow_id=50 + k, workflow_name=f"W{k}"))
    assert [reason for reason, _ in station.slack()] == ["first"]
    now, scope = clock(), Patterns((), ("W0",), ())
    ends = now + timedelta(hours=2)
    station.write(
        lambda session: add_silence(session, scope, None, now, ends, comment="", author="ann", now=now, actor=ACTOR)
    )
    for k in range(1, GROUP_THRESHOLD + 1):
        store_runs(engine, run(80 + k, minutes=10, workflow_id=50 + k, workflow_name=f"W{k}"))
    assert station.slack() == [("resolved", f"{GROUP_THRESHOLD} alerts resolved: ALERT_THRESHOLD")]
    clock.forward(hours=3)
    assert station.slack() == [("repeat", "acme/web · W0 is still failing on main")]
    store_runs(engine, run(99, minutes=200, workflow_id=50, workflow_name="W0"))
    assert station.slack() == [("resolved", f"{GROUP_THRESHOLD + 1} alerts resolved: ALERT_THRESHOLD")]
