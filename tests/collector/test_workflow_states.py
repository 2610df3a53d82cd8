"""Workflows that GitHub deleted or disabled: from its list of workflows to alerts, badges and the attention list."""

from datetime import datetime, timedelta

import pytest
import requests
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.records import RunRecord, WorkflowRecord
from db.definitions.scope import Scope
from db.engine import write_scope
from db.enums import RuleKind
from db.models import Notification, Workflow
from db.repositories.repository_writes import (
    ensure_workflows,
    mark_unlisted_deleted,
    request_workflow_list,
    upsert_repository,
    upsert_workflows,
)
from health.alerts.attention import attention
from health.alerts.evaluation import Evaluator
from health.alerts.rules.rules import Rule, parse_threshold, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_queries import AlertRow, list_alerts
from health.alerts.storage.stored_rules import add_rule
from health.metrics.branch_status import failing_streaks, workflow_statuses
from health.metrics.definitions.episodes import WorkflowStatus
from tests.builders import ACTOR, NOON, REPO, WORKFLOW, add_repository, run, store_runs
from tests.collector.conftest import REPO as NAME
from tests.collector.conftest import GitHub
from tests.collector.servers import Asked, Reply, StandIn, as_json
from tests.collector.syncing import sync

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DEAD = ["deleted", "disabled_manually", "disabled_inactivity", "disabled_fork", "disabled_by_billing"]
DYNAMIC = WorkflowRecord(8, "pages", "dynamic/pages/pages-build-deployment", "unlisted")


class Past:
    """A workflow that failed three times some days ago, beside a green one, looked at by a collector and the rules."""

    def __init__(self, engine: Engine, github: GitHub) -> None:
        self.engine, self.github = engine, github
        self.old = github.world.add_workflow(NAME, "Old deploy", "deploy.yml")
        for days in (19, 18, 17):
            created = github.clock() - timedelta(days=days)
            github.world.add_run(NAME, "Old deploy", conclusion="failure", created_at=created)
        github.world.add_run(NAME, "CI", created_at=github.clock() - timedelta(hours=1))
        self.evaluator = Evaluator(engine, parse_threshold("3"), ["slack"], "http://dash", github.clock)

    def remove(self) -> None:
        del self.github.world.repositories[NAME].workflows[self.old.id]

    def look(self) -> list[AlertRow]:
        sync(self.engine, self.github.url, (NAME,), clock=self.github.clock)
        self.evaluator.run()
        with Session(self.engine) as session:
            return list_alerts(session)

    def headlines(self) -> list[str]:
        with Session(self.engine) as session:
            return [each.headline for each in attention(session, Scope(), self.github.clock())]

    def state(self) -> str:
        with Session(self.engine) as session:
            return session.scalars(select(Workflow.state).where(Workflow.id == self.old.id)).one()

    def messages(self) -> list[str]:
        with Session(self.engine) as session:
            return [row.reason for row in session.scalars(select(Notification).order_by(Notification.id))]


def test_a_workflow_that_github_does_not_list_any_more_is_not_broken_now(engine: Engine, github: GitHub) -> None:
    past = Past(engine, github)
    past.remove()
    assert past.look() == []
    assert (past.state(), past.headlines()) == ("deleted", [])
    with Session(engine) as session:
        assert failing_streaks(session, Scope(), github.clock()) == []
        stands = workflow_statuses(session, Scope(), github.clock()).values()
        assert [each.status for each in stands if each.workflow_id == past.old.id] == [WorkflowStatus.DELETED]
        assert WorkflowStatus.PASSING in [each.status for each in stands]


@SQLITE
@pytest.mark.parametrize("state", DEAD)
def test_an_open_alert_closes_without_a_message_and_counts_again_when_it_is_enabled(
    engine: Engine, github: GitHub, state: str
) -> None:
    past = Past(engine, github)
    assert [alert.state for alert in past.look()] == ["firing"]
    assert past.headlines() == ["acme/web · Old deploy is failing on main"]
    past.old.state = state
    github.clock.forward(hours=1)
    (alert,) = past.look()
    assert (alert.state, alert.detail.reason) == ("resolved", "the workflow was deleted or disabled")
    assert (past.messages(), past.headlines()) == (["first"], [])
    past.old.state = "active"
    github.clock.forward(hours=1)
    assert [alert.state for alert in past.look()] == ["firing", "resolved"]


@SQLITE
def test_a_run_of_a_disabled_workflow_has_the_list_read_at_once(engine: Engine, github: GitHub) -> None:
    past = Past(engine, github)
    past.old.state = "disabled_manually"
    past.look()
    past.old.state = "active"
    github.clock.forward(minutes=5)
    github.world.add_run(NAME, "Old deploy", conclusion="failure")
    past.look()
    github.clock.forward(minutes=1)
    past.look()
    assert past.state() == "active"


@SQLITE
@pytest.mark.parametrize("fault", ["count", "item", "failure"])
def test_nothing_is_concluded_from_a_list_that_is_not_whole(engine: Engine, github: GitHub, fault: str) -> None:
    past = Past(engine, github)
    past.look()
    past.remove()
    listed = [{"id": 1, "name": "CI", "path": ".github/workflows/ci.yml", "state": "active"}]
    answers: dict[str, Reply] = {
        "count": as_json({"total_count": 2, "workflows": listed}),
        "item": as_json({"total_count": 1, "workflows": [*listed, {"id": "none"}]}),
        "failure": as_json({"message": "Not Found"}, 404),
    }

    def respond(asked: Asked) -> Reply:
        if "/actions/workflows?" in asked.path:
            return answers[fault]
        headers = {"Authorization": asked.headers["authorization"]}
        found = requests.get(github.url + asked.path, headers=headers, timeout=10)
        return Reply(found.status_code, {"Content-Type": "application/json"}, found.content)

    github.clock.forward(hours=2)
    with StandIn(respond).serve() as url:
        sync(engine, url, (NAME,), clock=github.clock)
    past.evaluator.run()
    assert past.state() == "active"
    with Session(engine) as session:
        assert [alert.state for alert in list_alerts(session)] == ["firing"]
    past.look()
    assert past.state() == "deleted"


