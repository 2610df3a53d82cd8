"""The simulation of the detectors runs, and its detectors of the first release are what they were."""

import numpy as np
import pytest

from bench.detectors import first
from bench.detectors.__main__ import main, rows
from health.insights.statistics import DAY, build_sequences


def test_the_table_has_a_row_for_each_detector(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--workflows", "20", "--seeds", "3"])
    printed = capsys.readouterr().out
    for part in (
        "seed 3",
        "false alarms a week",
        "success, stationary",
        "duration, stationary",
        "cold starts",
        "flakes",
    ):
        assert part in printed


def test_the_same_seed_makes_the_same_table() -> None:
    assert list(rows(7, 10, quick=True)) == list(rows(7, 10, quick=True))


def test_the_first_release_named_a_failure_of_the_last_week() -> None:
    """Three weeks after the change it could not know its first run."""
    days = [(day * DAY + hour * 3600.0, day >= 16 and hour % 3 == 0, None) for day in range(37) for hour in range(6)]
    runs = build_sequences([days])
    at = first.first_failure(runs, 37 * DAY)
    assert at is not None
    assert at >= 30 * DAY


def test_the_first_release_lost_a_slowdown_of_busy_workflows_after_160_runs() -> None:
    dice = np.random.default_rng(1)
    seconds = np.where(np.arange(2_220) < 1_000, 300.0, 600.0) * np.exp(0.05 * dice.standard_normal(2_220))
    runs = build_sequences([[(1440.0 * number, False, each) for number, each in enumerate(seconds.tolist())]])
    assert first.detect_slowdowns(runs, 1_060 * 1440.0).tolist() == [True]
    assert first.detect_slowdowns(runs, 37 * DAY).tolist() == [False]
