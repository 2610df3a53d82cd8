import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.components.workflow_jobs import job_rows, step_rows
from app.widgets.table import Row
from db.collection.sync_state import bump_data_version, sync_state
from db.definitions.records import RunRecord, WorkflowRecord
from db.engine import write_scope
from db.repositories.repository_writes import upsert_workflows
from db.repositories.schedules import store_schedule
from health.metrics.workflows import JobFigures, StepFigures
from tests.app.conftest import Open
from tests.app.reading import charts, everything, html, markdown, table, tiles
from tests.app.seeding import Seeded, add_repository, run, slow_down, store


def test_all_workflows_are_listed_searched_and_ordered(seeded: Seeded, open_page: Open) -> None:
    page = open_page("workflow", period="90d")
    assert next(row["Workflow"].value for row in table(page, "all-workflows")) == "acme/web / CI"
    assert table(page, "all-workflows")[0]["Last 20 runs"].links == ["runs?repo=acme%2Fweb&workflow=CI&period=90d"]
    page.text_input(key="workflow-q").set_value("API / dep").run()
    assert [row["Workflow"].value for row in table(page, "all-workflows")] == ["acme/api / Deploy"]
    page.text_input(key="workflow-q").set_value("").run()
    page.query_params["sort"] = "all-workflows.workflow"
    page.run()
    names = [row["Workflow"].value for row in table(page, "all-workflows")]
    assert names == sorted(names)


def test_search_without_matching_workflows_shows_a_message(seeded: Seeded, open_page: Open) -> None:
    page = open_page("workflow")
    page.text_input(key="workflow-q").set_value("nope").run()
    assert "No workflow with runs in this period matches the search" in markdown(page)


def test_runs_of_a_workflow_are_points_with_links(seeded: Seeded, open_page: Open) -> None:
    page = open_page("workflow", id=20)
    spec = next(chart for chart in charts(page) if "chart-dots" in chart.proto.id).proto.spec
    addresses = [point[0] for trace in json.loads(spec)["data"] for point in trace["customdata"]]
    assert addresses
    assert all(address.startswith("run?run_id=2") for address in addresses)
    assert tiles(page)["runs"][0] == str(len(addresses))


def test_jobs_and_steps_are_aggregated(seeded: Seeded, open_page: Open) -> None:
    page = open_page("workflow", id=20)
    assert [row["Job"].value for row in table(page, "jobs")] == ["build"]
    assert {row["Step"].value for row in table(page, "steps")} == {"build / Run tests"}
    assert {row["Step"].value for row in table(page, "runner-steps")} == {"build / Set up job"}


def test_percentiles_of_few_jobs_and_steps_are_muted_with_their_number() -> None:
    few = StepFigures("build", "Run tests", 3, 40, 0, 0.0, 1, 60.0, 90.0, None, None)
    job = JobFigures("build", 40, 0, 0.0, 2, 60.0, 90.0, 4.0, 5.0, 30, None, None, 0.0, 0, 0.0, None, None)
    assert _notes(job_rows([job], {})) == ["only 2 runs", "only 2 runs"]
    assert _notes(job_rows([replace(job, durations=20, queue_times=19)], {})) == ["only 19 runs"]
    assert _notes(step_rows([few], {})) == ["only 1 run", "only 1 run"]
    assert _notes(step_rows([replace(few, durations=20)], {})) == []


def _notes(rows: Sequence[Row]) -> list[str]:
    return re.findall('class="ph-dim" title="(.*?)"', "".join(cell.html for row in rows for cell in row))


def test_failing_workflow_is_marked_in_the_heading(seeded: Seeded, open_page: Open) -> None:
    assert "✕ Failing on the default branch" in everything(open_page("workflow", id=10))
    assert "✓ Passing" in everything(open_page("workflow", id=20))


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("deleted", "⊘ Deleted"), ("disabled_manually", "⊘ Disabled"),
        ("disabled_inactivity", "⊘ Disabled after inactivity"), ("disabled_for_a_new_reason", "⊘ Disabled"),
    ],
)  # fmt: skip
def test_inactive_workflow_is_neither_failing_nor_passing(
    seeded: Seeded, open_page: Open, state: str, word: str
) -> None:
    with write_scope(seeded.engine) as session:
        session.execute(text("UPDATE workflows SET state = :state WHERE id = 10"), {"state": state})
        bump_data_version(session, seeded.now)
    told = everything(open_page("workflow", id=10))
    assert word in told
    assert "Broken" not in told
    assert "Passing" not in told
    listed = {row["Workflow"].value: row["Default branch"] for row in table(open_page("workflow"), "all-workflows")}
    assert listed["acme/web / CI"].value == state.partition("_")[0]
    wall = next(block for block in html(open_page(wall=1)) if 'class="ph-wall"' in block)
    assert "<b>✓ api</b><span>CI</span>" in wall
    assert "✕" not in wall


