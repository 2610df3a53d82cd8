"""The formulas, against values worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from core import formatting
from db.definitions.attempts import outcome_of
from db.definitions.job_times import JobTimes, is_phantom, mark_copies, queue_seconds, span_seconds
from db.definitions.scope import Window, make_window, parse_time
from db.enums import Interval, Outcome
from health.metrics.definitions.episodes import DecidedRun, episodes
from health.metrics.definitions.formulas import PassCounts, WasteSeconds
from health.metrics.definitions.percentiles import is_small_sample, percentile
from tests.figures import fact, figures

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


def decided(outcome: str, minutes: float = 0) -> DecidedRun:
    created = NOW + timedelta(minutes=minutes)
    return DecidedRun(1, 5, "main", int(minutes), "push", "alice", created, created + timedelta(minutes=1), outcome)


@pytest.mark.parametrize(
    ("status", "conclusion", "expected"),
    [
        ("completed", "success", Outcome.SUCCESS),
        ("completed", "failure", Outcome.FAILURE),
        ("completed", "timed_out", Outcome.FAILURE),
        ("completed", "startup_failure", Outcome.FAILURE),
        ("completed", "cancelled", Outcome.CANCELLED),
        ("completed", "skipped", Outcome.SKIPPED),
        ("completed", "neutral", Outcome.OTHER),
        ("completed", "action_required", Outcome.OTHER),
        ("completed", "invented_in_2031", Outcome.OTHER),
        ("completed", None, Outcome.OTHER),
        ("queued", None, Outcome.IN_PROGRESS),
        ("in_progress", "failure", Outcome.IN_PROGRESS),
    ],
)
def test_an_outcome_follows_from_status_and_conclusion(status: str, conclusion: str | None, expected: Outcome) -> None:
    assert outcome_of(status, conclusion) is expected


def test_percentiles_interpolate_between_the_closest_ranks() -> None:
    sample = [10.0, 20.0, 30.0, 40.0]
    assert percentile(sample, 0.5) == 25.0
    assert percentile(sample, 0.9) == pytest.approx(37.0)
    assert percentile([7.0], 0.95) == 7.0
    assert percentile([], 0.5) is None


def test_rates_count_decided_runs_only_and_are_null_without_any() -> None:
    outcomes = ("success", "success", "failure", "cancelled", "skipped", "other", "in_progress")
    found = figures([fact(outcome) for outcome in outcomes])
    assert found.success_rate == pytest.approx(2 / 3)
    assert found.failure_rate == pytest.approx(1 / 3)
    assert (found.runs.total, found.runs.completed, found.runs.in_progress) == (7, 6, 1)
    nothing = figures([fact("cancelled")])
    assert nothing.success_rate is None
    assert nothing.failure_rate is None


def test_durations_take_decided_runs_only() -> None:
    facts = [fact("success", duration_seconds=10.0), fact("cancelled", duration_seconds=9000.0)]
    assert figures(facts).duration_seconds.mean == 10.0


def test_the_rerun_rate_is_of_completed_runs() -> None:
    facts = [fact("success", attempt=2), fact("failure"), fact("in_progress", attempt=2)]
    assert figures(facts).rerun_rate == 0.5


def test_durations_of_successes_and_of_failures_stand_apart() -> None:
    lengths = [("success", 600.0), ("success", 640.0), ("failure", 20.0), ("failure", 0.0), ("cancelled", 5.0)]
    found = figures([fact(outcome, duration_seconds=seconds) for outcome, seconds in lengths])
    assert (found.success_duration_seconds.p50, found.success_duration_seconds.n) == (620.0, 2)
    assert (found.failure_duration_seconds.mean, found.failure_duration_seconds.n) == (10.0, 2)
    assert found.duration_seconds.n == 4


def test_the_first_attempt_is_that_of_the_run_itself_where_there_is_no_other() -> None:
    facts = [
        fact("success"),
        fact("success", attempt=2, first_outcome="failure"),
        fact("success", attempt=3, first_outcome="success"),
        fact("failure", attempt=2, first_outcome="cancelled"),
        fact("success", attempt=2, first_outcome=None),
        fact("in_progress", attempt=2, first_outcome="failure"),
        fact("cancelled"),
    ]
    found = figures(facts)
    assert found.first_attempts == PassCounts(success=2, decided=4)
    assert found.success_rate_first_attempt == 0.5
    assert found.success_rate == pytest.approx(4 / 5)


def test_an_approval_is_no_rerun() -> None:
    facts = [fact("success", attempt=2, reruns=0), fact("failure", attempt=2, reruns=1), fact("success"),
             fact("in_progress", attempt=2, reruns=1)]  # fmt: skip
    found = figures(facts)
    assert found.rerun_rate == pytest.approx(2 / 3)
    assert found.rerun_rate_without_approvals == pytest.approx(1 / 3)


def test_flaky_runs_are_a_share_of_those_whose_failure_was_run_again() -> None:
    again = {"attempt": 2, "reruns": 1, "failed_then_rerun": True}
    facts = [fact("success", flaky=True, **again), fact("failure", **again), fact("failure", **again), fact("failure")]
    assert figures(facts).flaky_rate_per_rerun == pytest.approx(1 / 3)
    assert figures([fact("failure")]).flaky_rate_per_rerun is None
    # Stored by a version that did not count re-runs.
    assert figures([fact("success", attempt=2, flaky=True)]).flaky_rate_per_rerun is None


def test_waste_is_told_by_its_reasons() -> None:
    facts = [
        fact("success", wasted_flaky_seconds=30.0, wasted_superseded_seconds=4.0),
        fact("cancelled", wasted_cancelled_seconds=7.5, never_started=3),
        fact("failure", defect_seconds=90.0, unpriced_minutes=12),
    ]
    found = figures(facts)
    assert found.waste == WasteSeconds(30.0, 7.5, 4.0, 90.0, 3)
    assert found.cost_unknown_minutes == 12


@pytest.mark.parametrize(("n", "small"), [(0, True), (19, True), (20, False), (None, True)])
def test_percentiles_of_fewer_than_twenty_are_marked(n: int | None, small: bool) -> None:
    assert is_small_sample(n) is small


def test_the_interval_of_a_median_is_between_order_statistics() -> None:
    """Of 100 values, about the 40th and the 61st, as in tables of nonparametric intervals of the median."""
    facts = [fact("success", duration_seconds=float(value)) for value in range(1, 101)]
    low, high = figures(facts).success_duration_seconds.p50_interval or (0.0, 0.0)
    assert (low, high) == (pytest.approx(40.8, abs=0.1), pytest.approx(60.2, abs=0.1))
    few = figures(facts[:3]).success_duration_seconds
    assert (few.p50, few.p50_interval, few.p95_interval) == (2.0, None, None)


def test_recovery_runs_from_the_first_failure_to_the_next_success() -> None:
    runs = [decided("success"), decided("failure", 10), decided("failure", 20), decided("success", 40),
            decided("failure", 60)]  # fmt: skip
    found = figures([], [each.seconds for each in episodes(runs, frozenset())]).recovery_seconds
    assert found.mean == 30 * 60
    assert found.open == 1


def test_an_episode_that_began_before_the_window_is_not_counted_again() -> None:
    runs = [decided("failure", 10), decided("success", 20)]
    assert episodes(runs, frozenset({(1, 5, "main")})) == []


def test_spans_that_cannot_be_are_unknown() -> None:
    assert span_seconds(NOW, NOW - timedelta(seconds=1)) == 0.0
    assert span_seconds(NOW, NOW - timedelta(days=22)) is None
    assert span_seconds(NOW, NOW + timedelta(days=400)) is None
    assert span_seconds(None, NOW) is None


def test_the_queue_is_the_earliest_start_of_a_job_and_never_negative() -> None:
    starts = [NOW + timedelta(seconds=40), NOW + timedelta(seconds=9)]
    assert queue_seconds(NOW, starts) == 9.0
    assert queue_seconds(NOW, [NOW - timedelta(seconds=1)]) == 0.0
    assert queue_seconds(NOW, []) is None


def times(attempt: int, start: float, **changed: object) -> JobTimes:
    values = {
        "attempt": attempt, "name": "build", "started_at": NOW + timedelta(seconds=start),
        "completed_at": NOW + timedelta(seconds=start + 60), "has_runner": True, "labels": ("x",), "step_count": 3,
    }  # fmt: skip
    return JobTimes(**(values | changed))  # type: ignore[arg-type]


def test_a_copy_has_the_name_and_times_of_a_job_of_an_earlier_attempt() -> None:
    assert mark_copies([times(1, 0), times(2, 0), times(2, 500), times(2, 0, name="other")]) == [
        False,
        True,
        False,
        False,
    ]


def test_a_phantom_has_no_runner_labels_steps_or_length() -> None:
    nowhere = times(1, 0, has_runner=False, labels=(), step_count=0, completed_at=NOW)
    assert is_phantom(nowhere)
    assert not is_phantom(times(1, 0, has_runner=False, labels=("x",), step_count=0, completed_at=NOW))
    assert not is_phantom(times(1, 0))
    assert not is_phantom(times(1, 0, has_runner=False, labels=(), step_count=0))


JOB_PAGE, CHECK_RUN_PAGE = "https://github.com/acme/web/actions/runs/77/job/4", "https://github.com/acme/web/runs/4"


@pytest.mark.parametrize(
    ("page", "changed", "expected"),
    [
        # A matrix that could not be evaluated, and a group of runners that refused.
        (JOB_PAGE, {}, False),
        ("https://git.example.com/acme/web/actions/runs/77/jobs/4?pr=3", {}, False),
        ("https://github.com/acme/actions/actions/runs/77/attempts/2/job/4#step:1:1", {}, False),
        (CHECK_RUN_PAGE, {}, True),
        ("https://github.com/acme/actions/runs/4", {}, True),
        ("https://git.example.com:8443/acme/web/runs/4?check_suite_focus=true", {}, True),
        (CHECK_RUN_PAGE, {"completed_at": NOW + timedelta(minutes=35)}, True),
        (CHECK_RUN_PAGE, {"completed_at": None, "completed": False}, True),
        (CHECK_RUN_PAGE, {"skipped": True}, True),
        # Jobs of servers of before 2022.
        (CHECK_RUN_PAGE, {"has_runner": True}, False),
        (CHECK_RUN_PAGE, {"labels": ("ubuntu-18.04",)}, False),
        (CHECK_RUN_PAGE, {"step_count": 2}, False),
        # The address says nothing.
        (None, {}, True),
        ("", {"completed_at": NOW + timedelta(seconds=4)}, False),
        ("https://github.com/acme/web/actions/runs/77", {}, True),
        (None, {"completed": False, "completed_at": None}, False),
        (None, {"skipped": True}, False),
    ],
)
def test_the_page_tells_a_report_from_a_job(page: str | None, changed: dict[str, object], expected: bool) -> None:
    bare = {"has_runner": False, "labels": (), "step_count": 0, "completed_at": NOW}
    assert is_phantom(times(1, 0, html_url=page, **(bare | changed))) is expected


def test_times_are_absolute_or_relative_to_now() -> None:
    assert parse_time("24h", NOW) == NOW - timedelta(hours=24)
    assert parse_time("4w", NOW) == NOW - timedelta(weeks=4)
    assert parse_time("2026-11-01T00:00:00+02:00", NOW) == datetime(2026, 10, 31, 22, tzinfo=UTC)
    assert parse_time("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "30", "-5d", "1e3d", "٣d", "2026-13-01", "9999999d"])
def test_what_is_no_time_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="24h"):
        parse_time(text, NOW)


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59+14:00", "2101-01-01T00:00:00Z", "2007-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_no_run_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="24h"):
        parse_time(text, NOW)
    assert parse_time("2100-12-31T23:59:59Z", NOW).year == 2100
    assert parse_time("99999w", NOW) == parse_time("2008-01-01", NOW)


def test_a_window_must_not_be_empty() -> None:
    with pytest.raises(ValueError, match="before until"):
        make_window("2026-11-18", "2026-11-17", NOW)


def test_buckets_cover_the_window_without_a_gap() -> None:
    window = Window(datetime(2026, 11, 16, 13, tzinfo=UTC), datetime(2026, 11, 18, 1, tzinfo=UTC))
    assert [bucket.day for bucket in window.buckets(Interval.DAY)] == [16, 17, 18]
    assert window.buckets(Interval.WEEK) == [datetime(2026, 11, 16, tzinfo=UTC)]
    assert len(window.buckets(Interval.HOUR)) == 36


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(None, "–"), (1.0, "100.0%"), (0.99999, "99.9%"), (0.0, "0.0%"), (0.00001, "0.1%"), (0.8764, "87.6%")],
)
def test_a_percentage_never_rounds_to_perfect(rate: float | None, expected: str) -> None:
    assert formatting.percent(rate) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0, "0s"), (8.44, "8.4s"), (9.97, "10s"), (59.6, "1m 00s"), (272, "4m 32s"), (3599.6, "1h 00m"),
     (8000, "2h 13m"), (200000, "2d 8h")],
)  # fmt: skip
def test_a_duration_is_written_with_two_units_at_most(seconds: float | None, expected: str) -> None:
    assert formatting.duration(seconds) == expected
