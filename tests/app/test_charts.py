"""The contents of charts, which are plain dicts. Their appearance is tested in a browser."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from app import frames
from app.charts import heatmap, timeline, trends, workflow
from app.frames import job_timeline
from app.status_style import OTHER, outcome_colour
from db.definitions.scope import Window
from db.enums import Interval
from db.runs.job_queries import JobRow
from health.metrics.capacity import QueueCell
from health.metrics.cost import CostPoint
from health.metrics.definitions.failure_counts import FailureCounts
from health.metrics.definitions.formulas import Metrics
from health.metrics.service import HourCell, Point
from health.metrics.workflows import BranchPoint, BranchSeries
from tests.figures import fact, figures

START = datetime(2026, 11, 2, tzinfo=UTC)
SINCE, UNTIL = "2026-11-02T00:00:00+00:00", "2026-11-05T00:00:00+00:00"


def _metrics(success: int, failure: int, durations: list[float]) -> Metrics:
    outcomes = ["success"] * success + ["failure"] * failure
    known = [*durations, *[None] * (len(outcomes) - len(durations))]
    return figures([fact(each, duration_seconds=seconds) for each, seconds in zip(outcomes, known, strict=True)])


def _points(*, unfinished: bool = False) -> list[Point]:
    return [
        Point(START, False, _metrics(9, 1, [60.0, 120.0])),
        Point(START + timedelta(days=1), False, _metrics(0, 0, [])),
        Point(START + timedelta(days=2), unfinished, _metrics(3, 1, [300.0])),
    ]


def test_day_without_runs_is_a_gap() -> None:
    figure = trends.success_rate(frames.series(_points()), SINCE, UNTIL)
    assert figure["data"][0]["y"] == [0.9, None, 0.75]
    assert figure["data"][0]["connectgaps"] is False


def test_the_hover_shows_the_written_rate() -> None:
    figure = trends.success_rate(frames.series(_points()), SINCE, UNTIL)
    assert figure["data"][0]["customdata"][0] == ["90.0%", 10]


def test_the_rate_without_infrastructure_failures_is_a_line_of_its_own() -> None:
    runs = [fact("success")] * 6 + [fact("failure")] * 4
    points = [Point(START, False, figures(runs, failures=FailureCounts(2))), *_points()[1:]]
    remaining, rate = trends.success_rate(frames.series(points), SINCE, UNTIL)["data"]
    assert (remaining["name"], remaining["y"]) == ("without infrastructure failures", [0.75, None, None])
    assert remaining["customdata"][0] == ["75.0%", 2]
    assert (rate["name"], rate["y"]) == ("success rate", [0.6, None, 0.75])
    assert remaining["line"]["color"] != rate["line"]["color"]
    without = [Point(START, False, figures(runs, failures=FailureCounts(0))), *_points()[1:]]
    assert [trace["name"] for trace in trends.success_rate(frames.series(without), SINCE, UNTIL)["data"]] == [
        rate["name"]
    ]


def test_current_bucket_is_drawn_and_marked() -> None:
    figure = trends.outcomes(frames.series(_points(unfinished=True)), SINCE, UNTIL)
    whole, running = (trace for trace in figure["data"] if trace["name"] == "Success")
    assert (whole["y"], running["y"]) == ([9, 0], [3])
    assert "pattern" not in whole["marker"]
    assert running["marker"]["pattern"]["shape"] == "/"
    assert (running["text"], running["showlegend"]) == ([" · so far"], False)
    assert "so far" in [trace["name"] for trace in figure["data"]]


def test_bars_add_up_to_all_runs_including_unfinished_ones() -> None:
    outcomes = ["success"] * 4 + ["failure"] * 2 + ["cancelled", "skipped", "other", "in_progress"]
    points = [replace(each, metrics=figures([fact(name) for name in outcomes])) for each in _points(unfinished=True)]
    points[0] = replace(points[0], partial=True)
    drawn = trends.outcomes(frames.series(points), SINCE, UNTIL)["data"]
    assert sum(value or 0 for trace in drawn for value in trace["y"]) == 3 * len(outcomes)


def test_line_to_the_current_bucket_is_dashed() -> None:
    points = [*_points(), Point(START + timedelta(days=3), True, _metrics(1, 1, [30.0]))]
    whole, dashed, circle, entry = trends.success_rate(frames.series(points), SINCE, UNTIL)["data"]
    assert whole["y"] == [0.9, None, 0.75, None]
    assert (dashed["y"], dashed["line"]["dash"]) == ([0.75, 0.5, None], "dash")
    assert (circle["y"], circle["text"], circle["name"]) == ([0.5], [" · so far"], "so far")
    assert (entry["name"], entry["y"]) == ("so far", [None])
    assert whole["legendgroup"] == dashed["legendgroup"] == circle["legendgroup"] == "success rate"
    traces = trends.durations(frames.series(points), SINCE, UNTIL)["data"]
    assert [trace["y"] for trace in traces if trace.get("name") == "so far"] == [[30.0], [30.0], [None]]
    assert sum(bool(trace.get("showlegend")) for trace in traces if trace.get("name") == "so far") == 1


def test_bucket_at_the_start_of_the_window_is_not_the_current_one() -> None:
    since, now = START + timedelta(hours=10, minutes=19), START + timedelta(days=2, hours=3)
    points = _points(unfinished=True)
    points[0] = replace(points[0], partial=True)
    frame = frames.series(points, window=Window(since, now), now=now)
    assert list(frame["note"]) == ["from 02 Nov 10:19", "", "so far"]
    assert frames.bucket_text(Interval.DAY, frame) == "per day · hatched: so far or partial"
    over = frames.series(points, window=Window(since, now), now=now + timedelta(days=9))
    assert list(over["note"]) == ["from 02 Nov 10:19", "", "until 04 Nov 03:00"]


def test_compute_minutes_include_the_current_bucket() -> None:
    points = [
        CostPoint(START, False, 600.0, 60.0, 0.0, 1.0),
        CostPoint(START + timedelta(days=1), True, 1200.0, 0.0, 0.0, 2.0),
    ]
    whole, running = trends.compute_minutes(frames.spending(points), SINCE, UNTIL)["data"][:2]
    assert (whole["y"], running["y"]) == ([9.0], [20.0])
    assert (running["text"], running["name"]) == ([" · so far"], "Used")


@pytest.mark.parametrize(("seconds", "ticks"), [(600.0, ","), (60.0 * 150_000, "~s")])
def test_labels_of_compute_minutes_fit_beside_the_chart(seconds: float, ticks: str) -> None:
    chart = trends.compute_minutes(frames.spending([CostPoint(START, False, seconds, 0.0, 0.0, 1.0)]), SINCE, UNTIL)
    assert chart["layout"]["yaxis"]["tickformat"] == ticks


def test_a_branch_has_no_line_across_days_without_runs() -> None:
    days = [START + timedelta(days=number) for number in range(4)]
    rates = [1.0, None, None, 0.5]
    points = [
        BranchPoint(day, 0 if rate is None else 2, rate, rate and 60.0) for day, rate in zip(days, rates, strict=True)
    ]
    now = days[3] + timedelta(hours=5)
    frame = frames.by_branch([BranchSeries("main", True, 4, 0.75, points)], Window(START, now), now)
    whole, dashed, circle, _ = workflow.rates(frame, SINCE, UNTIL)["data"]
    assert (whole["y"], whole["connectgaps"]) == ([1.0, None, None, None], False)
    assert dashed["y"] == []
    assert (circle["y"], circle["text"]) == ([0.5], [" · so far"])


@pytest.mark.parametrize("draw", [trends.success_rate, trends.durations, trends.outcomes])
def test_empty_chart_shows_a_message_instead_of_axes(draw: Callable[..., dict[str, Any]]) -> None:
    figure = draw(frames.series([Point(START, False, _metrics(0, 0, []))]), SINCE, UNTIL)
    assert not figure["data"]
    assert figure["layout"]["xaxis"]["visible"] is figure["layout"]["yaxis"]["visible"] is False
    assert "period" in figure["layout"]["annotations"][0]["text"]


def test_no_target_line_is_drawn() -> None:
    assert not trends.success_rate(frames.series(_points()), SINCE, UNTIL)["layout"]["shapes"]


def test_axis_range_is_constant_within_an_hour() -> None:
    until = START + timedelta(hours=9, minutes=7)
    first = frames.axis(Window(until - timedelta(days=30), until))
    later = until + timedelta(minutes=40)
    assert first == frames.axis(Window(later - timedelta(days=30), later))
    assert first[1] == "2026-11-02T10:00:00"


def test_the_axis_has_room_for_the_whole_first_bar() -> None:
    days = Window(START, START + timedelta(days=3))
    assert frames.axis(days, interval=Interval.DAY) == ("2026-11-01T12:00:00", "2026-11-05T01:00:00")


def test_axis_has_room_for_partial_bars_at_both_ends() -> None:
    weeks = Window(START - timedelta(days=4, hours=-2), START + timedelta(minutes=20))
    assert frames.axis(weeks, interval=Interval.WEEK) == ("2026-10-22T12:00:00", "2026-11-05T12:00:00")


def test_the_axis_is_the_window_of_the_filter() -> None:
    for draw in (trends.success_rate, trends.outcomes):
        assert draw(frames.series(_points()), SINCE, UNTIL)["layout"]["xaxis"]["range"] == [SINCE, UNTIL]


def test_the_95th_percentile_is_dotted_and_the_median_solid() -> None:
    traces = trends.durations(frames.series(_points()), SINCE, UNTIL)["data"]
    dashes = {trace["name"]: trace["line"]["dash"] for trace in traces}
    assert dashes == {"p95": "dot", "median": "solid"}


def test_duration_ticks_are_few_and_round() -> None:
    axis = trends.durations(frames.series(_points()), SINCE, UNTIL)["layout"]["yaxis"]
    assert len(axis["tickvals"]) <= 6
    assert axis["ticktext"][0] == "0s"


def test_outcomes_that_do_not_occur_have_no_entry() -> None:
    names = [trace["name"] for trace in trends.outcomes(frames.series(_points()), SINCE, UNTIL)["data"]]
    assert names == ["Success", "Failed"]


def test_a_rate_of_few_runs_is_not_drawn() -> None:
    cells = [HourCell(0, 3, 4, 4, 1.0), HourCell(6, 23, 5, 1, 0.2)]
    figure = heatmap.failure_rate(frames.heatmap(cells))
    assert figure["data"][0]["z"][0][3] is None
    assert figure["data"][0]["z"][6][23] == 0.2


def test_timeline_names_are_escaped_and_distinct() -> None:
    rows = [["<b>x</b>", 0.0, 5.0, 65.0, "success", "1m 00s", "<b>x</b> · <i>", True, "log?job_id=1"]] * 2
    columns = ["name", "queue_start", "start", "end", "outcome", "written", "hover", "critical", "address"]
    bars = timeline.timeline(pd.DataFrame(rows, columns=columns))["data"][1]
    assert all(name.startswith("&lt;b&gt;x&lt;/b&gt;") for name in bars["y"])
    assert len(set(bars["y"])) == 2
    assert bars["customdata"][0] == ["log?job_id=1", "&lt;b&gt;x&lt;/b&gt; · &lt;i&gt;"]


def test_names_in_the_timeline_do_not_grow_with_the_number_of_jobs() -> None:
    rows = [["same name", 0.0, 5.0, 65.0, "success", "1m 00s", "", False, ""]] * 3000
    columns = ["name", "queue_start", "start", "end", "outcome", "written", "hover", "critical", "address"]
    names = timeline.timeline(pd.DataFrame(rows, columns=columns))["data"][1]["y"]
    assert len(set(names)) == 3000
    assert max(map(len, names)) <= len("same name") + 12


def test_timeline_of_many_jobs_draws_failed_then_longest_jobs() -> None:
    jobs = [_job_row(number, 10.0 + number % 50) for number in range(200)]
    jobs[3], jobs[150] = _job_row(3, 1.0, conclusion="failure"), _job_row(150, 2.0, conclusion="timed_out")
    drawn = frames.timeline(jobs, START, START, 6)
    numbers = [int(name.removeprefix("job ")) for name in drawn["name"]]
    assert numbers == sorted(numbers)
    assert {"job 3", "job 150"} <= set(drawn["name"])
    assert len(drawn) == 6
    assert sorted(drawn["end"])[2:] == [64.0] * 4
    assert len(frames.timeline(jobs, START, START)) == 200


def _job_row(job_id: int, seconds: float | None, **changed: Any) -> JobRow:
    values: dict[str, Any] = {
        "id": job_id, "attempt": 1, "name": f"job {job_id}", "status": "completed", "conclusion": "success",
        "created_at": START, "started_at": START + timedelta(seconds=5),
        "completed_at": None if seconds is None else START + timedelta(seconds=5 + seconds),
        "duration_seconds": seconds, "queue_seconds": 5.0, "runner": None, "runner_group": None, "labels": [],
        "copied": False, "phantom": False, "has_started": True, "steps": [], "html_url": None,
    }  # fmt: skip
    return JobRow(**(values | changed))


def test_job_with_unknown_end_is_not_drawn_as_running() -> None:
    step = {"number": 1, "name": "Wait", "status": "in_progress", "started_at": None, "completed_at": None}
    orphan = _job_row(2, None, status="in_progress", conclusion=None, end_unknown=True, steps=[step])
    queued = _job_row(3, None, status="queued", conclusion=None, end_unknown=True)
    frame = job_timeline.timeline([_job_row(1, 300.0), orphan, queued], START, START + timedelta(days=3))
    assert list(frame["written"]) == ["5m 00s", "end unknown", "end unknown"]
    assert list(frame["outcome"]) == ["success", "end_unknown", "end_unknown"]
    assert "? End unknown" in frame["hover"][1]
    figure = timeline.timeline(frame)
    assert figure["data"][1]["x"] == [300.0, 0.4, 0]
    assert figure["layout"]["xaxis"]["range"][1] < 400
    assert [span.state for span in job_timeline.steps(orphan, orphan.steps)] == ["end_unknown"]


def test_every_figure_is_plain_json_without_a_network_reference() -> None:
    series = frames.series(_points())
    figures = [
        trends.success_rate(series, SINCE, UNTIL),
        trends.durations(series, SINCE, UNTIL, dark=True),
        trends.outcomes(series, SINCE, UNTIL),
        heatmap.failure_rate(frames.heatmap([HourCell(1, 1, 9, 3, 1 / 3)]), dark=True),
    ]
    for figure in figures:
        written = json.dumps(figure)
        assert "http" not in written
        assert figure["layout"]["xaxis"]["title"]["text"] == ""


def test_failure_and_success_have_different_colours() -> None:
    assert outcome_colour("failure") != outcome_colour("success") != outcome_colour("cancelled")
    assert outcome_colour("something new") == OTHER


def test_a_skipped_step_has_no_length() -> None:
    """GitHub returns times for skipped steps as well."""
    times = {"started_at": "2026-11-18T10:00:00Z", "completed_at": "2026-11-18T10:00:05Z", "status": "completed"}
    listed = [{"name": "test", "conclusion": "failure", **times}, {"name": "upload", "conclusion": "skipped", **times}]
    spans = job_timeline.steps(_job_row(1, None), listed)
    assert [span.duration for span in spans] == ["5.0s", "–"]
    assert [span.width for span in spans] == [100.0, 0.0]


def test_the_scale_of_shares_begins_at_zero_even_for_a_single_cell() -> None:
    (trace,) = heatmap.failure_rate(frames.heatmap([HourCell(1, 1, 8, 2, 0.25)]))["data"]
    assert (trace["zmin"], trace["zmax"]) == (0, 0.25)
    (trace,) = heatmap.failure_rate(frames.heatmap([HourCell(1, 1, 8, 0, 0.0)]))["data"]
    assert (trace["zmin"], trace["zmax"]) == (0, 1.0)


def test_the_legend_shortens_long_names_of_branches() -> None:
    points, now = [BranchPoint(START, 2, 0.5, 60.0)], START + timedelta(days=2)
    names = "b" * 20, *(f"dependabot/npm_and_yarn/{name}-4.2" for name in ("lodash", "axios", "big/axios"))
    series = [BranchSeries(name, False, 2, 0.5, points) for name in names]
    chart = workflow.rates(frames.by_branch(series, Window(START, now), now), SINCE, UNTIL)
    assert list(dict.fromkeys(trace["name"] for trace in chart["data"] if trace["name"] != "so far")) == [
        "b" * 20,
        "dependabot…odash-4.2",
        "dependabot…axios-4.2",
        "dependab…ios-4.2 (2)",
    ]
    # A click on an entry of the legend hides the lines of its group.
    assert len({trace["legendgroup"] for trace in chart["data"]}) == len(names)


def test_one_long_queue_time_does_not_hide_the_others() -> None:
    hours = [QueueCell("linux", 9, 9, 5.0, 36.0), QueueCell("linux", 10, 9, 5.0, 3600.0)]
    (trace,) = heatmap.queues(frames.queue_cells(hours, ["linux"], 0, "UTC"), ["linux"])["data"]
    short, long = trace["z"][0][9], trace["z"][0][10]
    # A tenth of the colours, not a hundredth; the labels of the scale are at the same places.
    assert short / long == pytest.approx(0.1)
    assert (trace["zmax"], trace["colorbar"]["ticktext"][-1]) == (long, "1h")
    assert trace["colorbar"]["tickvals"][-1] == pytest.approx(long)