def test_unsupported_schedule_is_reported(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        crons = [{"cron": "0 9 * * *", "timezone": "Asia/<b>Nowhere"}]
        store_schedule(session, (1, 10), crons, None, seeded.now)
        bump_data_version(session, seeded.now)
    told = markdown(open_page("workflow", id=10))
    assert "Schedule only partly evaluated" in told
    assert "Nowhere" in told
    assert "<b>" not in told


def test_page_of_one_workflow_has_time_and_branch_filters(seeded: Seeded, open_page: Open) -> None:
    page = open_page("workflow", id=10, branch=["feature"])
    assert [each.key for each in page.multiselect] == ["branch"]
    assert tiles(page)["runs"][0] == "3"


@pytest.mark.parametrize("given", ["7", "99999999999999999999", "x", "-1"])
def test_url_of_an_unknown_workflow_links_to_all_workflows(seeded: Seeded, open_page: Open, given: str) -> None:
    page = open_page("workflow", id=given)
    assert "not found" in markdown(page) or table(page, "all-workflows")


def test_names_are_text(seeded: Seeded, open_page: Open) -> None:
    add_repository(seeded.engine, 3, "acme/<img src=x>", seeded.now)
    store(
        seeded.engine, 3, run(3_001, seeded.now - timedelta(hours=1), repo=3, workflow_name="<script>alert(1)</script>")
    )
    for page in (open_page("workflow"), open_page("workflow", id=30)):
        told = "\n".join(block for block in html(page) if "<style>" not in block)
        assert "<img src=x>" not in told
        assert "<script" not in told


def test_workflow_without_default_branch_runs_is_neither_passing_nor_failing(seeded: Seeded, open_page: Open) -> None:
    _add_workflow(seeded, 17, "Preview", run(17_000, seeded.now - timedelta(hours=1), branch="feature"))
    rows = {row["Workflow"].value: row for row in table(open_page("workflow"), "all-workflows")}
    assert rows["acme/web / Preview"]["Default branch"].text == "– No runs on main"
    assert rows["acme/web / Preview"]["Default branch"].value == "no_runs"
    assert rows["acme/api / CI"]["Default branch"].text == "✓ Passing"
    assert "– No runs on main" in everything(open_page("workflow", id=17))
    wall = "\n".join(html(open_page(wall=1)))
    assert re.search('class="ph-field ph-gray"[^>]* title="No runs on main"', wall)


@pytest.mark.parametrize(("state", "word"), [("disabled_inactivity", "⊘ Disabled"), ("deleted", "⊘ Deleted")])
def test_inactive_workflow_is_not_failing(seeded: Seeded, open_page: Open, state: str, word: str) -> None:
    _add_workflow(seeded, 18, "Old", run(18_000, seeded.now - timedelta(hours=1), conclusion="failure"), state=state)
    rows = {row["Workflow"].value: row for row in table(open_page("workflow"), "all-workflows")}
    assert rows["acme/web / Old"]["Default branch"].text == word
    assert word in everything(open_page("workflow", id=18))


def test_status_is_that_of_the_default_branch_with_any_filter(seeded: Seeded, open_page: Open) -> None:
    _add_workflow(seeded, 19, "Both", run(19_000, seeded.now - timedelta(hours=2), conclusion="failure"),
                  run(19_001, seeded.now - timedelta(hours=1), branch="feature"))  # fmt: skip
    rows = {row["Workflow"].value: row for row in table(open_page("workflow", branch="feature"), "all-workflows")}
    assert rows["acme/web / Both"]["Default branch"].text == "✕ Failing"


def test_workflow_is_not_passing_during_backfill(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        sync_state(session, 2).complete_since = None
    rows = {row["Workflow"].value: row for row in table(open_page("workflow"), "all-workflows")}
    assert rows["acme/api / CI"]["Default branch"].text == "◌ Catching up"
    assert rows["acme/web / CI"]["Default branch"].text == "✕ Failing"


def _add_workflow(seeded: Seeded, number: int, name: str, *runs: RunRecord, state: str = "active") -> None:
    with write_scope(seeded.engine) as session:
        upsert_workflows(session, 1, [WorkflowRecord(number, name, f".github/workflows/{number}.yml", state)])
    store(seeded.engine, 1, *(replace(each, workflow_id=number, workflow_name=name) for each in runs))


def test_slower_workflow_shows_its_slower_jobs_and_steps(seeded: Seeded, open_page: Open) -> None:
    slow_down(seeded)
    page = open_page("workflow", id=16)
    rows = table(page, "slowdown")
    assert [row["Job or step"].value for row in rows] == ["build", "build / compile"]
    assert [row["Difference"].text for row in rows] == ["+7m 00s", "+7m 00s"]
    assert "do not add up to that of the run" in everything(page)
    spec = json.loads(next(chart for chart in charts(page) if "chart-dots" in chart.proto.id).proto.spec)
    assert len(spec["layout"]["shapes"]) == 1


def test_jobs_steps_and_the_slowdown_are_of_the_same_runs(seeded: Seeded, open_page: Open) -> None:
    slow_down(seeded)
    page = open_page("workflow", id=16)
    panels = {
        title: subtitle for block in html(page)
        for title, subtitle in re.findall(r"<h2>(.*?)</h2><span>(.*?)</span>", block)
    }  # fmt: skip
    sample = panels["Slower jobs and steps"]
    assert re.fullmatch(r"60 runs on main in the last 30d: 31 before the slowdown on .*, 29 after", sample)
    assert panels["Jobs"] == panels["Steps"] == f"{sample} · longest first"
    change = table(page, "slowdown")[0]["Change"].value
    assert change == table(page, "jobs")[0]["Change"].value == table(page, "steps")[0]["Change"].value
    assert [row["Step"].value for row in table(page, "steps")] == ["build / compile"]
    assert [row["Step"].value for row in table(page, "runner-steps")] == ["build / Complete job"]
    assert "1 housekeeping step" in everything(page)
    assert f"compare?runs={16_030}%2C{16_031}" in everything(page)
