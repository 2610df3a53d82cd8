"""Failures, Flaky, Cost and Compare."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.components import compare
from app.components.cost import queue_rows, spend_export, wasted_export
from app.widgets.exports import as_csv
from db.definitions.records import AttemptRecord, RunDetailsRecord
from db.engine import write_scope
from db.jobs.job_writes import store_run_details
from db.repositories.repository_writes import get_repository
from db.runs.run_queries import RunRow
from health.metrics.capacity import RunnerQueue
from health.metrics.cost import CostBreakdown, CostGroup, WastedMinutes, WorkflowWaste
from health.metrics.workflows import ComparedRun
from tests.app.conftest import Open
from tests.app.reading import everything, html, markdown, table, tiles
from tests.app.seeding import RERUN, SECRET_LINE, Seeded, job, run, store
from tests.builders import roll_up


def test_cause_is_listed_with_its_line_and_links_to_its_runs(seeded: Seeded, open_page: Open) -> None:
    row = table(open_page("failures"), "causes")[0]
    assert row["Cause"].value == SECRET_LINE
    assert row["Runs"].text == "1"
    page = open_page("failures", cause="f")
    assert [each["Run"].links for each in table(page, "cause-runs")] == [[f"run?run_id={RERUN}"]]
    assert f"log?run_id={RERUN}&job_id=4" in table(page, "cause-runs")[0]["Matched log line"].links
    assert not any("<img" in block for block in html(page) if "<style>" not in block and "ph-image" not in block)


def test_unknown_cause_shows_empty_state(seeded: Seeded, open_page: Open) -> None:
    assert "No stored job has this cause" in markdown(open_page("failures", cause="<b>nope</b>"))
    assert "has this cause and matches the filters" in markdown(open_page("failures", cause="f", branch="other"))


def test_failures_without_logs_show_empty_state(seeded: Seeded, open_page: Open) -> None:
    page = open_page("failures", repo=["acme/api"])
    assert "No error was extracted from the logs" in markdown(page)
    assert "without a cause" in everything(page)


def _make_flaky(seeded: Seeded, number: int) -> None:
    at = seeded.now - timedelta(days=number % 10, hours=1)
    store(seeded.engine, 2, run(number, at, repo=2, attempt=2))
    attempts = tuple(
        AttemptRecord(k, "completed", ended, at, at + timedelta(minutes=3), "alice")
        for k, ended in ((1, "failure"), (2, "success"))
    )
    jobs = (job(number * 10, "e2e <b>", at, conclusion="failure"), job(number * 10 + 1, "e2e <b>", at, attempt=2))
    with write_scope(seeded.engine) as session:
        details = [RunDetailsRecord(number, attempts, jobs, seeded.now)]
        store_run_details(session, get_repository(session, 2), details)


def test_flaky_workflow_is_listed_with_its_job(seeded: Seeded, open_page: Open) -> None:
    assert "No run failed and then passed" in markdown(open_page("flaky"))
    for number in (70_001, 70_002, 70_003):
        _make_flaky(seeded, number)
    roll_up(seeded.engine, seeded.now)
    from app.data.connection import reset_engine

    reset_engine()
    row = table(open_page("flaky"), "flaky")[0]
    assert row["Workflow"].value == "acme/api / CI"
    assert row["Verdict"].text == "↻ Flaky"
    assert row["Flaky runs"].text == "3"
    assert row["Flaky runs"].links == ["runs?q=is%3Aflaky&repo=acme%2Fapi&workflow=CI"]
    runs = table(open_page("runs", q="is:flaky", repo=["acme/api"]), "runs")
    assert len(runs) == 3
    assert row["Flaky jobs"].value == "e2e <b> 3×"


def test_cost_and_minutes_agree_with_the_cards(seeded: Seeded, open_page: Open) -> None:
    page = open_page("cost")
    rows = table(page, "spend")
    assert {row["Repository"].value for row in rows} == {"acme/web", "acme/api"}
    total = sum(float(row["Cost"].value) for row in rows)
    assert tiles(page)["cost_usd"][0] == f"${total:,.2f}"
    by_runner = table(open_page("cost", by="Runner"), "spend")
    assert [row["Runner"].value for row in by_runner] == ["ubuntu-latest"]
    assert int(by_runner[0]["Billed minutes"].value) == sum(int(row["Billed minutes"].value) for row in rows) > 0
    assert [row["Runner"].value for row in table(page, "queues")] == ["ubuntu-latest"]


def test_waste_defects_and_unpriced_minutes_are_separate(seeded: Seeded, open_page: Open) -> None:
    at = seeded.now - timedelta(hours=2)
    ended = (run(80_001, at, repo=2, conclusion="failure"), run(80_002, at, repo=2, conclusion="cancelled"))
    store(seeded.engine, 2, *ended)
    service = {"labels": ("depot-ubuntu-<b>x</b>",), "runner": "depot-1", "runner_group": "Default"}
    nobody = {"runner": None, "steps": (), "conclusion": "cancelled"}
    with write_scope(seeded.engine) as session:
        repository = get_repository(session, 2)
        for number, made in ((80_001, job(800_010, "unit", at, conclusion="failure", **service)),
                             (80_002, job(800_020, "unit", at, **nobody))):  # fmt: skip
            store_run_details(session, repository, [RunDetailsRecord(number, (), (made,), seeded.now)])
    roll_up(seeded.engine, seeded.now)
    from app.data.connection import reset_engine

    reset_engine()
    page = open_page("cost", repo=["acme/api"])
    note = next(block for block in html(page) if 'data-note="unpriced"' in block)
    assert "Price unknown: <b>" in note
    assert "min on depot-ubuntu-&lt;b&gt;x&lt;/b&gt;</b>" in note
    row = next(each for each in table(page, "wasted") if each["Never started"].value == "1")
    minutes = float(table(page, "spend")[0]["Price unknown"].value)
    assert minutes >= 1
    parts = sum(float(row[name].value) for name in ("Flaky", "Cancelled", "Superseded"))
    assert float(row["Waste"].value) == pytest.approx(parts, abs=0.02)
    assert float(row["Genuine failures"].value) > 0
    assert 'data-figure="defects"' in everything(page)


def test_cost_csv_has_one_unit_per_column_and_rounded_values() -> None:
    third = CostGroup(
        "acme/x", None, None, 3, 7, 28, 1650.0000000000091, 20.0 / 3, 1.0, 0.1 + 0.2, 4, 1, 1 / 3, -0.0625
    )
    head, line = as_csv(*spend_export(CostBreakdown([third], None), "Repository")).splitlines()
    assert head == ("Repository,Cost (USD),Price unknown (min),Share (share),Change (share),Billed minutes (min),"
                    "Compute (min),Waste (min),Jobs,Runs")  # fmt: skip
    assert line == "acme/x,0.3,4,0.3333,-0.0625,28,27.5,0.1111,7,3"
    waste = WorkflowWaste("acme/x", "CI", 5, 60.0, 30.0, 0.0, 90.0, 0.123456, 3.0, 2, 0.25)
    head, line = as_csv(*wasted_export(WastedMinutes([waste], 60, 30, 0, 90, 0.12, 3, 360, 2, [], None))).splitlines()
    assert head.endswith("Genuine failures (min),Never started (jobs)")
    assert line == "acme/x / CI,1.5,0.1235,0.25,1.0,0.5,0.0,0.05,2"


def test_cost_without_any_known_price_is_unknown() -> None:
    dear = CostGroup("acme/x", None, None, 3, 7, 28, 1650.0, 400.0, 1.0, 0.0, 28, 1, 0.5, None)
    assert (
        as_csv(*spend_export(CostBreakdown([dear], None), "Repository")).splitlines()[1]
        == "acme/x,,28,0.5,,28,27.5,6.6667,7,3"
    )
    free = replace(dear, unpriced_minutes=0)
    assert as_csv(*spend_export(CostBreakdown([free], None), "Repository")).splitlines()[1].startswith("acme/x,0.0,0,")
    waste = WorkflowWaste("acme/x", "CI", 5, 60.0, 30.0, 0.0, 90.0, None, 3.0, 2, 0.25)
    line = as_csv(
        *wasted_export(WastedMinutes([waste], 60, 30, 0, 90, 0.0, 3, 360, 2, [("big", 28)], None))
    ).splitlines()[1]
    assert line == "acme/x / CI,1.5,,0.25,1.0,0.5,0.0,0.05,2"


def test_busiest_hour_is_in_the_time_zone_of_the_viewer() -> None:
    runner = RunnerQueue("ubuntu-latest", 1, 4.0, 4.0, datetime(2026, 11, 26, tzinfo=UTC), 1, None)
    ((_, _, _, _, hour, *_),) = queue_rows([runner], ZoneInfo("America/New_York"), ())
    assert ">25 Nov, 19:00<" in hour.html
    assert "2026-11-26 00:00:00 UTC" in hour.html


def test_compared_runs_show_what_changed(seeded: Seeded, open_page: Open) -> None:
    page = open_page("compare", runs="1000,1002")
    row = table(page, "compared-jobs" if table(page, "compared-jobs") else "compared")[0]
    assert row["Job"].value == "build"
    assert row["#1000"].value != row["#1002"].value
    assert float(row["Change"].value) == float(row["#1002"].value) - float(row["#1000"].value)


def test_invalid_comparison_states_the_reason(seeded: Seeded, open_page: Open) -> None:
    assert "2 to 5 different runs can be compared" in markdown(open_page("compare")).replace("\\", "")
    assert "there is no run 5" in markdown(open_page("compare", runs="1000,5")).replace("\\", "")
    assert "Nothing to compare" in markdown(open_page("compare", runs="x,<script>"))


def test_failed_run_shows_changes_since_the_last_success(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=8002)
    told = everything(page)
    assert "Since the last success" in told
    assert "3 commits with runs since the last success" in told
    assert [row["Job"].value for row in table(page, "since-green")] == ["build"]


def test_only_durations_of_successes_are_coloured() -> None:
    def compared(conclusion: str, delta: float | None) -> ComparedRun:
        row = RunRow(**(dict.fromkeys(RunRow.__dataclass_fields__) | {"conclusion": conclusion}))  # type: ignore[arg-type]
        return ComparedRun(row, delta, None, None)

    first = compared("success", None).run
    early = compare.duration_delta(compared("failure", -440.0), first)
    assert ("ph-green" in early, "−7m 20s" in early) == (False, True)
    assert "ph-red" not in compare.duration_delta(compared("cancelled", 900.0), first)
    assert "ph-green" in compare.duration_delta(compared("success", -440.0), first)
    assert "ph-red" in compare.duration_delta(compared("success", 440.0), first)
    assert "ph-red" not in compare.duration_delta(compared("success", 440.0), compared("failure", None).run)
