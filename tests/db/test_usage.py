"""What jobs used, added up; against values worked out by hand."""

from typing import Any

import numpy as np
import pytest

from db.metrics import tiles
from db.metrics.grain import Grain
from db.metrics.usage import (
    SUMS,
    UsedJob,
    busiest_hours,
    most_at_once,
    of_jobs,
    of_stored,
    together,
    waits_by_hour,
    waits_by_label,
)  # fmt: skip

HOUR = 494_000


def used(**more: Any) -> UsedJob:
    values: dict[str, Any] = {
        "created": HOUR * 3600.0, "repository_id": 1, "workflow_id": 5, "run_attempt": 1, "outcome": "success",
        "attempt": 1, "duration_seconds": 61.0, "queue_seconds": 5.0, "labels": '["ubuntu-latest"]',
        "queued": HOUR * 3600.0, "private": True,
    }  # fmt: skip
    return UsedJob(**(values | more))


def sums(*jobs: UsedJob) -> dict[str, float]:
    found = of_jobs(jobs)
    return dict(zip(SUMS, found.sums.sum(axis=0).tolist(), strict=True))


def test_each_job_rounds_up_to_a_minute_and_costs_by_its_runner() -> None:
    found = sums(used(), used(duration_seconds=3.0), used(duration_seconds=None), used(labels='["self-hosted", "gpu"]'))
    assert (found["jobs"], found["minutes"], found["compute"]) == (4, 2 + 1 + 0 + 2, 125)
    assert found["cost"] == pytest.approx(3 * 0.006)
    assert sums(used(private=False))["cost"] == 0


@pytest.mark.parametrize(
    ("outcome", "attempt", "reason"),
    [("failure", 2, "failed"), ("cancelled", 2, "cancelled"), ("failure", 1, "superseded"),
     ("success", 1, "superseded"), ("success", 2, None), ("other", 2, None), ("in_progress", 2, None)],
)  # fmt: skip
def test_what_is_in_vain_has_one_reason(outcome: str, attempt: int, reason: str | None) -> None:
    found = sums(used(outcome=outcome, attempt=attempt, run_attempt=2))
    assert {name: found[name] for name in ("failed", "cancelled", "superseded") if found[name]} == (
        {reason: 61.0} if reason else {}
    )


def test_waits_are_by_label_and_by_the_hour_in_which_the_job_was_queued() -> None:
    later = (HOUR + 3) * 3600.0 + 59
    found = of_jobs([used(queue_seconds=100.0), used(queue_seconds=200.0, queued=later), used(queue_seconds=None),
                     used(labels='["macos-15"]', queue_seconds=0.0)])  # fmt: skip
    ubuntu, macos = waits_by_label(found, ["ubuntu-latest", "macos-15"])
    assert (ubuntu.jobs, ubuntu.p50) == (2, pytest.approx(150, rel=0.01))
    assert (macos.jobs, macos.p50, macos.p95) == (1, 0, 0)
    hours = waits_by_hour(found, ["ubuntu-latest", "macos-15"])[0]
    assert {hour: (wait.jobs, round(wait.p50 or 0, -1)) for hour, wait in enumerate(hours) if wait.jobs} == {
        HOUR % 24: (1, 100), (HOUR + 3) % 24: (1, 200)
    }  # fmt: skip


def test_sums_are_the_same_after_storing_and_at_any_grain() -> None:
    found = of_jobs([used(workflow_id=5 + number % 2, queue_seconds=float(number)) for number in range(50)])
    again = of_stored(found.keys, found.sums.tolist(), found.packed())
    whole = together([again, again]).at(Grain.ALL, [tiles.tile(tiles.DAY, HOUR)] * 2)
    assert [(key.repository_id, key.workflow_id, key.label) for key in whole.keys] == [(0, 0, "ubuntu-latest")]
    assert np.allclose(whole.sums, 2 * found.sums.sum(axis=0))
    (wait,) = waits_by_label(whole, ["ubuntu-latest"])
    assert (wait.jobs, wait.p50) == (100, pytest.approx(24.5, rel=0.01))
    assert again.only({found.keys[0].tile}).keys == found.keys
    assert again.only(set()).keys == []


def test_the_busiest_hour_is_the_latest_of_those_with_most_jobs() -> None:
    tomorrow = HOUR + 24
    jobs = [used(), used(), used(created=tomorrow * 3600.0, queued=tomorrow * 3600.0),
            used(created=tomorrow * 3600.0, queued=tomorrow * 3600.0 + 3599), used(queued=HOUR * 3600.0 + 7200),
            used(labels='["macos-15"]', queue_seconds=None)]  # fmt: skip
    assert busiest_hours(of_jobs(jobs)) == {"ubuntu-latest": tomorrow}
    assert busiest_hours(of_jobs([])) == {}


def test_at_once_counts_what_overlaps_within_the_hour() -> None:
    spans = [(0.0, 50.0), (50.0, 150.0), (60.0, None), (90.0, 95.0), (140.0, 400.0)]
    assert most_at_once(spans, 0, 100) == 3
    assert most_at_once(spans, 96, 100) == 2
    assert most_at_once(spans, 0, 55) == 1
    assert most_at_once([], 0, 100) == 0
