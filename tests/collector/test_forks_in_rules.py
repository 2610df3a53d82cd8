"""A fork's branch that is called like our default branch: neither live rules nor their replays count its runs."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.records import RunRecord
from db.engine import write_scope
from db.enums import RuleKind, RuleScope
from db.models import Notification
from health.alerts.evaluation import Evaluator
from health.alerts.measurement.backtest import backtest
from health.alerts.rules.rules import Rule, parse_threshold, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_queries import AlertRow, list_alerts
from health.alerts.storage.stored_rules import add_rule
from tests.builders import ACTOR, add_repository, run, store_runs
from tests.collector.conftest import Clock

MAIN = Patterns(branches=("main",))
RULES = [
    Rule("rate", RuleKind.FAILURE_RATE, 0.2),
    Rule("rate of all", RuleKind.FAILURE_RATE, 0.2, per=RuleScope.REPOSITORY),
    Rule("rate on main", RuleKind.FAILURE_RATE, 0.2, scope=MAIN),
    Rule("rate on ma*", RuleKind.FAILURE_RATE, 0.2, scope=Patterns(branches=("ma*", "release"))),
    Rule("budget", RuleKind.ERROR_BUDGET, 2, objective=0.9),
    Rule("budget on main", RuleKind.ERROR_BUDGET, 2, objective=0.9, scope=MAIN),
    Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3),
    Rule("row on main", RuleKind.CONSECUTIVE_FAILURES, 3, scope=MAIN),
    Rule("row anywhere", RuleKind.CONSECUTIVE_FAILURES, 3, scope=Patterns(branches=("*",))),
    Rule("flaky on main", RuleKind.FLAKY_RATE, 0.05, scope=MAIN),
    Rule("stuck on main", RuleKind.STUCK_RUN, 600, scope=MAIN),
]


def fork(number: int, minutes: float, **changed: object) -> RunRecord:
    return run(number, minutes=minutes, event="pull_request", from_fork=True, actor="mallory", **changed)


def fired(engine: Engine, clock: Clock) -> dict[str, AlertRow]:
    """By the name of the rule; the replays of the same rules are asked, too, and must agree."""
    with write_scope(engine) as session:
        for rule in RULES:
            add_rule(session, validate_rule(rule), clock(), actor=ACTOR)
    Evaluator(engine, parse_threshold("20%"), ["slack"], "http://dash", clock).run()
    with Session(engine) as session:
        found = {each.rule_name or "": each for each in list_alerts(session)}
        again = {rule.name for rule in RULES if backtest(session, validate_rule(rule), clock()).fired}
    assert again == {name for name in found if name != "ALERT_THRESHOLD"}
    return found


def test_failures_of_a_forks_main_open_nothing(engine: Engine, clock: Clock) -> None:
    add_repository(engine)
    clock.forward(hours=2)
    store_runs(engine, *(run(n, minutes=4 * n) for n in range(1, 13)))
    store_runs(engine, *(fork(100 + n, 4 * n + 1, conclusion="failure") for n in range(1, 13)))
    store_runs(engine, *(fork(200 + n, n, attempt=2, conclusion="failure") for n in range(1, 4)))
    store_runs(engine, fork(300, 1, status="in_progress", conclusion=None))
    assert fired(engine, clock) == {}


def test_successes_of_a_forks_main_hide_nothing(engine: Engine, clock: Clock) -> None:
    add_repository(engine)
    clock.forward(minutes=55)
    store_runs(engine, *(run(n, minutes=4 * n, conclusion="failure" if n > 6 else "success") for n in range(1, 13)))
    store_runs(engine, *(fork(100 + n, n) for n in range(1, 61)))
    found = fired(engine, clock)
    assert set(found) == {
        "ALERT_THRESHOLD", "rate", "rate of all", "rate on main", "rate on ma*", "budget", "budget on main", "row",
        "row on main", "row anywhere",
    }  # fmt: skip
    for name in ("ALERT_THRESHOLD", "rate", "rate on main", "rate on ma*"):
        assert (found[name].detail.failed, found[name].detail.decided) == (6, 12)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_alert_about_main_does_not_end_with_a_forks_success(engine: Engine, clock: Clock) -> None:
    add_repository(engine)
    clock.forward(hours=2)
    with write_scope(engine) as session:
        rule = Rule("row on main", RuleKind.CONSECUTIVE_FAILURES, 3, scope=MAIN)
        add_rule(session, validate_rule(rule), clock(), actor=ACTOR)
    evaluator = Evaluator(engine, parse_threshold("99"), ["slack"], "http://dash", clock)
    store_runs(engine, *(run(n, minutes=n, conclusion="failure") for n in (1, 2, 3)))
    evaluator.run()
    store_runs(engine, fork(9, 30), run(10, minutes=31, conclusion="failure"))
    evaluator.run()
    with Session(engine) as session:
        assert [each.state for each in list_alerts(session)] == ["firing"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_first_failed_run_of_a_message_is_ours(engine: Engine, clock: Clock) -> None:
    add_repository(engine)
    clock.forward(hours=2)
    store_runs(engine, *(run(n, minutes=4 * n, conclusion="failure") for n in range(3, 9)))
    store_runs(engine, fork(100, 1, conclusion="failure"))
    Evaluator(engine, parse_threshold("20%"), ["slack"], "http://dash", clock).run()
    with Session(engine) as session:
        (message,) = [each.message for each in session.query(Notification)]
    assert message["data"]["alerts"][0]["first_bad_commit"]["run_id"] == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_window_does_not_matter(engine: Engine, clock: Clock) -> None:
    """Windows of more than a day are answered by roll-ups."""
    add_repository(engine)
    clock.forward(hours=2)
    store_runs(engine, *(run(n, minutes=-60 * n) for n in range(1, 60)))
    store_runs(engine, *(fork(100 + n, -60 * n, conclusion="failure") for n in range(1, 60)))
    with write_scope(engine) as session:
        rule = Rule("week", RuleKind.FAILURE_RATE, 0.01, window_seconds=timedelta(days=7).total_seconds())
        add_rule(session, validate_rule(rule), clock(), actor=ACTOR)
    Evaluator(engine, parse_threshold("99"), [], "http://dash", clock).run()
    with Session(engine) as session:
        assert list_alerts(session) == []