def listed(engine: Engine, *records: WorkflowRecord, at: datetime | None = NOON) -> None:
    with write_scope(engine) as session:
        upsert_workflows(session, 1, records, complete_at=at)
        sync_state(session, 1).workflows_at = at


def states(engine: Engine) -> dict[str, str]:
    with Session(engine) as session:
        return {row[0]: row[1] for row in session.execute(select(Workflow.name, Workflow.state))}


def seen(engine: Engine, record: WorkflowRecord, minutes: float) -> None:
    """A run of it was stored that was created so many minutes after noon."""
    with write_scope(engine) as session:
        ensure_workflows(session, 1, [record])
    store_runs(engine, run(int(record.id * 1000 + minutes), minutes=minutes, workflow_id=record.id))
    with write_scope(engine) as session:
        mark_unlisted_deleted(session, 1)


def test_what_is_only_known_from_a_run_is_judged_by_the_age_of_the_run(engine: Engine) -> None:
    unlisted = [WorkflowRecord(20 + n, f"W{n}", f".github/workflows/{n}.yml", "unlisted") for n in range(3)]
    add_repository(engine)
    listed(engine, WORKFLOW)
    seen(engine, unlisted[0], -60)
    seen(engine, unlisted[1], -1)
    seen(engine, unlisted[2], 5)
    seen(engine, DYNAMIC, -60)
    assert states(engine) == {"CI": "active", "W0": "deleted", "W1": "unlisted", "W2": "unlisted", "pages": "unlisted"}
    listed(engine, WORKFLOW, at=NOON + timedelta(hours=1))
    assert states(engine) == {"CI": "active", "W0": "deleted", "W1": "deleted", "W2": "deleted", "pages": "unlisted"}
    listed(engine, WORKFLOW, unlisted[0], DYNAMIC, at=NOON + timedelta(hours=2))
    assert (states(engine)["W0"], states(engine)["W1"]) == ("unlisted", "deleted")


@SQLITE
def test_what_was_listed_is_deleted_by_its_absence_unless_it_ran_just_now(engine: Engine) -> None:
    pages = WorkflowRecord(8, "pages", DYNAMIC.path, "active")
    add_repository(engine, REPO, WORKFLOW, pages)
    listed(engine, pages, at=None)
    assert states(engine) == {"CI": "active", "pages": "active"}
    store_runs(engine, run(1, minutes=-1))
    listed(engine, at=NOON)
    assert states(engine) == {"CI": "active", "pages": "deleted"}
    listed(engine, at=NOON + timedelta(hours=1))
    assert states(engine) == {"CI": "deleted", "pages": "deleted"}


@SQLITE
def test_only_a_later_run_of_an_inactive_workflow_asks_for_the_list(engine: Engine) -> None:
    add_repository(engine)

    def asks(record: RunRecord) -> bool:
        listed(engine, WORKFLOW)
        with write_scope(engine) as session:
            session.get_one(Workflow, (1, 5)).state = state
            request_workflow_list(session, 1, [record])
            return sync_state(session, 1).workflows_at is None

    state = "active"
    assert not asks(run(1, minutes=1))
    state = "disabled_inactivity"
    assert not asks(run(1, minutes=-1))
    assert asks(run(1, minutes=1))


@SQLITE
def test_an_archived_repository_is_broken_no_more(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, conclusion="failure"))
    now = NOON + timedelta(hours=1)
    with write_scope(engine) as session:
        assert len(failing_streaks(session, Scope(), now)) == 1
        assert [each.status for each in workflow_statuses(session, Scope(), now).values()] == [WorkflowStatus.FAILING]
        upsert_repository(session, type(REPO)(**{**vars(REPO), "archived": True}))
        assert failing_streaks(session, Scope(), now) == []
        assert [each.status for each in workflow_statuses(session, Scope(), now).values()] == [WorkflowStatus.ARCHIVED]


@SQLITE
def test_rules_about_one_workflow_leave_inactive_ones_out(engine: Engine, github: GitHub) -> None:
    add_repository(engine, REPO, WorkflowRecord(5, "CI", ".github/workflows/ci.yml", "disabled_manually"))
    store_runs(engine, *(run(n, minutes=n, conclusion="failure") for n in range(1, 7)))
    store_runs(engine, run(9, minutes=-400, status="in_progress", conclusion=None))
    github.clock.forward(minutes=10)
    rules = [
        Rule("rate", RuleKind.FAILURE_RATE, 0.2),
        Rule("branch", RuleKind.CONSECUTIVE_FAILURES, 2, scope=Patterns(branches=("*",))),
        Rule("stuck", RuleKind.STUCK_RUN, 3600),
    ]
    with write_scope(engine) as session:
        for rule in rules:
            add_rule(session, validate_rule(rule), github.clock(), actor=ACTOR)
    evaluator = Evaluator(engine, parse_threshold("3"), [], "http://dash", github.clock)
    evaluator.run()
    evaluator.run()
    with Session(engine) as session:
        assert [(each.rule_name, each.state) for each in list_alerts(session)] == [("stuck", "firing")]
