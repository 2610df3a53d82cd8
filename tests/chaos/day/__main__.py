"""python -m tests.chaos.day [--hours 24] [--speed 60] [--seed day] [--hasty]: a day of operation in accelerated time,
with all faults at once.

Two collectors and two APIs over one PostgreSQL, GitHub's stand-in and Slack's, and Redis where it is installed. The
wall clock of the programs, of the stand-in and of this driver runs `speed` times as fast, and so does the time since
the boot: polls, schedules, rules, retries and everything that is stored follow it. What protects against hanging does
not: timeouts of connections, and claims on repositories and messages, run in real time. The faults last for
real seconds, which are `speed` times as long for the programs.

What happens, and when, comes from the seed. At the end the database must equal GitHub's truth row by row, every alert
must have been told once and its end once, every program must answer, and end within ten seconds of SIGTERM."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from db.engine import make_engine
from db.migrate import upgrade
from tests.chaos.clocks import COMPILER, VARIABLES, WITHOUT, ShownClock
from tests.chaos.day.faults import FAULTS
from tests.chaos.day.judge import settle
from tests.chaos.day.life import SECRET, Day, Report, now
from tests.chaos.outages.stand import Database
from tests.chaos.scene import answers, scene, until
from tests.chaos.test_redis import Redis
from tests.chaos.wire import Wire
from tests.notify.servers import free_port
from tests.simulator.fault_injection import Chaos, Rates

# What happens at GitHub each simulated quarter of an hour.
_STEP = timedelta(minutes=15)
_RATES = Rates(
    bad_gateway=0.02, reset=0.01, cut_short=0.01, cut_off=0.01, html=0.01, html_503=0.01, stall=0.0, secondary=0.005,
    secondary_bare=0.0, stale_list=0.3, new_run=0.0, deleted_run=0.0,
)  # fmt: skip


@contextmanager
def prepared(engine: Engine, database_url: str, folder: Path, report: Report) -> Iterator[Day]:
    with ExitStack() as stack:
        made = stack.enter_context(scene(engine, database_url, folder, clock=now, repositories=3))
        made.world.chaos = Chaos(report.seed, rates=_RATES, retry_after=1)
        github = stack.enter_context(Wire(made.github).laid())
        slack = stack.enter_context(Wire(made.slack.url, forwards=False).laid())
        made.slack_url = f"http://127.0.0.1:{slack.port}/services{made.slack.url.partition('/services')[2]}"
        made.github = f"http://127.0.0.1:{github.port}"
        redis = Redis(folder) if shutil.which("redis-server") else None
        if redis:
            redis.start()
            stack.callback(redis.kill)
        day = Day(made, report, github, slack, redis)
        link = {"REDIS_URL": f"redis://127.0.0.1:{redis.port}/0"} if redis else {}
        for number in (1, 2):
            port = free_port()
            day.start("api", f"api-{number}", API_PORT=str(port), API_RATE_LIMIT="none", PGAPPNAME="program",
                      GITHUB_WEBHOOK_SECRET=SECRET, **link)  # fmt: skip
            day.apis.append(f"http://127.0.0.1:{port}")
            day.start(
                "tests.chaos.day.collector",
                f"collector-{number}",
                POLL_INTERVAL_MINUTES="5",
                PGAPPNAME="program",
                CHAOS_SPEED=str(report.speed),
                CHAOS_HASTY="yes" * report.hasty,
            )
        for number in range(4):
            name = f"Service {number}"
            made.happens(name, "success")
            day.broken[name] = False
        until(lambda: all(answers(f"{each}/health/live") for each in day.apis), 60, "all up")
        yield day


def live_through(day: Day) -> None:
    report, ends = day.report, now() + timedelta(hours=day.report.hours)
    step, told = now(), now()
    begun = time.monotonic()
    while now() < ends:
        if now() >= step:
            # Where a fault took longer, what was to happen meanwhile happens at once.
            day.live()
            step = max(step + _STEP, now() - _STEP)
        name = day.next_fault(list(FAULTS))
        FAULTS[name](day)
        day.note(name)
        day.ends()
        day.for_a_while(0.1, 1.0)
        if now() - told > timedelta(hours=2):
            told = now()
            report.say(f"{now():%d %b %H:%M}: {len(day.made.world.runs)} runs, {sum(report.faults.values())} faults, "
                       f"{day.episodes} breakages, {len(day.made.slack.taken)} messages, "
                       f"{len(day.made.differences())} rows behind")  # fmt: skip
    report.say(f"{report.hours:g} hours in {time.monotonic() - begun:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.day", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--speed", type=float, default=60)
    parser.add_argument("--seed", default="day")
    parser.add_argument("--hasty", action="store_true", help="shorter faults, and leases of three seconds")
    parser.add_argument("--start", default="2026-03-02T06:00:00+00:00", help="the simulated beginning")
    options = parser.parse_args()
    if not COMPILER:
        print(WITHOUT, file=sys.stderr)
        return 2
    folder = Path(os.environ.get("CHAOS_FOLDER") or tempfile.mkdtemp(prefix="ph-day-"))
    if "CHAOS_CLOCK" not in os.environ:
        clock = ShownClock(folder)
        os.environ.update(clock.environment, CHAOS_FOLDER=str(folder))
        # The driver itself lives in that time, and all that it starts.
        os.execv(sys.executable, [sys.executable, "-m", "tests.chaos.day", *sys.argv[1:]])
    return run(
        folder,
        Report(options.seed, options.hours, options.speed, options.hasty),
        datetime.fromisoformat(options.start),
    )


def run(folder: Path, report: Report, start: datetime) -> int:
    clock = ShownClock.of(os.environ)
    for name in VARIABLES:
        del os.environ[name]
    database = Database()
    # Who is started from now on lives in the accelerated time.
    os.environ.update(clock.environment)
    try:
        engine = make_engine(database.url)
        upgrade(engine)
        clock.show(start.timestamp(), speed=report.speed)
        with prepared(engine, database.url, folder, report) as day:
            live_through(day)
            settle(day)
        engine.dispose()
        print(f"faults: {dict(report.faults)}")
        print(f"answers of GitHub that were broken: {day.github.met}, of Slack: {day.slack.met}; "
              f"by chance at GitHub: {dict(day.made.world.chaos.counts) if day.made.world.chaos else {}}")  # fmt: skip
    finally:
        database.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
