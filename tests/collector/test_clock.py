"""Time that goes on evenly while this machine's clock jumps."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from collector import alive
from collector.github.client import GitHubClient
from collector.scheduler import MonotonicIntervalTrigger, WallClock
from collector.sync.scan_plan import RESCAN_LEVELS, RunCoverage, is_due, plan_scan
from core.clock import CollectorClock
from tests.collector.servers import StandIn, as_json

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
DAYS = timedelta(days=500)


@dataclass
class Machine:
    """Its clock, and the seconds that passed."""

    wall: datetime = START
    passed: float = 1_000.0

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += seconds

    def shown(self) -> float:
        return self.wall.timestamp()

    def clock(self) -> CollectorClock:
        return CollectorClock(lambda: self.wall, lambda: self.passed)


@pytest.mark.parametrize("jump", [DAYS, -DAYS, timedelta(hours=2), -timedelta(minutes=5)])
def test_a_jump_that_github_does_not_confirm_is_not_followed(jump: timedelta, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    clock = machine.clock()
    clock.observe_reference(START)
    machine.passes(30)
    assert clock() == START + timedelta(seconds=30)
    machine.wall += jump
    with caplog.at_level(logging.ERROR):
        for seconds in (60, 90, 120):
            machine.passes(30)
            assert clock() == START + timedelta(seconds=seconds)
    assert len(caplog.records) == 1
    assert "clock jumped" in caplog.text
    machine.wall -= jump
    machine.passes(30)
    assert clock() == machine.wall


def test_a_clock_that_was_wrong_and_is_set_is_followed_as_soon_as_github_confirms_it() -> None:
    machine = Machine(wall=START - DAYS)
    clock = machine.clock()
    clock.observe_reference(START)
    assert clock() == START - DAYS
    machine.wall = START
    assert clock() == START


def test_without_another_clock_this_machines_counts() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(hours=9)
    assert clock() == START + timedelta(hours=9)


@pytest.mark.parametrize("seconds", [40, -40])
def test_small_steps_are_followed(seconds: int) -> None:
    machine = Machine()
    clock = machine.clock()
    clock.observe_reference(START)
    for number in range(1, 5):
        machine.wall += timedelta(seconds=seconds)
        assert clock() == START + number * timedelta(seconds=seconds)


def test_times_that_a_job_missed_count_as_one() -> None:
    trigger = MonotonicIntervalTrigger(0.25)
    assert trigger.get_next_fire_time(None, START) == START + timedelta(seconds=0.25)
    assert trigger.get_next_fire_time(START, START) == START + timedelta(seconds=0.25)
    assert trigger.get_next_fire_time(START, START + DAYS) == START + DAYS + timedelta(seconds=0.25)


def test_a_clock_that_was_set_back_is_noticed_once() -> None:
    machine = Machine()
    watch = WallClock(machine.shown, lambda: machine.passed)
    for jump, back in ((timedelta(0), False), (DAYS, False), (-DAYS, True), (timedelta(0), False)):
        machine.passes(1)
        machine.wall += jump
        assert watch.was_set_back() is back


@pytest.mark.parametrize("last", [None, START - timedelta(hours=1), START + timedelta(seconds=1), START + DAYS])
def test_what_was_done_in_the_future_is_due(last: datetime | None) -> None:
    assert is_due(last, timedelta(hours=1), START)
    assert not is_due(START - timedelta(minutes=59), timedelta(hours=1), START)


def test_deep_looks_noted_under_a_clock_that_was_ahead_are_taken_again() -> None:
    looked = {look.name: START + DAYS for look in RESCAN_LEVELS}
    walk = plan_scan(RunCoverage(START - timedelta(days=60), START - timedelta(hours=1), looked), START, START)
    assert walk.rescan_levels == RESCAN_LEVELS
    assert walk.until == START - timedelta(days=31)


def test_a_sign_of_life_of_a_clock_that_was_ahead_counts_no_longer(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    now = START.timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    alive.touch(now + 960)
    assert alive.main() == 0
    alive.touch(now + DAYS.total_seconds())
    assert alive.main() == 1
    assert capsys.readouterr().out == "The collector is not running.\n"


def test_every_jump_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    clock = machine.clock()
    clock.observe_reference(START)
    for jump in (DAYS, -DAYS, -DAYS):
        machine.wall += jump
        for _ in range(3):
            machine.passes(40)
            clock()
    # The second one set the clock right.
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "This machine's clock jumped ahead by 500 days", "This machine's clock jumped back by 500 days"
    ]  # fmt: skip


def test_the_first_answer_after_a_pause_says_which_clock_is_right() -> None:
    """A virtual machine that was paused: its clock is set afterwards, and no clock of its own passed meanwhile."""
    machine = Machine()
    clock = machine.clock()
    github = [START]
    stand_in = StandIn(lambda _: as_json({}, Date=format_datetime(github[0], usegmt=True)))
    with stand_in.serve() as url:
        client = GitHubClient(url, clock=clock)
        client.get("/rate_limit")
        machine.wall += timedelta(hours=8)
        assert clock() == START
        github[0] = machine.wall
        client.get("/rate_limit")
    assert client.clock_ahead == timedelta(0)
    assert clock() == machine.wall
