"""Use of runners from the database: waits by label, waste by reason, and minutes without a price."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from health.metrics.capacity import queues, waits_by_label, week_before
from health.metrics.cost import CostGroupBy, cost_by_group, wasted_minutes
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs

EVERYTHING = Scope()
# Whole days are read from roll-ups, a part of an hour from the rows.
WINDOWS = [
    Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12)),
    Window(NOON - timedelta(minutes=17), NOON + timedelta(minutes=31)),
]
NOBODY: dict[str, Any] = {"runner": None, "runner_id": None, "runner_group": None, "steps": ()}
OWN: dict[str, Any] = {"labels": ("self-hosted", "gpu"), "runner": "gpu-1", "runner_group": "Default"}


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


@pytest.mark.parametrize("window", WINDOWS, ids=["rolled up", "rows"])
def test_waits_by_label_hold_those_that_gave_up_and_not_those_that_were_refused(engine: Engine, window: Window) -> None:
    store_runs(
        engine, *(run(number, conclusion="cancelled") for number in (1, 2, 3)), run(4), run(5, conclusion="failure")
    )
    store_jobs(engine, 1, job(1, start=0, end=600, conclusion="cancelled", **(NOBODY | {"labels": ("macos-15",)})))
    store_jobs(engine, 2, job(2, start=900, end=900, conclusion="cancelled", **(NOBODY | {"labels": ("macos-15",)})))
    store_jobs(engine, 3, job(3, start=1, end=3, conclusion="failure", **(NOBODY | {"labels": ("macos-15",)})))
    store_jobs(
        engine,
        4,
        job(4, start=30, end=60),
        job(5, start=50, end=90, name="b"),
        job(6, start=9, end=20, name="c", **OWN),
    )
    # Queued for ever, in a run that is over.
    store_jobs(engine, 5, job(7, status="queued", conclusion=None, start=0, end=None, **NOBODY))
    with Session(engine) as session:
        found = {each.label: each for each in waits_by_label(session, EVERYTHING, window)}
        earlier = waits_by_label(session, EVERYTHING, week_before(window))
    assert {label: each.jobs for label, each in found.items()} == {
        "macos-15": 2,
        "ubuntu-latest": 2,
        "self-hosted, gpu": 1,
    }
    assert found["macos-15"].p50 == pytest.approx(750, rel=0.01)
    assert found["ubuntu-latest"].p50 == pytest.approx(40, rel=0.01)
    assert found["self-hosted, gpu"].p95 == pytest.approx(9, rel=0.01)
    assert earlier == []


def test_the_week_before_has_the_same_weekdays_and_hours() -> None:
    window = Window(NOON - timedelta(hours=3), NOON)
    before = week_before(window)
    assert (before.since.weekday(), before.since.hour, before.span) == (2, 9, window.span)
    assert window.since - before.since == timedelta(days=7)


def test_what_github_never_closed_runs_until_its_run_ended(engine: Engine) -> None:
    end = NOON + timedelta(minutes=10)
    store_runs(engine, run(1, conclusion="failure", updated_at=end), run(2, minutes=55))
    store_jobs(
        engine,
        1,
        job(1, start=5, end=600),
        job(2, name="orphan", status="in_progress", conclusion=None, start=6, end=None),
    )
    store_jobs(engine, 2, job(3, at=NOON + timedelta(minutes=55), start=5, end=60))
    with Session(engine) as session:
        (ubuntu,) = queues(session, EVERYTHING, WINDOWS[0]).runners
        (spent,) = cost_by_group(session, EVERYTHING, WINDOWS[0], CostGroupBy.RUNNER).items
    # The third began when the first two were over, whatever GitHub says.
    assert (ubuntu.jobs, ubuntu.busiest_jobs, ubuntu.peak) == (3, 3, 2)
    assert (spent.compute_seconds, spent.minutes) == (595 + 55, 10 + 1)


@pytest.mark.parametrize("window", WINDOWS, ids=["rolled up", "rows"])
def test_spending_says_how_many_minutes_have_no_price_and_how_many_jobs_never_started(
    engine: Engine, window: Window
) -> None:
    service = {"labels": ("depot-ubuntu-24.04-8",), "runner": "depot-1", "runner_group": "Default"}
    store_runs(engine, run(1), run(2, conclusion="cancelled"))
    store_jobs(engine, 1, job(1), job(2, end=184, name="x", **service))
    store_jobs(engine, 2, job(3, start=0, end=500, conclusion="cancelled", **NOBODY))
    with Session(engine) as session:
        by_runner = {each.key: each for each in cost_by_group(session, EVERYTHING, window, CostGroupBy.RUNNER).items}
        (repo,) = cost_by_group(session, EVERYTHING, window, CostGroupBy.REPO).items
        (workflow,) = cost_by_group(session, EVERYTHING, window, CostGroupBy.WORKFLOW).items
    assert (by_runner["depot-ubuntu-24.04-8"].cost_usd, by_runner["depot-ubuntu-24.04-8"].unpriced_minutes) == (0, 3)
    assert (by_runner["ubuntu-latest"].unpriced_minutes, by_runner["ubuntu-latest"].never_started) == (0, 1)
    for each in (repo, workflow):
        assert (each.unpriced_minutes, each.never_started, each.wasted_seconds) == (3, 1, 0)
        assert each.cost_usd == pytest.approx(0.006)


@pytest.mark.parametrize("window", WINDOWS, ids=["rolled up", "rows"])
def test_waste_is_split_and_what_found_a_defect_stands_apart(engine: Engine, window: Window) -> None:
    store_runs(
        engine, run(1, conclusion="failure"), run(2, conclusion="cancelled"), run(3, conclusion="failure"), run(4)
    )
    store_runs(engine, run(3, attempt=2), run(4, attempt=2))
    store_jobs(engine, 1, job(1, end=15, conclusion="failure"))
    store_jobs(engine, 2, job(2, end=25, conclusion="cancelled"))
    for run_id, end in ((3, "failure"), (4, "success")):
        store_jobs(engine, run_id, job(run_id * 10, end=5 + 10 * run_id, conclusion=end),
                   job(run_id * 10 + 1, attempt=2, start=600, end=601), attempts=(attempt(1, end),))  # fmt: skip
    with Session(engine) as session:
        found = wasted_minutes(session, EVERYTHING, window)
    (item,) = found.items
    assert (item.flaky_seconds, item.cancelled_seconds, item.superseded_seconds) == (30, 20, 40)
    assert (item.wasted_seconds, item.defect_seconds) == (90, 10)
    assert item.share == pytest.approx(90 / 102)
    assert (found.flaky_seconds, found.defect_seconds, found.compute_seconds) == (30, 10, 102)
