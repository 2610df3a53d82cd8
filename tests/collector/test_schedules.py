"""Scheduled runs that never came: from the workflow's file to the alert."""

from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.sync.crons import MAX_BYTES, InvalidWorkflowFile, parse_schedule
from core.cron import last_due
from db.engine import write_scope
from db.enums import RuleKind
from db.models import Notification, WorkflowSchedule
from db.repositories.schedules import ETAG_PREFIX, schedule_error
from demo.world.catalog import REPOSITORIES, workflow_file
from health.alerts.evaluation import Evaluator
from health.alerts.rules.rules import Rule, parse_threshold, validate_rule
from health.alerts.storage.alert_queries import AlertRow, list_alerts
from health.alerts.storage.stored_rules import add_rule
from tests.builders import ACTOR
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import sync

NIGHTLY = "name: Nightly\non:\n  schedule:\n    - cron: '0 2 * * *'\n  workflow_dispatch:\n"
FILE = f"/repos/{REPO}/contents/.github/workflows/nightly.yml"


@pytest.mark.parametrize(
    ("file", "crons"),
    [
        (NIGHTLY, ["0 2 * * *"]),
        (
            '"on":\n  schedule:\n    - cron: "*/15  8-18 * * 1-5"\n    - cron: "0 3 * * 0"\n',
            ["*/15 8-18 * * 1-5", "0 3 * * 0"],
        ),
        ("on: [push, pull_request]\n", []),
        ("on: push\n", []),
        ("on:\n  push:\n  # schedule:\n  #   - cron: '0 2 * * *'\n", []),
        ("on:\n  schedule: nightly\n", []),
        ("on:\n  schedule:\n    - cron: 7\n    - later\n", []),
        (
            "on:\n  schedule:\n  - {cron: '0 9 * * 1', timezone: Asia/Tokyo}\n  - {cron: '0 9  * * 2'}\n"
            "  - {cron: '0 9 * * 3', timezone: }\n  - {cron: '0 9 * * 4', timezone: 9}\n",
            [
                {"cron": "0 9 * * 1", "timezone": "Asia/Tokyo"},
                "0 9 * * 2",
                {"cron": "0 9 * * 3", "timezone": ""},
                {"cron": "0 9 * * 4", "timezone": "9"},
            ],
        ),
    ],
)
def test_the_schedule_is_read_as_github_reads_it(file: str, crons: list[Any]) -> None:
    assert parse_schedule(file) == crons


@pytest.mark.parametrize("file", ["a: [", "- 1", "", "x" * (MAX_BYTES + 1), "a: &a [*a]\n? {"])
def test_what_is_no_workflow_file_is_said_so(file: str) -> None:
    with pytest.raises(InvalidWorkflowFile):
        parse_schedule(file)


def test_the_last_due_time_is_that_of_the_latest_line() -> None:
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    assert last_due(["0 2 * * *", "30 9 * * 1-5", "no cron"], noon) == noon.replace(hour=9, minute=30)
    assert last_due(["0 12 * * *"], noon) == noon - timedelta(days=1)
    assert last_due(["61 * * * *"], noon) is None


def test_the_demos_files_ask_for_what_runs_there_by_the_clock() -> None:
    by_clock = {
        f"{repo.name}/{spec.name}": parse_schedule(workflow_file(spec))
        for repo in REPOSITORIES
        for spec in repo.workflows
        if parse_schedule(workflow_file(spec))
    }
    assert by_clock == {
        "payments/Nightly": ["0 2 * * *"], "data-platform/Nightly": ["0 3 * * *"], "infra/Drift": ["0 5 * * *"],
    }  # fmt: skip


class Night:
    """A workflow that runs at two, looked at by a collector and a rule."""

    def __init__(self, engine: Engine, github: GitHub) -> None:
        self.engine, self.github = engine, github
        github.world.add_workflow(REPO, "Nightly", "nightly.yml")
        github.world.set_file(REPO, "Nightly", NIGHTLY)
        for days in (1, 2):
            self.comes(days)
        self.evaluator = Evaluator(engine, parse_threshold("3"), ["slack"], "http://dash", github.clock)

    def comes(self, days_ago: int = 0) -> None:
        created = (self.github.clock() - timedelta(days=days_ago)).replace(hour=2, minute=11)
        self.github.world.add_run(REPO, "Nightly", created_at=created, event="schedule")

    def want(self) -> None:
        with write_scope(self.engine) as session:
            add_rule(
                session, validate_rule(Rule("nights", RuleKind.MISSING_RUN, 3600)), self.github.clock(), actor=ACTOR
            )

    def look(self) -> list[AlertRow]:
        assert sync(self.engine, self.github.url, (REPO,), clock=self.github.clock).is_complete
        self.evaluator.run()
        with Session(self.engine) as session:
            return list_alerts(session)


