"""Prices of PRICES_FILE, from the file to the costs of stored runs."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.derived_data import PriceRecalculator
from collector.settings import CollectorSettings
from core.settings import ConfigError
from db.models import Run
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs


def settings(path: Path) -> CollectorSettings:
    return CollectorSettings.load(github_repos="acme/web", prices_file=str(path))


def cost(engine: Engine) -> float:
    with Session(engine) as session:
        return session.scalars(select(Run.cost_usd)).one()


def test_costs_follow_the_file_at_each_start(engine: Engine, tmp_path: Path) -> None:
    add_repository(engine)
    store_runs(engine, run(1))
    store_jobs(engine, 1, job(1, end=185, runner="lab-mini-4", runner_group="Macs", labels=("macos-lab",)))
    assert cost(engine) == 0
    file = tmp_path / "prices.yml"
    for text, usd in (("groups:\n  macs: 0.1\n", 0.3), ("names:\n  lab-*: 0.01\n", 0.03), ("", 0.0)):
        file.write_text(text, encoding="utf-8")
        started = PriceRecalculator(engine, settings(file).prices, lambda: NOON, stop=threading.Event())
        assert started.recompute() == 0  # not before they are adopted
        started.apply_price_list()
        assert started.recompute() == 1
        assert cost(engine) == pytest.approx(usd)
        started.apply_price_list()
        assert started.recompute() == 0


def test_a_stop_leaves_the_rest_for_the_next_start(engine: Engine, tmp_path: Path) -> None:
    add_repository(engine)
    store_runs(engine, run(1))
    file = tmp_path / "prices.yml"
    file.write_text("labels:\n  x: 1\n", encoding="utf-8")
    stop = threading.Event()
    stop.set()
    stopped = PriceRecalculator(engine, settings(file).prices, lambda: NOON, stop=stop)
    stopped.apply_price_list()
    assert stopped.recompute() == 1
    again = PriceRecalculator(engine, settings(file).prices, lambda: NOON, stop=threading.Event())
    again.apply_price_list()
    assert again.recompute(seconds=0) == 0


def test_a_file_of_another_shape_is_told_with_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "prices.yml"
    file.write_text("labels:\n  gpu: free\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"^PRICES_FILE: .*prices\.yml: labels: 'gpu': invalid price 'free'; expected "
    ):
        settings(file)
