"""Many repositories, long and foreign names: pages stay small, and text is escaped."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, insert

from app.components.alerts.rule_list import rule_rows
from app.components.failure_causes import cause_rows
from app.data.figures import MAX_NAMES
from db.definitions.time_buckets import COARSEST, SECONDS_PER_HOUR, bucket_id
from db.engine import write_scope
from db.enums import AlertState, RollupLevel, RuleKind
from db.models import Alert, Repository, UsageRollup, Workflow
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns
from health.alerts.rules.types import RULE_TYPES
from health.alerts.storage.silences import add_silence
from health.alerts.storage.stored_rules import add_rule
from health.insights.causes.queries import Cause
from tests.app.conftest import Open
from tests.app.crowd import crowd, fail_differently
from tests.app.reading import html, markdown, octets, table
from tests.app.seeding import add_repository, heartbeat, run, store
from tests.builders import ACTOR
from tests.effort import effort
from tests.kept import Kept


@pytest.fixture
def many(empty: Engine, kept: Kept) -> Engine:
    kept.fill(empty, crowd, seconds=60)
    return empty


def test_page_of_a_thousand_workflows_is_small(many: Engine, open_page: Open) -> None:
    overview = open_page()
    assert len(table(overview, "workflows")) == 15
    assert "View all 1,000 workflows" in "\n".join(html(overview))
    assert sum(len(block) for block in html(overview)) < 300_000
    page = open_page("workflow")
    assert len(table(page, "all-workflows")) == 50
    assert len(page.get("pagination")) == 1
    page.text_input(key="workflow-q").set_value("service-117 / ci").run()
    assert [row["Workflow"].value for row in table(page, "all-workflows")] == ["acme/service-117 / CI"]
    for each in (overview, page):
        assert "<script>alert" not in "\n".join(html(each)) + markdown(each)
    strip = next(block for block in html(overview) if 'class="ph-attention"' in block)
    shown, _, folded = strip.partition("<details")
    assert shown.count('class="ph-need') == 5
    assert "><summary>138 more</summary>" in folded
    assert folded.count('class="ph-need ph-') == 96
    assert "43 more with lower priority" in folded


def test_truncated_lists_show_the_total(many: Engine, open_page: Open) -> None:
    wall = "\n".join(html(open_page(wall=1)))
    assert 'class="ph-wall-fields" data-total="200"' in wall
    assert wall.count('class="ph-field ph-') == 200
    collector = open_page("collector")
    assert "1 to 100 of 200 repositories" in markdown(collector)
    assert len(table(collector, "repositories")) == 100
    listed = open_page("collector", find="service-117", sort="repositories.-runs")
    assert [row["Repository"].value for row in table(listed, "repositories")] == ["acme/service-117"]


def test_causes_are_listed_page_by_page(many: Engine, moment: datetime, open_page: Open) -> None:
    fail_differently(many, moment)
    page = open_page("failures")
    assert len(table(page, "causes")) == 100
    assert "1 to 100 of 143 causes" in markdown(page)
    assert octets(page) < 400_000


@pytest.mark.parametrize(("show", "what"), [("rules", "rules"), ("silences", "silences")])
def test_rules_and_silences_are_listed_page_by_page(
    empty: Engine, moment: datetime, open_page: Open, show: str, what: str
) -> None:
    add_repository(empty, 1, "acme/web", moment)
    open_at = RULE_TYPES[RuleKind.FAILURE_RATE].default_threshold
    with write_scope(empty) as session:
        for number in range(60):
            add_rule(session, Rule(f"Rule {number}", RuleKind.FAILURE_RATE, open_at), moment, actor=ACTOR)
            add_silence(session, Patterns((f"acme/service-{number}",)), None, moment, moment + timedelta(days=1),
                        comment="maintenance", author="alice", now=moment, actor=ACTOR)  # fmt: skip
    heartbeat(empty, moment, channels=["slack"])
    page = open_page("alerts", show=show)
    assert f"1 to 25 of {61 if show == 'rules' else 60} {what}" in markdown(page)
    shown = len(table(page, "rules")) if show == "rules" else "\n".join(html(page)).count("<b>alice</b>")
    assert shown == 25


def test_a_branch_that_is_not_listed_can_be_typed(empty: Engine, moment: datetime, open_page: Open) -> None:
    add_repository(empty, 1, "acme/web", moment)
    store(empty, 1, *(run(number, moment - timedelta(minutes=number), branch=f"topic-{number}", actor="alice")
                      for number in range(1, 221)))  # fmt: skip
    heartbeat(empty, moment)
    page = open_page("runs", branch="topic-220")
    choice = page.multiselect(key="branch")
    assert (len(choice.options), choice.value, choice.proto.accept_new_options) == (201, ["topic-220"], True)
    assert choice.placeholder == "All branches, or type one"
    assert not page.multiselect(key="actor").proto.accept_new_options
    assert len(table(page, "runs")) == 1


def test_options_of_thousands_of_repositories_and_workflows_are_limited(
    empty: Engine, moment: datetime, open_page: Open
) -> None:
    add_repository(empty, 1, "acme/web", moment)
    store(empty, 1, run(1, moment))
    heartbeat(empty, moment)
    numbers = range(1_000, 1_000 + MAX_NAMES)
    with write_scope(empty) as session:
        session.execute(insert(Repository.__table__), [
            {"id": number, "full_name": f"acme/z-{number}", "default_branch": "main", "private": True,
             "archived": False, "html_url": "", "monitored": True} for number in numbers
        ])  # fmt: skip
        session.execute(insert(Workflow.__table__), [
            {"repository_id": number, "id": number, "name": f"Workflow {number}", "path": "", "state": "active"}
            for number in numbers
        ])  # fmt: skip
    page = open_page("runs", repo="acme/z-2999")
    choice = page.multiselect(key="repo")
    assert (len(choice.options), choice.value) == (MAX_NAMES + 1, ["acme/z-2999"])
    assert choice.proto.accept_new_options
    assert choice.placeholder == "All repositories, or type one"
    workflows = open_page("runs").multiselect(key="workflow")
    assert (len(workflows.options), workflows.proto.accept_new_options) == (MAX_NAMES, True)


def test_a_runner_that_is_not_listed_can_be_typed(empty: Engine, moment: datetime, open_page: Open) -> None:
    add_repository(empty, 1, "acme/web", moment)
    store(empty, 1, run(1, moment))
    heartbeat(empty, moment)
    sums = dict.fromkeys(("minutes", "compute", "failed", "cancelled", "superseded", "cost"), 0)
    key = {
        "repository_id": 0,
        "level": RollupLevel.ALL,
        "workflow_id": 0,
        "bucket": bucket_id(COARSEST, int(moment.timestamp()) // SECONDS_PER_HOUR),
    }
    with write_scope(empty) as session:
        session.execute(insert(UsageRollup.__table__), [
            {**key, **sums, "label": f"runner-{number}", "jobs": 1} for number in range(250)
        ])  # fmt: skip
    choice = open_page("runs").multiselect(key="runner")
    assert (len(choice.options), choice.proto.accept_new_options) == (200, True)


def test_tooltip_of_a_cause_in_hundreds_of_repositories_is_short(moment: datetime) -> None:
    repos = [f"acme/service-{number}" for number in range(500)]
    workflows = [(repo, "CI", number) for number, repo in enumerate(repos)]
    cause = Cause("f", "Error: no space left", 500, 500, repos, workflows, moment, moment, 1, 1, [500], open=False)
    (row,) = cause_rows([cause], moment, (), None)
    repositories = row[-3]
    assert "acme/service-20 and 479 more" in repositories.html
    assert len(repositories.html) < 1_000


def test_every_alert_that_fires_can_be_reached(empty: Engine, moment: datetime, open_page: Open) -> None:
    add_repository(empty, 1, "acme/web", moment)
    with write_scope(empty) as session:
        session.execute(insert(Alert.__table__), [
            {"repository_id": 1, "rule": RuleKind.FAILURE_RATE, "threshold": "20%", "state": AlertState.FIRING,
             "opened_at": moment - timedelta(minutes=number), "detail": {}, "target": f"{number}"}
            for number in range(120)
        ])  # fmt: skip
    heartbeat(empty, moment, channels=[])
    page = open_page("alerts")
    for number, cards in ((1, 50), (2, 50), (3, 20)):
        assert f"Page {number} · {cards} of 120 alerts" in markdown(page)
        assert "\n".join(html(page)).count('class="ph-alert ') == cards
        following = page.button(key="firing-next")
        assert following.disabled == (cards == 20)
        if not following.disabled:
            following.click().run()
    page.button(key="firing-previous").click().run()
    assert "Page 2 · 50 of 120 alerts" in markdown(page)


def test_page_of_thousands_of_alerts_is_small(empty: Engine, moment: datetime, open_page: Open) -> None:
    add_repository(empty, 1, "acme/web", moment)
    with write_scope(empty) as session:
        session.execute(insert(Alert.__table__), [
            {"repository_id": 1, "rule": RuleKind.FAILURE_RATE, "threshold": "20%", "branch": f"b{number}",
             "state": AlertState.FIRING if number < 2_000 else AlertState.RESOLVED, "target": f"{number}",
             "opened_at": moment - timedelta(minutes=number), "resolved_at": moment, "assignee": f"name {number % 900}",
             "severity": ("critical", "warning", "info")[number % 3], "detail": {}}
            for number in range(22_000)
        ])  # fmt: skip
    heartbeat(empty, moment, channels=[])
    with effort() as work:
        page = open_page("alerts")
    assert "2,000 firing" in "\n".join(html(page))
    assert "Page 1 · 25 of 20,000 alerts" in markdown(page)
    assert work.statements < 60
    assert octets(page) < 250_000


def test_rules_beyond_the_limit_of_runs_are_replayed_on_demand(moment: datetime) -> None:
    open_at = RULE_TYPES[RuleKind.FAILURE_RATE].default_threshold
    rules = [Rule(f"Rule {number}", RuleKind.FAILURE_RATE, open_at, id=number) for number in range(1, 4)]
    # Without a database, a replay would raise an error.
    rows = rule_rows(rules, moment, max_runs=0)
    assert [("Replay" in row[-1].html, f"rule={number}" in row[-1].html) for number, row in enumerate(rows, 1)] == [
        (True, True)
    ] * 3
