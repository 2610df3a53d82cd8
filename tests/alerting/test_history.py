"""Replays over made-up pasts, with the times at which each opens and closes."""

from typing import Any

import pytest

from db.enums import RuleKind, RuleScope
from health.alerts.rules.history import BacktestEpisode, HistoricalRun, backtest_episodes
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns

HOUR = 3600.0


def past(number: int, hours: float, outcome: str = "failure", **changed: Any) -> HistoricalRun:
    """It takes six minutes."""
    created = hours * HOUR
    values: dict[str, Any] = {
        "repository_id": 1,
        "workflow_id": 5,
        "branch": "main",
        "outcome": outcome,
        "created_at": created,
        "started_at": created,
        "completed_at": created + 360,
        "duration_seconds": 360.0,
        "queue_seconds": 5.0,
        "flaky": False,
        "id": number,
    }
    return HistoricalRun(**(values | changed))


def spans(found: list[BacktestEpisode]) -> list[tuple[float, float | None]]:
    """In hours, the six minutes of a run taken off."""
    return [(each.opened_at / HOUR - 0.1, each.resolved_at and each.resolved_at / HOUR - 0.1) for each in found]


def test_failures_in_a_row_open_with_the_third_and_close_with_a_success() -> None:
    runs = [past(n, n) for n in range(1, 6)] + [past(6, 6, "cancelled"), past(7, 7, "success"), past(8, 8)]
    (found,) = backtest_episodes(Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3), runs, 0, 100 * HOUR)
    assert spans([found])[0] == pytest.approx((3, 7))
    assert (found.key, found.run_id, found.value) == ((1, 5, ""), 3, 3)


def test_the_order_of_creation_counts_not_that_of_ending() -> None:
    """A failure that ends after a later run passed is none of a row."""
    late = past(2, 2, completed_at=9 * HOUR)
    runs = [past(1, 1), late, past(3, 3, "success"), past(4, 4), past(5, 5)]
    assert backtest_episodes(Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3), runs, 0, 100 * HOUR) == []


def test_workflows_and_named_branches_stand_by_themselves() -> None:
    runs = [past(n, n, workflow_id=5 + n % 2) for n in range(1, 5)]
    row = Rule("row", RuleKind.CONSECUTIVE_FAILURES, 2)
    assert {each.key for each in backtest_episodes(row, runs, 0, 100 * HOUR)} == {(1, 5, ""), (1, 6, "")}
    runs = [past(n, n, branch="ab"[n % 2]) for n in range(1, 5)]
    own = Rule("row", RuleKind.CONSECUTIVE_FAILURES, 2, scope=Patterns(branches=("*",)))
    assert {each.key for each in backtest_episodes(own, runs, 0, 100 * HOUR)} == {(1, 5, "a"), (1, 5, "b")}


def test_a_rate_closes_when_its_failures_leave_the_window() -> None:
    rule = Rule("rate", RuleKind.FAILURE_RATE, 0.5, per=RuleScope.REPOSITORY)
    runs = [past(n, n, workflow_id=n) for n in range(1, 6)] + [past(9, 40, "success")]
    (found,) = backtest_episodes(rule, runs, 0, 100 * HOUR)
    assert found.opened_at == pytest.approx(5.1 * HOUR)
    # The last failure was created at 5 h: a day later none is left.
    assert found.resolved_at == pytest.approx(29 * HOUR)


def test_a_burn_needs_both_windows() -> None:
    rule = Rule("burn", RuleKind.ERROR_BUDGET, 5, window_seconds=12 * HOUR, minimum=2, objective=0.9)
    old = [past(1, 1), past(2, 1.2)]
    assert len(backtest_episodes(rule, old, 0, 100 * HOUR)) == 1
    # The second failure ends when the first is out of the last hour, and it alone is in it.
    assert spans(backtest_episodes(rule, [past(1, 1), past(2, 8)], 0, 100 * HOUR))[0][0] == pytest.approx(8)
    mended = [past(1, 1), past(2, 1.2), past(3, 1.4, "success"), past(4, 1.5, "success"), past(5, 1.6, "success")]
    (found,) = backtest_episodes(rule, [*mended, past(6, 1.7, "success")], 0, 100 * HOUR)
    assert found.resolved_at == pytest.approx(1.8 * HOUR)


