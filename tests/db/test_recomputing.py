"""Bringing stored runs up to date: after an upgrade, and after a change of prices."""

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from db.__main__ import main
from db.definitions.prices import EMPTY_PRICE_LIST, PriceList
from db.definitions.records import RepositoryRecord, RunRecord, WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.jobs import job_writes
from db.jobs.job_writes import recompute_runs, resume_repricing, store_prices
from db.jobs.price_list import PRICES_HEARTBEAT, price_list
from db.models import Heartbeat, Job, RollupInvalidation, Run
from health.metrics.cost import CostGroupBy, cost_by_group
from tests.builders import NOON, add_repository, job, roll_up, run, store_jobs, store_runs

DAY = Window(NOON.replace(hour=0), NOON.replace(hour=23))
SERVICE = {"labels": ("depot-ubuntu-24.04-8",), "runner": "depot-1", "runner_group": "Default"}


def fill(engine: Engine, runs: int = 5) -> None:
    add_repository(engine)
    add_repository(
        engine, RepositoryRecord(2, "acme/api", "main", True, False, ""), WorkflowRecord(7, "CI", "c.yml", "active")
    )
    for number in range(1, runs + 1):
        store_runs(engine, run(number))
        store_jobs(engine, number, job(number, end=125, **SERVICE))
    store_runs(engine, RunRecord(**{**vars(run(1000)), "workflow_id": 7}), repository_id=2)


def adopt(engine: Engine, prices: PriceList) -> bool:
    with write_scope(engine) as session:
        return store_prices(session, prices, NOON)


def money(engine: Engine) -> list[tuple[float, int]]:
    with Session(engine) as session:
        query = select(Run.cost_usd, Run.unpriced_minutes).where(Run.repository_id == 1).order_by(Run.id)
        return [(round(row[0], 4), row[1]) for row in session.execute(query)]


def test_a_change_of_prices_recomputes_what_is_stored(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_writes, "_RUNS_AT_ONCE", 2)
    fill(engine)
    assert money(engine) == [(0, 2)] * 5
    listed = PriceList(labels={"depot-*": 0.25})
    assert adopt(engine, listed)
    assert not adopt(engine, listed)
    with Session(engine) as session:
        assert price_list(session) == listed
    # Interrupted after three portions, it goes on.
    assert list(itertools.islice(resume_repricing(engine), 3)) == [2, 2, 1]
    assert money(engine) == [(0.5, 0)] * 5
    assert sum(resume_repricing(engine)) == 1
    assert list(resume_repricing(engine)) == []
    roll_up(engine)
    with Session(engine) as session:
        (item,) = cost_by_group(session, Scope(repos=("acme/web",)), DAY, CostGroupBy.RUNNER).items
    assert (item.cost_usd, item.unpriced_minutes) == (pytest.approx(2.5), 0)


def test_another_change_on_the_way_begins_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_writes, "_RUNS_AT_ONCE", 2)
    fill(engine)
    adopt(engine, PriceList(groups={"default": 1.0}))
    next(resume_repricing(engine))
    adopt(engine, PriceList(names={"DEPOT-?": 0.1}))
    assert sum(resume_repricing(engine)) == 6
    assert money(engine) == [(0.2, 0)] * 5
    assert adopt(engine, EMPTY_PRICE_LIST)
    assert sum(resume_repricing(engine)) == 6
    assert money(engine) == [(0, 2)] * 5


def test_without_a_file_nothing_is_recomputed(engine: Engine) -> None:
    fill(engine, 1)
    assert not adopt(engine, EMPTY_PRICE_LIST)
    assert list(resume_repricing(engine)) == []
    with Session(engine) as session:
        assert session.get_one(Heartbeat, PRICES_HEARTBEAT).detail["after"] is None


def test_runs_that_an_older_version_stored_are_brought_up_to_date(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, conclusion="cancelled"), run(2))
    nobody = {"runner": None, "steps": (), "conclusion": "cancelled"}
    store_jobs(engine, 1, job(1, start=0, end=10_800, **nobody))
    store_jobs(engine, 2, job(2))
    with write_scope(engine) as session:
        session.execute(update(Job).where(Job.id == 1).values(duration_seconds=10_800.0, queue_seconds=0.0))
        counted = {"compute_seconds": 10_800.0, "wasted_seconds": 10_800.0, "cost_usd": 1.08, "queue_seconds": 0.0}
        session.execute(update(Run).where(Run.id == 1).values(**counted, never_started=0))
    with Session(engine) as session:
        # What is read of its jobs is right before that.
        window = Window(NOON - timedelta(minutes=9), NOON + timedelta(minutes=9))
        (item,) = cost_by_group(session, Scope(), window, CostGroupBy.RUNNER).items
    assert (item.compute_seconds, item.minutes, item.never_started) == (60, 1, 1)
    assert sum(recompute_runs(engine)) == 2
    with Session(engine) as session:
        old, other = session.scalars(select(Run).order_by(Run.id))
        stored = session.get_one(Job, (1, 1))
        assert session.scalars(select(RollupInvalidation.repository_id)).all() == [1]
    assert (old.compute_seconds, old.wasted_seconds, old.cost_usd, old.queue_seconds, old.never_started) == (
        0,
        0,
        0,
        None,
        1,
    )
    assert (stored.duration_seconds, stored.queue_seconds) == (None, None)
    assert (other.compute_seconds, other.cost_usd) == (60, pytest.approx(0.006))


def test_the_command_rebuilds_sums_and_rollups(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(engine, 2)
    with write_scope(engine) as session:
        session.execute(update(Run).values(unpriced_minutes=0, cost_usd=9.0))
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main(["rebuild-rollups"]) == 0
    assert "Recomputed the sums of 3 runs and the roll-ups of 2 repository days" in capsys.readouterr().out
    assert money(engine) == [(0, 2)] * 2
