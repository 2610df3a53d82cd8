"""What got worse: page, filter, rule and replay say the same, on both databases."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from db.definitions.records import RunRecord, WorkflowRecord
from db.definitions.scope import Scope
from db.engine import session_scope
from db.enums import RuleKind
from health.alerts.measurement.backtest import backtest
from health.alerts.measurement.measurements import measure_rule
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns
from health.alerts.rules.transitions import condition_met
from health.insights.regressions import Regression, regressions
from tests.builders import NOON, REPO, add_repository, run, store_runs
from tests.kept import Kept

DAY, HOURS = timedelta(days=1), 60.0
WORSE, STRETCH, EVEN, SLOW = 20, 21, 22, 23
RULE = Rule("worse", RuleKind.SUCCESS_REGRESSION, 0.05)


def fill(engine: Engine) -> None:
    """Eight runs a day of each workflow. One fails more often since 14 days, one was broken for two days, twenty fail
    now and then, and one takes twice as long since 20 days."""
    names = {number: f"W{number}" for number in (*range(20), WORSE, STRETCH, EVEN, SLOW)}
    add_repository(engine, REPO, *(WorkflowRecord(number, name, "x.yml", "active") for number, name in names.items()))
    dice = random.Random(5)
    store_runs(engine, *(
        each for number, name in names.items() for each in _runs(dice, number, name)
    ))  # fmt: skip


def _runs(dice: random.Random, number: int, name: str) -> list[RunRecord]:
    found = []
    for k in range(40 * 8):
        ago = 3 * k + 1
        chance = 0.4 if number == WORSE and ago < 14 * 24 else 0.06 if number < 20 or number == WORSE else 0.0
        failed = dice.random() < chance or (number == STRETCH and 4 * 24 < ago < 6 * 24)
        seconds = dice.uniform(280, 320) * (2 if number == SLOW and ago < 20 * 24 else 1)
        found.append(run(
            number * 1_000 + 999 - k, minutes=-ago * HOURS, workflow_id=number, workflow_name=name, seconds=seconds,
            conclusion="failure" if failed else "success",
        ))  # fmt: skip
    return found


@pytest.fixture
def filled(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


def named(found: list[Regression]) -> list[tuple[str, str]]:
    return [(each.kind, each.workflow) for each in found]


def test_only_what_changed_is_named_and_its_first_run_is_near(filled: Engine) -> None:
    with session_scope(filled) as session:
        found = regressions(session, Scope(), NOON)
    assert named(found) == [("success", f"W{WORSE}"), ("duration", f"W{SLOW}")]
    worse, slower = found
    assert worse.since_earliest <= NOON - 14 * DAY + DAY
    assert worse.since_latest >= NOON - 14 * DAY - DAY
    assert abs(slower.since - (NOON - 20 * DAY)) < timedelta(hours=7)
    assert slower.after / slower.before == pytest.approx(2, abs=0.1)
    assert worse.first_run.conclusion == "failure"


@pytest.mark.parametrize("scope", [Scope(repos=("acme/web",)), Scope(workflows=(f"W{WORSE}", f"W{SLOW}", "W3"))])
def test_a_narrow_question_names_the_same(filled: Engine, scope: Scope) -> None:
    with session_scope(filled) as session:
        assert named(regressions(session, scope, NOON)) == [("success", f"W{WORSE}"), ("duration", f"W{SLOW}")]
        assert regressions(session, Scope(workflows=("W3", f"W{STRETCH}")), NOON) == []


def test_the_rule_and_its_replay_name_what_the_page_names(filled: Engine) -> None:
    with session_scope(filled) as session:
        for rule in (RULE, Rule("some", RuleKind.SUCCESS_REGRESSION, 0.05, scope=Patterns(workflows=("W2*",)))):
            seen = measure_rule(session, rule, NOON)
            assert [each.target.workflow for each in seen if condition_met(rule, each.measurement, firing=False)] == [
                f"W{WORSE}"
            ]
            replayed = backtest(session, rule, NOON, span=2 * DAY)
            assert [each.target.workflow for each in replayed.items if each.resolved_at is None] == [f"W{WORSE}"]
        slower = Rule("slower", RuleKind.DURATION_REGRESSION, 0.2)
        replayed = backtest(session, slower, NOON)
        (opened,) = replayed.items
        assert (opened.target.workflow, opened.resolved_at) == (f"W{SLOW}", None)
        assert timedelta(0) < opened.opened_at - (NOON - 20 * DAY) < 4 * DAY


def test_all_workflows_are_read_by_one_statement(filled: Engine) -> None:
    statements: list[str] = []
    event.listen(filled, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with session_scope(filled) as session:
        regressions(session, Scope(), NOON)
    assert len([each for each in statements if "FROM runs" in each and "on_default_branch" in each]) == 1
