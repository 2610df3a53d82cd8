"""History by windows, the audit of run numbers, and what is looked at how often."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.sync.scan_plan import MAX_SPAN, MIN_SPAN, BackfillWindow, next_span, read_windows, split_window
from db.collection.backfills import request_backfill
from db.models import Backfill, Run, RunGap, SyncState
from demo.github.pagination import FILTERED_CAP
from tests.builders import NOON
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import make_client, sync

SECOND = timedelta(seconds=1)


def once(engine: Engine, github: GitHub, **more: Any) -> Any:
    return sync(engine, github.url, (REPO,), clock=github.clock, **more)


def numbers(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return sorted(session.scalars(select(Run.run_number)))


def test_halves_meet_without_a_hole_and_without_an_overlap() -> None:
    newer, older = split_window(BackfillWindow(NOON, NOON + 3 * SECOND)) or (None, None)
    assert newer
    assert older
    assert (older.since, older.until, newer.since, newer.until) == (
        NOON, NOON + SECOND, NOON + 2 * SECOND, NOON + 3 * SECOND,
    )  # fmt: skip
    assert split_window(BackfillWindow(NOON, NOON)) is None


def test_windows_are_asked_for_in_utc() -> None:
    assert BackfillWindow(NOON, NOON + SECOND).filter == "2026-11-18T12:00:00Z..2026-11-18T12:00:01Z"


@pytest.mark.parametrize(
    ("span", "runs", "expected"),
    [
        (timedelta(days=4), 10, timedelta(days=8)),
        (timedelta(days=4), 500, timedelta(days=4)),
        (timedelta(days=4), 999, timedelta(days=2)),
        (MAX_SPAN, 0, MAX_SPAN),
        (MIN_SPAN, 5000, MIN_SPAN),
    ],
)
def test_the_next_window_follows_how_busy_the_last_one_was(span: timedelta, runs: int, expected: timedelta) -> None:
    assert next_span(span, runs) == expected


def test_a_window_over_the_cap_is_cut_until_all_of_it_is_listed(github: GitHub) -> None:
    count = FILTERED_CAP * 2 + 300
    for number in range(count):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(minutes=count - number), jobs=0)
    found: list[int] = []
    client = make_client(github.url, github.clock)
    begin = github.clock() - timedelta(minutes=count)
    for window, runs, _ in read_windows(client, REPO, begin, github.clock()):
        assert not window.over_cap
        found += [run.run_number for run in runs]
    assert sorted(found) == list(range(1, count + 1))
    assert found[0] > found[-1]


def test_a_single_second_over_the_cap_is_said_not_swallowed(engine: Engine, github: GitHub) -> None:
    for _ in range(FILTERED_CAP + 5):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(days=20), jobs=0)
    once(engine, github, backfill_days=1)
    once(engine, github, backfill_days=30)
    with Session(engine) as session:
        gaps = session.scalars(select(SyncState.gaps)).one()
    assert [gap["kind"] for gap in gaps] == ["capped"]
    assert "more than 1,000 runs" in gaps[0]["detail"]
    moment = (github.clock() - timedelta(days=20)).isoformat()
    assert (gaps[0]["since"], gaps[0]["until"]) == (moment, moment)


def test_a_longer_history_is_read_from_where_the_first_one_ended(engine: Engine, github: GitHub) -> None:
    for day in range(60):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(days=60 - day))
    once(engine, github, backfill_days=10)
    github.asked()
    assert once(engine, github, backfill_days=70).is_complete
    assert numbers(engine) == list(range(1, 61))
    with Session(engine) as session:
        row = session.scalars(select(Backfill)).one()
        since = session.scalars(select(SyncState.complete_since)).one()
    # What the first page of the first look had shown anyway is not counted again.
    assert row.runs_expected is not None
    assert (row.runs_done, row.phase) == (row.runs_expected, "verifying")
    assert since is not None
    assert since <= github.clock() - timedelta(days=69)


def test_history_counts_as_verified_when_nothing_new_turns_up_an_hour_later(engine: Engine, github: GitHub) -> None:
    for day in range(60):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(days=60 - day))
    once(engine, github, backfill_days=10)
    phases = []
    for minutes in (0, 5, 60, 5):
        github.clock.forward(minutes=minutes)
        once(engine, github, backfill_days=70)
        with Session(engine) as session:
            phases.append(session.scalars(select(Backfill.phase)).one())
    assert phases == ["verifying", "verifying", "done", "done"]


def test_what_is_complete_is_not_wanted_again(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    once(engine, github, backfill_days=30)
    now = github.clock()
    with Session(engine) as session, session.begin():
        repository_id = session.scalars(select(SyncState.repository_id)).one()
        assert request_backfill(session, repository_id, now - timedelta(days=20), now, now) is None
        wanted = request_backfill(session, repository_id, now - timedelta(days=90), now, now)
        assert wanted
        assert wanted.until == now - timedelta(days=30)
        # Said again tomorrow, it is the same wish.
        later = now + timedelta(hours=20)
        assert request_backfill(session, repository_id, later - timedelta(days=90), later, later) == wanted


def test_a_run_that_a_list_left_out_is_found_by_its_number(engine: Engine, github: GitHub) -> None:
    runs = [
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(hours=60 - number))
        for number in range(50)
    ]
    once(engine, github)
    with Session(engine) as session, session.begin():
        session.execute(Run.__table__.delete().where(Run.id.in_(runs[20:23])))
    github.clock.forward(hours=1, minutes=1)
    # The hourly look goes back two days only: the hole lies in what it does not read.
    with Session(engine) as session, session.begin():
        session.execute(Run.__table__.delete().where(Run.id == runs[2]))
    once(engine, github)
    assert numbers(engine) == list(range(1, 51))
    with Session(engine) as session:
        assert session.scalars(select(RunGap)).all() == []


def test_a_number_that_github_does_not_have_is_asked_for_a_few_times_and_then_left(
    engine: Engine, github: GitHub
) -> None:
    runs = [
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(hours=60 - number))
        for number in range(20)
    ]
    github.world.delete_run(runs[7])
    states = []
    for minutes in (0, 15, 70, 6 * 60 + 5, 60):
        github.clock.forward(minutes=minutes)
        assert once(engine, github).is_complete
        with Session(engine) as session:
            gap = session.scalars(select(RunGap)).one()
        states.append((gap.first_number, gap.last_number, gap.state, gap.checks))
    assert states == [(8, 8, "open", 1), (8, 8, "open", 2), (8, 8, "open", 3), (8, 8, "absent", 4), (8, 8, "absent", 4)]


def test_a_run_that_waits_for_weeks_costs_few_requests(engine: Engine, github: GitHub) -> None:
    waiting = github.world.add_run(REPO, "CI", conclusion=None, created_at=github.clock() - timedelta(days=10))
    for number in range(120):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(minutes=number))
    once(engine, github)
    github.asked()
    for _ in range(12):
        github.clock.forward(minutes=5)
        once(engine, github)
    about_it = [path for path in github.asked() if f"/runs/{waiting}" in path]
    assert len(about_it) <= 4
    github.world.finish(waiting, "success")
    github.clock.forward(hours=3, minutes=5)
    once(engine, github)
    with Session(engine) as session:
        assert session.scalars(select(Run.conclusion).where(Run.id == waiting)).one() == "success"