def test_flaky_runs_and_waits() -> None:
    flaky = Rule("flaky", RuleKind.FLAKY_RATE, 0.3)
    runs = [past(n, n, "success", flaky=n % 3 == 0) for n in range(1, 12)]
    assert spans(backtest_episodes(flaky, runs, 0, 100 * HOUR)) == [(pytest.approx(9), None)]
    queue = Rule("queue", RuleKind.QUEUE_TIME, 600, minimum=2)
    runs = [
        past(1, 1, "success"),
        past(2, 1.1, "success", queue_seconds=900.0),
        past(3, 1.2, "success", queue_seconds=900.0),
    ]
    (found,) = backtest_episodes(queue, runs, 0, 100 * HOUR)
    # One long wait of two is a machine that was started; of three, two are long.
    assert (found.opened_at, found.resolved_at) == pytest.approx((1.3 * HOUR, 2.2 * HOUR))


def test_the_label_whose_jobs_wait_opens_an_alert_of_waits_though_others_do_not() -> None:
    rule = Rule("queue", RuleKind.QUEUE_TIME, 600)
    linux = [past(n, n / 100, "success", label="ubuntu-latest", queue_seconds=3.0) for n in range(1, 60)]
    cold = [past(100, 0.3, "success", label="macos-14", queue_seconds=900.0)]
    cold += [past(100 + n, 0.3 + n / 100, "success", label="macos-14", queue_seconds=30.0) for n in range(1, 9)]
    assert backtest_episodes(rule, linux + cold, 0, 100 * HOUR) == []
    scarce = [past(200 + n, 0.3 + n / 100, "success", label="macos-14", queue_seconds=900.0) for n in range(1, 9)]
    assert len(backtest_episodes(rule, linux + scarce, 0, 100 * HOUR)) == 1


def test_a_stuck_run_is_late_from_its_time_on_until_it_ends() -> None:
    rule = Rule("stuck", RuleKind.STUCK_RUN, 2 * HOUR)
    runs = [past(1, 1, completed_at=5 * HOUR), past(2, 2), past(3, 2.5, "in_progress", completed_at=None)]
    found = backtest_episodes(rule, runs, 0, 100 * HOUR)
    assert [(each.opened_at / HOUR, each.resolved_at) for each in found] == [(3, None)]
    assert [(each.opened_at, each.resolved_at) for each in backtest_episodes(rule, runs[:2], 0, 100 * HOUR)] == [
        (3 * HOUR, 5 * HOUR)
    ]


def test_what_opened_before_counts_only_while_it_goes_on() -> None:
    runs = [past(n, n) for n in range(1, 4)] + [past(4, 10, "success")]
    rule = Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3)
    assert len(backtest_episodes(rule, runs, 5 * HOUR, 100 * HOUR)) == 1
    assert backtest_episodes(rule, runs, 11 * HOUR, 100 * HOUR) == []


def test_a_success_rate_that_fell_is_seen_within_days_and_over_when_clearly_better() -> None:
    rule = Rule("worse", RuleKind.SUCCESS_REGRESSION, 0.05)
    good = [past(n, 6 * n, "success") for n in range(160)]
    bad = [past(1000 + n, 960 + 6 * n, "failure" if n % 2 else "success") for n in range(28)]
    mended = [past(2000 + n, 960 + 168 + 6 * n, "success") for n in range(60)]
    (found,) = backtest_episodes(rule, good + bad + mended, 0, 62 * 24 * HOUR)
    assert 41 <= found.opened_at / 24 / HOUR <= 43
    assert found.resolved_at is not None
    assert 47 <= found.resolved_at / 24 / HOUR <= 54
    assert backtest_episodes(rule, [*good, past(1000, 960)], 0, 62 * 24 * HOUR) == []


def test_a_duration_that_stepped_up_is_seen_and_one_slow_day_is_not() -> None:
    rule = Rule("slower", RuleKind.DURATION_REGRESSION, 0.2)
    quick = [past(n, 6 * n, "success", duration_seconds=300.0 + n % 7) for n in range(100)]
    slow = [past(1000 + n, 600 + 6 * n, "success", duration_seconds=600.0 + n % 7) for n in range(40)]
    (found,) = backtest_episodes(rule, quick + slow, 0, 36 * 24 * HOUR)
    assert 27 <= found.opened_at / 24 / HOUR <= 30
    assert found.value == pytest.approx(1.0, abs=0.1)
    day = [past(1000 + n, 600 + 6 * n, "success", duration_seconds=600.0) for n in range(4)]
    after = [past(2000 + n, 624 + 6 * n, "success", duration_seconds=300.0 + n % 7) for n in range(40)]
    assert backtest_episodes(rule, quick + day + after, 0, 36 * 24 * HOUR) == []
