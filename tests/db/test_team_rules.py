"""Alert rules of teams: measurements and replays cover what the teams own, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from db.audit import COMMAND
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.engine import session_scope, write_scope
from db.enums import RuleKind, RuleScope
from health.alerts.measurement.backtest import backtest, backtest_data
from health.alerts.measurement.measurements import measure_rule
from health.alerts.rules.rules import Rule, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.stored_rules import add_rule, get_rule
from health.teams.service import save_team
from tests.builders import NOON, REPO, WORKFLOW, add_repository, run, store_runs

HOUR = timedelta(hours=1)
STREAK = Rule("streak", RuleKind.CONSECUTIVE_FAILURES, 3)
RATE = Rule("rate", RuleKind.FAILURE_RATE, 0.5, minimum=2, window_seconds=86400)
RULES = (
    STREAK,
    RATE,
    replace(RATE, name="any branch", scope=Patterns(branches=("*",))),
    replace(RATE, name="main", scope=Patterns(branches=("mai*",))),
)
EVERYTHING = {"acme/web CI", "acme/web Deploy", "acme/api CI"}
OWNED = {
    ("web",): {"acme/web CI", "acme/web Deploy"},
    ("deploy",): {"acme/web Deploy"},
    ("deploy", "none"): {"acme/web Deploy", "acme/api CI"},
    ("gone",): set(),
    (): EVERYTHING,
}


@pytest.fixture
def failing(engine: Engine) -> Engine:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", "d.yml", "active"))
    add_repository(
        engine, RepositoryRecord(2, "acme/api", "main", True, False, ""), WorkflowRecord(7, "CI", "c.yml", "active")
    )
    for repository_id, workflow_id, name, start in ((1, 5, "CI", 10), (1, 6, "Deploy", 20), (2, 7, "CI", 30)):
        store_runs(
            engine,
            *(
                run(
                    start + number,
                    minutes=-60 + number,
                    conclusion="failure",
                    workflow_id=workflow_id,
                    workflow_name=name,
                )
                for number in range(4)
            ),
            repository_id=repository_id,
        )
    with write_scope(engine) as session:
        save_team(session, "Web", {"repositories": ["acme/web"]}, NOON, actor=COMMAND)
        save_team(session, "Deploy", {"workflows": ["acme/web: Deploy"]}, NOON, actor=COMMAND)
    return engine


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("teams", OWNED, ids=str)
def test_a_rule_covers_what_its_teams_own(failing: Engine, rule: Rule, teams: tuple[str, ...]) -> None:
    rule = validate_rule(replace(rule, teams=teams))
    now = NOON + HOUR
    with session_scope(failing) as session:
        measured = {f"{row.target.repo} {row.target.workflow}" for row in measure_rule(session, rule, now)}
        assert measured == OWNED[teams]
        for data in (None, backtest_data(session, now)):
            replayed = {
                f"{alert.target.repo} {alert.target.workflow}"
                for alert in backtest(session, rule, now, data=data).items
            }
            assert replayed == OWNED[teams]


def test_a_rule_per_repository_covers_whole_repositories_of_its_teams(failing: Engine) -> None:
    rule = validate_rule(replace(RATE, per=RuleScope.REPOSITORY, scope=Patterns(repos=("ACME/*",))))
    expected = {("web",): {"acme/web"}, ("deploy",): set(), ("none",): {"acme/api"}, (): {"acme/web", "acme/api"}}
    with session_scope(failing) as session:
        for teams, repos in expected.items():
            of_teams = replace(rule, teams=teams)
            assert {row.target.repo for row in measure_rule(session, of_teams, NOON + HOUR)} == repos, teams


def test_the_teams_of_a_rule_are_stored(engine: Engine) -> None:
    with write_scope(engine) as session:
        rule_id = add_rule(session, replace(STREAK, teams=("web", "none")), NOON, actor=COMMAND)
    with session_scope(engine) as session:
        stored = get_rule(session, rule_id)
    assert stored
    assert stored.teams == ("web", "none")
    # Not read yet: a rule with teams covers nothing rather than everything.
    assert not stored.covers("acme/web", "CI")
