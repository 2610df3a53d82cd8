"""What clicks on the marks of charts open, and periods of hours."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from sqlalchemy import func, select

from app import frames
from app.charts import heatmap, timeline, trends, workflow
from app.charts.links import ChartLinks, with_links
from app.filters.days import BadDates, future_note, parse_dates
from app.filters.hours import MAX_PARTS, BadHours, Hours, parse_hours
from app.frames.cost import runner_query
from app.logs.index import LogIndex
from db.definitions.records import RunDetailsRecord
from db.definitions.scope import Window
from db.engine import write_scope
from db.enums import Interval
from db.jobs.job_writes import store_run_details
from db.models import Run
from db.repositories.repository_writes import get_repository
from health.metrics.capacity import QueueCell
from health.metrics.service import HourCell
from tests.app.conftest import Open
from tests.app.reading import charts, everything, html, table
from tests.app.seeding import RERUN, RUNNING, Seeded, job, run, store
from tests.app.test_charts import SINCE, START, UNTIL, _job_row, _points
from tests.builders import roll_up
from tests.figures import fact, figures

NOW = datetime(2026, 11, 30, 10, 19, tzinfo=UTC)


def test_buckets_select_the_part_of_them_that_is_in_the_period() -> None:
    days = frames.buckets(Window(NOW - timedelta(days=3), NOW), Interval.DAY, NOW)
    assert days.at[0] == "2026-11-27T00:00:00"
    assert days.dates == [
        "2026-11-27T10:19..2026-11-28T00:00",
        "2026-11-28..2026-11-28",
        "2026-11-29..2026-11-29",
        "2026-11-30..2026-11-30",
    ]
    hours = frames.buckets(Window(NOW - timedelta(hours=2), NOW), Interval.HOUR, NOW, ZoneInfo("Asia/Tokyo"))
    assert hours.at[-1] == "2026-11-30T19:00:00"
    assert hours.dates[1:] == ["2026-11-30T09:00..2026-11-30T10:00", "2026-11-30T10:00..2026-11-30T11:00"]
    weeks = frames.buckets(Window(NOW - timedelta(days=14), NOW), Interval.WEEK, NOW)
    assert weeks.dates[-2:] == ["2026-11-23..2026-11-29", "2026-11-30..2026-11-30"]
    past = Window(datetime(2026, 11, 3, 4, tzinfo=UTC), datetime(2026, 11, 3, 5, 30, tzinfo=UTC))
    assert frames.buckets(past, Interval.DAY, NOW).dates == ["2026-11-03T04:00..2026-11-03T05:30"]


def _queries(figure: dict[str, Any]) -> dict[str, str]:
    return {trace["name"]: trace["meta"]["query"] for trace in figure["data"] if "meta" in trace}


def test_a_bar_opens_the_runs_with_its_outcome() -> None:
    figure = trends.outcomes(frames.series(_points(unfinished=True)), SINCE, UNTIL)
    assert _queries(figure)["Failed"] == "conclusion=failure&conclusion=timed_out&conclusion=startup_failure"
    points = [replace(point, metrics=figures([fact("in_progress"), fact("other")])) for point in _points()]
    others = _queries(trends.outcomes(frames.series(points), SINCE, UNTIL))
    assert others["Running"] == "status=running&status=queued"
    assert others["Other"] == "outcome=other"
    buckets = frames.buckets(Window(START, START + timedelta(days=3)), Interval.DAY, START + timedelta(days=3))
    linked = with_links(figure, ChartLinks("runs?repo=acme%2Fapi", buckets))
    assert linked["layout"]["meta"]["address"] == "runs?repo=acme%2Fapi"
    assert set(figure["data"][0]["x"]) <= set(linked["layout"]["meta"]["at"])
    assert "meta" not in figure["layout"], "the figure itself is not changed"


def test_a_line_opens_the_runs_of_its_branch() -> None:
    frame = pd.DataFrame(
        [["2026-11-02T00:00:00", "a&b", 1.0, "100%", False, ""],
         ["2026-11-03T00:00:00", "a&b", 0.5, "50%", True, "so far"]],
        columns=["at", "name", "rate", "rate_written", "partial", "note"],
    )  # fmt: skip
    figure = workflow.rates(frame, SINCE, UNTIL)
    assert set(_queries(figure).values()) == {"branch=a%26b"}
    assert [trace["name"] for trace in figure["data"] if "meta" in trace] == ["a&amp;b", "so far"]


def test_a_cell_opens_the_runs_of_its_hours() -> None:
    (cells,) = heatmap.failure_rate(frames.heatmap([HourCell(6, 23, 5, 1, 0.2)], in_utc=True))["data"]
    assert (cells["customdata"][6][23], cells["meta"]["marks"]) == ("hours=Sun-23Z", True)
    queue = frames.queue_cells([QueueCell("linux", 13, 9, 5.0, 60.0)], ["linux"], 2, "Europe/Helsinki")
    (cells,) = heatmap.queues(queue, ["linux"])["data"]
    assert cells["customdata"][0][15] == "hours=13Z&runner=linux"
    assert [runner_query(label) for label in ("a, b", None, "x" * 200)] == [[("runner", "a, b")], [], []]


def test_a_bar_of_the_timeline_opens_the_log_or_the_section_of_a_running_job() -> None:
    jobs = [_job_row(1, 30.0), _job_row(2, None, status="in_progress", conclusion=None)]
    bars = timeline.timeline(frames.timeline(jobs, START, START + timedelta(minutes=1), run_id=7))["data"][1]
    assert [mark[0] for mark in bars["customdata"]] == ["log?run_id=7&attempt=1&job_id=1", "#job-2"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York"])
@pytest.mark.parametrize("month", [3, 10])
def test_the_hours_of_the_week_are_a_partition_of_the_period(zone: str, month: int) -> None:
    since = datetime(2026, month, 20, 3, 17, tzinfo=UTC)
    window, clock = Window(since, since + timedelta(days=20, hours=2)), ZoneInfo(zone)
    parts = []
    for weekday in range(7):
        for hour in range(24):
            inside = Hours(weekday, hour).parts(window, clock)
            middles = [(part.since + part.span / 2).astimezone(clock) for part in inside]
            assert all((middle.weekday(), middle.hour) == (weekday, hour) for middle in middles)
            parts += inside
    parts.sort(key=lambda part: part.since)
    assert (parts[0].since, parts[-1].until) == (window.since, window.until)
    assert all(a.until == b.since for a, b in pairwise(parts))


def test_hours_of_a_long_period_are_its_latest_ones() -> None:
    window = Window(NOW - timedelta(days=3650), NOW)
    parts = Hours(None, 9).parts(window, ZoneInfo("UTC"))
    assert len(parts) == MAX_PARTS
    assert parts[0] == Window(NOW.replace(hour=9, minute=0), NOW.replace(hour=10, minute=0))
    # By which the page knows whether some are omitted.
    exact = Window(NOW - timedelta(days=MAX_PARTS), NOW)
    assert len(Hours(None, 9).parts(exact, ZoneInfo("UTC"), MAX_PARTS + 1)) == MAX_PARTS
    assert len(Hours(None, 9).parts(window, ZoneInfo("UTC"), MAX_PARTS + 1)) == MAX_PARTS + 1


@pytest.mark.parametrize(
    ("text", "hours"), [("Mon-14", Hours(0, 14)), ("sun-0Z", Hours(6, 0, True)), ("7", Hours(None, 7))]
)
def test_hours_are_read_from_the_url(text: str, hours: Hours) -> None:
    assert parse_hours(text) == parse_hours(hours.query_value) == hours


@pytest.mark.parametrize("text", ["Mon-24", "Monday-3", "x", "-3", "Mon-", "٣", "Mon-14-15"])
def test_other_texts_are_no_hours(text: str) -> None:
    with pytest.raises(BadHours, match="is invalid"):
        parse_hours(text)


def test_dates_may_be_times() -> None:
    dates = parse_dates("2026-11-03T10:00..2026-11-03T14:30")
    assert dates.window(NOW) == Window(datetime(2026, 11, 3, 10, tzinfo=UTC), datetime(2026, 11, 3, 14, 30, tzinfo=UTC))
    assert (str(dates), dates.text(ZoneInfo("Asia/Tokyo"))) == ("03 Nov 10:00 – 14:30", "03 Nov 19:00 – 23:30")
    assert (dates.length_text, dates.query_value) == ("270 minutes", "2026-11-03T10:00..2026-11-03T14:30")
    assert parse_dates("2026-11-03T10:00Z..2026-11-04T10:00Z").length_text == "1 day"
    assert parse_dates("2026-11-03T22:00..2026-11-04T02:00").text(UTC) == "03 Nov 22:00 – 04 Nov 02:00"
    assert parse_dates("2026-11-03T00:00..2026-11-05T00:00") == parse_dates("2026-11-03..2026-11-04")
    assert future_note(parse_dates("2026-11-30T10:00..2026-11-30T11:00"), NOW) is None
    assert "in the future" in str(future_note(parse_dates("2026-11-30T11:00..2026-11-30T12:00"), NOW))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-11-03T10:00..2026-11-03", "is invalid"),
        ("2026-11-03T10:00..2026-11-03T10:00", "is empty"),
        ("2026-11-03T10:00..2026-11-03T09:00", "ends before it begins"),
        ("2026-11-03T25:00..2026-11-04T09:00", "a time that does not exist"),
        ("1999-12-31T23:00..2000-01-01T01:00", "is outside of 2000 to 2099"),
    ],
)
def test_invalid_times_are_explained(text: str, why: str) -> None:
    with pytest.raises(BadDates, match=why):
        parse_dates(text)


def _drawn(seeded: Seeded, open_page: Open, key: str, **query: object) -> dict[str, Any]:
    page = open_page(**query)
    spec: dict[str, Any] = json.loads(next(c for c in charts(page) if f"chart-{key}" in c.proto.id).proto.spec)
    return spec


@pytest.mark.parametrize(("period", "repo", "outcome"), [("7d", "acme/api", "Success"), ("24h", "acme/web", "Failed")])
def test_the_runs_of_a_bar_are_as_many_as_it_shows(
    seeded: Seeded, open_page: Open, period: str, repo: str, outcome: str
) -> None:
    """Of a whole bucket, of the first one and of the current one."""
    spec = _drawn(seeded, open_page, "outcomes", period=period, repo=repo)
    meta = spec["layout"]["meta"]
    marks = [
        (trace, at, count)
        for trace in spec["data"]
        for at, count in zip(trace["x"], trace["y"], strict=True)
        if count and trace["name"] == outcome
    ]
    for trace, at, count in (marks[0], marks[1], marks[-1]):
        address = f"{meta['address']}&{trace['meta']['query']}&dates={meta['dates'][meta['at'].index(at)]}"
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(urlsplit(address).query):
            query.setdefault(name, []).append(value)
        assert query["repo"] == [repo]
        page = everything(open_page("runs", **query))
        assert f"{count} in " in page, (address, count)


def test_runs_of_an_hour_of_the_week(seeded: Seeded, open_page: Open) -> None:
    created = seeded.now - timedelta(hours=8 * 5 + 30)
    with seeded.engine.connect() as connection:
        moments = connection.execute(select(Run.created_at).where(Run.created_at >= seeded.now - timedelta(days=30)))
        times = [moment.replace(tzinfo=UTC) for (moment,) in moments]
    expected = sum((moment.weekday(), moment.hour) == (created.weekday(), created.hour) for moment in times)
    page = open_page("runs", hours=Hours(created.weekday(), created.hour).query_value)
    assert f"{expected} in the last 30d, " in everything(page)
    page.button(key="hours-clear").click().run()
    with seeded.engine.connect() as connection:
        total = connection.execute(select(func.count()).select_from(Run)).scalar()
    assert total
    assert "hours" not in page.query_params
    assert f"{expected} in the last 30d, " not in everything(page)


def test_the_bar_of_other_outcomes_opens_exactly_the_runs_that_it_counts(seeded: Seeded, open_page: Open) -> None:
    times = [seeded.now - timedelta(minutes=number) for number in range(1, 6)]
    conclusions = (None, "neutral", "invented by GitHub", "success", "skipped")
    others = [
        run(7_000 + number, times[number], branch="others", conclusion=conclusion)
        for number, conclusion in enumerate(conclusions)
    ]
    store(seeded.engine, 1, *others)
    page = open_page("runs", branch="others", outcome="other")
    assert "3 in the last 30d" in everything(page)
    assert len(table(page, "runs")) == 3
    page.button(key="outcome-clear").click().run()
    assert "outcome" not in page.query_params
    assert len(table(page, "runs")) == 5
    unknown = open_page("runs", branch="others", outcome="nothing")
    assert "outcome=nothing is unknown" in "\n".join(each.value.replace("\\", "") for each in unknown.warning)


def test_runs_of_a_runner(seeded: Seeded, open_page: Open) -> None:
    labels = ("self-hosted", "größe xl", "x64")
    details = RunDetailsRecord(1_005, (), (job(77, "build", seeded.now, labels=labels),), seeded.now)
    with write_scope(seeded.engine) as session:
        store_run_details(session, get_repository(session, 1), [details])
    roll_up(seeded.engine, seeded.now)
    page = open_page("runs", period="90d", runner=", ".join(labels))
    assert [row["Run"].links for row in table(page, "runs")] == [["run?run_id=1005"]]
    assert page.multiselect(key="runner").options == ["ubuntu-latest", ", ".join(labels)]
    assert "No matching runs" in everything(open_page("runs", period="90d", runner="self-hosted"))


def test_invalid_hours_are_reported(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", hours="Mon-99")
    assert "hours=Mon-99 is invalid" in "\n".join(warning.value.replace("\\", "") for warning in page.warning)
    assert "in the last 30d" in everything(page)


def test_a_step_leads_to_its_first_line(seeded: Seeded, open_page: Open) -> None:
    steps = next(block for block in html(open_page("run", run_id=RERUN)) if 'role="list"' in block)
    assert "log?run_id=9001&amp;attempt=" in steps
    assert "&amp;at=20" in steps
    assert "log?" not in "\n".join(block for block in html(open_page("run", run_id=RUNNING)) if 'role="list"' in block)


def test_the_first_line_at_or_after_a_moment() -> None:
    log = LogIndex(
        "\ufeff2026-11-18T10:00:00.1234567Z a\n2026-11-18T10:00:05.5Z b\nno time\n2026-11-18T10:00:09.0000000Z c"
    )
    at = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)
    lines = [log.line_at(at + timedelta(seconds=seconds)) for seconds in (-9, 0, 1, 5, 6, 10)]
    assert lines == [1, 1, 2, 2, 4, None]