def test_a_scheduled_run_that_does_not_come_is_told_until_one_does(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    night.want()
    assert night.look() == []
    github.clock.forward(hours=13)
    night.comes()
    github.clock.forward(hours=3)
    assert night.look() == []
    github.clock.forward(hours=22, minutes=59)
    assert night.look() == []
    github.clock.forward(minutes=2)
    (alert,) = night.look()
    assert (alert.rule, alert.workflow, alert.branch) == ("missing_run", "Nightly", "main")
    assert alert.detail.text == "due 2026-11-20 02:00:00 UTC; last run 2026-11-19 02:11:00 UTC"
    github.world.add_run(REPO, "Nightly", created_at=github.clock(), event="schedule")
    github.clock.forward(minutes=1)
    assert [each.state for each in night.look()] == ["resolved"]


def test_while_the_collector_lags_behind_nothing_is_missing(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    night.want()
    night.look()
    github.clock.forward(days=3)
    night.evaluator.run()
    with Session(engine) as session:
        assert list_alerts(session) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_files_are_read_only_where_a_rule_asks_and_only_what_ran_by_the_clock(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    night.look()
    assert FILE not in github.asked()
    night.want()
    night.look()
    assert [path for path in github.asked() if "contents" in path] == [FILE]
    night.look()
    assert FILE not in github.asked()
    github.clock.forward(hours=1)
    github.world.set_file(REPO, "Nightly", NIGHTLY.replace("0 2", "0 4"))
    night.look()
    assert FILE in github.asked()
    with Session(engine) as session:
        (row,) = session.scalars(select(WorkflowSchedule))
        assert (row.crons, row.since) == (["0 4 * * *"], github.clock())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_cannot_be_read_keeps_what_was_known_and_stops_nothing(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    night.want()
    night.look()
    flow = github.world.repositories[REPO].workflow("Nightly")
    github.world.files[flow.id] = "a: ["
    github.clock.forward(hours=1)
    night.look()
    assert schedule(engine).crons == ["0 2 * * *"]
    assert "not valid YAML" in (schedule(engine).error or "")


def schedule(engine: Engine) -> WorkflowSchedule:
    with Session(engine) as session:
        return session.scalars(select(WorkflowSchedule)).one()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_is_gone_has_no_schedule_until_it_is_back(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    night.want()
    night.look()
    files = dict(github.world.files)
    github.clock.forward(hours=17)
    (alert,) = night.look()
    assert (alert.state, alert.detail.since.isoformat()[:16]) == ("firing", "2026-11-19T02:00")
    github.world.files.clear()
    github.clock.forward(hours=1)
    (alert,) = night.look()
    assert (alert.state, alert.detail.reason) == ("resolved", "the schedule changed")
    assert schedule(engine).crons == []
    assert "404" in (schedule(engine).error or "")
    github.clock.forward(days=2)
    assert [each.state for each in night.look()] == ["resolved"]
    github.world.files.update(files)
    github.clock.forward(hours=1)
    assert [each.state for each in night.look()] == ["resolved"]
    assert (schedule(engine).crons, schedule(engine).since) == (["0 2 * * *"], github.clock())
    github.clock.forward(days=1)
    assert [each.state for each in night.look()] == ["firing", "resolved"]
    with Session(engine) as session:
        reasons = [each.reason for each in session.query(Notification).order_by(Notification.id)]
    assert reasons == ["first", "first"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_line_with_a_time_zone_is_judged_by_it(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    tokyo = "on:\n  schedule:\n    - cron: '0 11 * * *'\n      timezone: Asia/Tokyo\n"
    github.world.set_file(REPO, "Nightly", tokyo)
    night.want()
    night.look()
    github.clock.forward(hours=14)
    night.comes()
    for _ in range(10):
        github.clock.forward(hours=2)
        assert night.look() == []
    github.clock.forward(hours=5, minutes=1)
    (alert,) = night.look()
    assert alert.detail.text.startswith("due 2026-11-20 02:00:00 UTC; ")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_zone_that_nobody_knows_is_said_and_alarms_nobody(
    engine: Engine, github: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    night = Night(engine, github)
    odd = "on:\n  schedule:\n    - {cron: '0 11 * * *', timezone: Asia/Nowhere}\n"
    github.world.set_file(REPO, "Nightly", odd)
    night.want()
    for _ in range(3):
        night.look()
        github.clock.forward(days=1)
    assert night.look() == []
    assert schedule(engine).error == "'0 11 * * *': the time zone 'Asia/Nowhere' is not known"
    with Session(engine) as session:
        found = schedule_error(session, schedule(engine).repository_id, schedule(engine).workflow_id)
    assert found == schedule(engine).error
    logged = [each.getMessage() for each in caplog.records if each.name == "collector.sync.schedules"]
    assert logged == [f"{REPO}: the schedule of '.github/workflows/nightly.yml' cannot be evaluated: {found}"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_an_older_version_read_without_time_zones_is_read_again(engine: Engine, github: GitHub) -> None:
    night = Night(engine, github)
    night.want()
    night.look()
    with write_scope(engine) as session:
        row = session.scalars(select(WorkflowSchedule)).one()
        row.etag, row.crons = (row.etag or "").removeprefix(ETAG_PREFIX), ["0 9 * * *"]
    github.clock.forward(hours=1)
    night.look()
    assert schedule(engine).crons == ["0 2 * * *"]


def multiplied(levels: int) -> str:
    """Each level merges the one before ten times."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, levels)]
    return "\n".join([*lines, NIGHTLY])


@pytest.mark.parametrize(
    "file",
    [
        multiplied(12),
        "x: &x [" + ",".join(["lol"] * 9) + "]\n" + "".join(f"y{n}: &y{n} [*x, *x]\n" for n in range(900)) + NIGHTLY,
        NIGHTLY + "self: &self [*self]\n",
        NIGHTLY + "script: |\n" + "  echo\n" * 50_000,
        NIGHTLY + "list: [" + "1," * 60_000 + "1]\n",
    ],
)
def test_a_file_costs_no_more_than_its_size(file: str) -> None:
    begun = process_time()
    assert parse_schedule(file) == ["0 2 * * *"]
    assert process_time() - begun < 4


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("a: [" + "1," * 200_000 + "1]", "values"),
        # Newer versions of libyaml refuse it by themselves.
        ("[" * 50_000, "nested|not valid YAML"),
        ("a: " * 5 + "\n", "not valid YAML"),
        ("".join("  " * n + "a:\n" for n in range(400)), "nested"),
        ("on: *nobody", "an alias without an anchor"),
        (NIGHTLY + "---\n" + NIGHTLY, "more than one document"),
        ("é" * (MAX_BYTES // 2 + 1), "larger than"),
    ],
)
def test_a_file_beyond_the_limits_is_refused_soon(file: str, reason: str) -> None:
    begun = process_time()
    with pytest.raises(InvalidWorkflowFile, match=reason):
        parse_schedule(file)
    assert process_time() - begun < 4


def test_the_parser_without_a_library_in_c_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sync.crons._LOADER", yaml.BaseLoader)
    assert parse_schedule(multiplied(12)) == ["0 2 * * *"]
    begun = process_time()
    with pytest.raises(InvalidWorkflowFile, match=r"within|values"):
        parse_schedule("a: [" + "1," * 200_000 + "1]")
    assert process_time() - begun < 6


def test_aliases_and_words_for_true_are_read_as_before() -> None:
    assert parse_schedule("x: &x [{cron: '1 2 * * *'}]\non:\n  schedule: *x\n") == ["1 2 * * *"]
    assert parse_schedule("true:\n  schedule: [{cron: '1 2 * * *'}]\n") == ["1 2 * * *"]


def test_a_file_that_ended_the_collector_is_not_read_again(
    engine: Engine, github: GitHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The program ends in the middle: nothing after the parser's call is done."""
    night = Night(engine, github)
    night.want()

    def dies(_: str) -> list[Any]:
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr("collector.sync.schedules.parse_schedule", dies)
        with pytest.raises(SystemExit):
            night.look()
    github.clock.forward(hours=2)
    night.look()
    assert sum("the collector ended while it read this file" in line for line in caplog.messages) == 1
    with Session(engine) as session:
        row = session.scalars(select(WorkflowSchedule)).one()
    assert row.crons == []
    assert "the collector ended while it read this file" in str(row.error)
    github.world.set_file(REPO, "Nightly", NIGHTLY.replace("0 2", "0 4"))
    github.clock.forward(hours=2)
    night.look()
    with Session(engine) as session:
        row = session.scalars(select(WorkflowSchedule)).one()
    assert (row.crons, row.error) == (["0 4 * * *"], None)
