"""What jobs used, added up; against values worked out by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from db.definitions import time_buckets
from db.definitions.attempts import AttemptState, outcome_of, waste_reasons
from db.definitions.prices import Pricing
from db.enums import RollupLevel
from health.metrics.definitions.usage import (  # fmt: skip
    SUMS,
    UsageTable,
    UsedJob,
    WasteReasons,
    busiest_hours,
    concat,
    from_jobs,
    from_rows,
    peak_concurrency,
    waits_by_hour,
    waits_by_label,
)

HOUR = 494_000


def used(**more: Any) -> UsedJob:
    values: dict[str, Any] = {
        "created": HOUR * 3600.0, "repository_id": 1, "workflow_id": 5, "run_id": 100, "run_attempt": 1,
        "outcome": "success", "attempt": 1, "never_started": False, "duration_seconds": 61.0, "wait_seconds": 5.0,
        "labels": '["ubuntu-latest"]', "runner": "GitHub Actions 8", "runner_group": "GitHub Actions",
        "queued": HOUR * 3600.0, "billed": True,
    }  # fmt: skip
    return UsedJob(**(values | more))


def never(**more: Any) -> UsedJob:
    """Cancelled after three hours in the queue."""
    values: dict[str, Any] = {
        "never_started": True, "outcome": "cancelled", "duration_seconds": None, "wait_seconds": 10_800.0,
        "runner": None, "runner_group": None,
    }  # fmt: skip
    return used(**(values | more))


def usage_of(jobs: Sequence[UsedJob], reasons: WasteReasons | None = None) -> UsageTable:
    return from_jobs(jobs, reasons or {}, Pricing())


def sums(*jobs: UsedJob, reasons: WasteReasons | None = None) -> dict[str, float]:
    found = usage_of(jobs, reasons)
    return dict(zip(SUMS, found.sums.sum(axis=0).tolist(), strict=True))


def test_each_job_rounds_up_to_a_minute_and_costs_by_its_runner() -> None:
    own = used(labels='["self-hosted", "gpu"]', runner="box-1", runner_group="Default")
    found = sums(used(), used(duration_seconds=3.0), used(duration_seconds=None), own)
    assert (found["jobs"], found["minutes"], found["compute"]) == (4, 2 + 1 + 0 + 2, 125)
    assert found["cost"] == pytest.approx(3 * 0.006)
    assert found["unpriced_minutes"] == 0
    assert sums(used(billed=False))["cost"] == 0


def test_minutes_without_a_known_price_stand_beside_the_cost() -> None:
    service = used(labels='["blacksmith-4vcpu-ubuntu-2404"]', runner="blacksmith-1", runner_group="Default")
    found = sums(used(), service)
    assert (found["cost"], found["unpriced_minutes"]) == (pytest.approx(2 * 0.006), 2)


def test_a_job_that_never_started_used_nothing_and_waited_until_it_ended() -> None:
    found = sums(never(), used())
    assert (found["jobs"], found["never_started"], found["minutes"], found["compute"]) == (2, 1, 2, 61)
    assert (found["cancelled"], found["cost"], found["unpriced_minutes"]) == (0, pytest.approx(0.012), 0)
    (wait,) = waits_by_label(usage_of([never()]), ["ubuntu-latest"])
    assert (wait.jobs, wait.p50) == (1, pytest.approx(10_800, rel=0.01))


@pytest.mark.parametrize("seconds", [None, -900.0, 40 * 86_400.0])
def test_an_odd_wait_is_not_known(seconds: float | None) -> None:
    (wait,) = waits_by_label(usage_of([never(wait_seconds=seconds)]), ["ubuntu-latest"])
    assert (wait.jobs, wait.p50) == (0, None)


@pytest.mark.parametrize(
    ("ends", "attempt", "reason"),
    [
        (("failure",), 1, "defect"), (("cancelled",), 1, "cancelled"), (("success",), 1, None), (("neutral",), 1, None),
        (("failure", "success"), 1, "flaky"), (("failure", "success"), 2, None),
        (("failure", "failure"), 1, "defect"), (("failure", "failure"), 2, "defect"),
        (("success", "success"), 1, "superseded"), (("success", "failure"), 1, "superseded"),
        (("success", "failure"), 2, "defect"), (("cancelled", "success"), 1, "cancelled"),
        (("failure", "cancelled", "success"), 1, "flaky"), (("failure", "success", "failure"), 1, "flaky"),
        # It may yet turn out to be flaky.
        (("failure", None), 1, "superseded"),
    ],
)  # fmt: skip
def test_what_served_nothing_has_one_reason(ends: tuple[str | None, ...], attempt: int, reason: str | None) -> None:
    latest = len(ends)
    outcome = outcome_of("completed" if ends[-1] else "in_progress", ends[-1])
    states = [
        AttemptState(number, "completed" if conclusion else "in_progress", conclusion)
        for number, conclusion in enumerate(ends, 1)
    ]
    job = used(attempt=attempt, run_attempt=latest, outcome=str(outcome))
    found = sums(job, reasons={(1, 100): waste_reasons(states, latest)} if latest > 1 else {})
    names = ("flaky", "defect", "cancelled", "superseded")
    assert {name: found[name] for name in names if found[name]} == ({reason: 61.0} if reason else {})
    assert found["failed"] == found["flaky"] + found["defect"]


def test_waits_are_by_label_and_by_the_hour_in_which_the_job_was_queued() -> None:
    later = (HOUR + 3) * 3600.0 + 59
    found = usage_of([used(wait_seconds=100.0), used(wait_seconds=200.0, queued=later), used(wait_seconds=None),
                     used(labels='["macos-15"]', wait_seconds=0.0)])  # fmt: skip
    ubuntu, macos = waits_by_label(found, ["ubuntu-latest", "macos-15"])
    assert (ubuntu.jobs, ubuntu.p50) == (2, pytest.approx(150, rel=0.01))
    assert (macos.jobs, macos.p50, macos.p95) == (1, 0, 0)
    hours = waits_by_hour(found, ["ubuntu-latest", "macos-15"])[0]
    assert {hour: (wait.jobs, round(wait.p50 or 0, -1)) for hour, wait in enumerate(hours) if wait.jobs} == {
        HOUR % 24: (1, 100), (HOUR + 3) % 24: (1, 200)
    }  # fmt: skip


def test_sums_are_the_same_after_storing_and_at_any_grain() -> None:
    found = usage_of([used(workflow_id=5 + number % 2, wait_seconds=float(number)) for number in range(50)])
    again = from_rows(found.keys, found.sums.tolist(), found.packed_waits())
    whole = concat([again, again]).at_level(RollupLevel.ALL, [time_buckets.bucket_id(time_buckets.DAY, HOUR)] * 2)
    assert [(key.repository_id, key.workflow_id, key.label) for key in whole.keys] == [(0, 0, "ubuntu-latest")]
    assert np.allclose(whole.sums, 2 * found.sums.sum(axis=0))
    (wait,) = waits_by_label(whole, ["ubuntu-latest"])
    assert (wait.jobs, wait.p50) == (100, pytest.approx(24.5, rel=0.01))
    assert again.in_buckets({found.keys[0].bucket}).keys == found.keys
    assert again.in_buckets(set()).keys == []


def test_the_busiest_hour_is_the_latest_of_those_with_most_jobs() -> None:
    tomorrow = HOUR + 24
    jobs = [used(), used(), used(created=tomorrow * 3600.0, queued=tomorrow * 3600.0),
            used(created=tomorrow * 3600.0, queued=tomorrow * 3600.0 + 3599), used(queued=HOUR * 3600.0 + 7200),
            used(labels='["macos-15"]', wait_seconds=None)]  # fmt: skip
    assert busiest_hours(usage_of(jobs)) == {"ubuntu-latest": tomorrow}
    assert busiest_hours(usage_of([])) == {}


def test_at_once_counts_what_overlaps_within_the_hour() -> None:
    spans = [(0.0, 50.0), (50.0, 150.0), (60.0, None), (90.0, 95.0), (140.0, 400.0)]
    assert peak_concurrency(spans, 0, 100) == 3
    assert peak_concurrency(spans, 96, 100) == 2
    assert peak_concurrency(spans, 0, 55) == 1
    assert peak_concurrency([], 0, 100) == 0
