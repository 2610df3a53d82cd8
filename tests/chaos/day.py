"""python -m tests.chaos.day [--hours 24] [--speed 60] [--seed day]: a day of operation in accelerated time, with all
faults at once.

Two collectors and two APIs over one PostgreSQL, GitHub's stand-in and Slack's, and Redis where it is installed. The
wall clock of the programs, of the stand-in and of this driver runs `speed` times as fast, and so does the time since
the boot: polls, schedules, rules, retries and everything that is stored follow it. What protects against hanging does
not: timeouts of connections, and the leases of claims, by PostgreSQL's own clock, run in real time. The faults last for
real seconds, which are `speed` times as long for the programs.

What happens, and when, comes from the seed. At the end the database must equal GitHub's truth row by row, every alert
must have been told once and its end once, every program must answer, and end within ten seconds of SIGTERM."""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.models import Alert, Delivery, InboxItem
from demo.chaos import Chaos, Rates
from demo.hooks import deliveries
from demo.hooks import send as send_hooks
from tests.chaos.clocks import COMPILER, VARIABLES, WITHOUT, ShownClock
from tests.chaos.scene import REPO, Running, Scene, answers, scene, until
from tests.chaos.test_redis import Redis
from tests.chaos.wire import Fault, Wire
from tests.notify.servers import free_port

SECRET = "a secret of the webhook"
_LONGEST_FAULT_SECONDS = 45.0
# What happens at GitHub each simulated quarter of an hour.
_STEP = timedelta(minutes=15)
_RATES = Rates(
    bad_gateway=0.02, reset=0.01, cut_short=0.01, cut_off=0.01, html=0.01, html_503=0.01, stall=0.0, secondary=0.005,
    secondary_bare=0.0, stale_list=0.3, new_run=0.0, deleted_run=0.0,
)  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Report:
    seed: str
    hours: float
    speed: float
    faults: Counter[str] = field(default_factory=Counter)
    # When each of them was over, in seconds of time.monotonic.
    moments: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)


@dataclass
class Day:
    """`dice` decides what happens; `real` are seconds that nobody accelerates."""

    made: Scene
    clock: ShownClock
    report: Report
    github: Wire
    slack: Wire
    redis: Redis | None
    dice: random.Random
    apis: list[str] = field(default_factory=list)
    broken: dict[str, bool] = field(default_factory=dict)
    # Runs of CI that nobody has finished, and by repository the one that is to be run again.
    going_on: list[int] = field(default_factory=list)
    failed: dict[str, int | None] = field(default_factory=dict)
    episodes: int = 0
    _told_to: datetime = field(default_factory=now)
    _programs: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)

    # Programs

    def start(self, module: str, name: str, **more: str) -> None:
        self._programs[name] = module, more
        self.running[name] = self.made.start(module, name, **more)

    def restart(self, name: str) -> None:
        """As a supervisor does."""
        self.made.programs.remove(self.running[name])
        module, more = self._programs[name]
        self.running[name] = self.made.start(module, name, **more)

    def ends(self) -> None:
        """Nothing may have ended by itself."""
        for name, program in self.running.items():
            assert program.poll() is None, f"{name} ended by itself: {self.made.log(name)[-2_000:]}"

    # What happens at GitHub

    def live(self) -> None:
        """A quarter of an hour of an account. CI fails now and then and never three times in a row; the services break
        and recover, each after the programs have told of the last."""
        world, dice = self.made.world, self.dice
        for number in self.going_on:
            world.finish(number, dice.choice(("success", "success", "cancelled")))
        self.going_on.clear()
        for repo in world.repositories:
            for _ in range(dice.randint(0, 4)):
                self._run(repo)
        open_ones = {each.workflow_id for each in self.made.alerts() if each.resolved_at is None}
        flows = {each.name: each.id for each in world.repositories[REPO].workflows.values()}
        for name, is_broken in self.broken.items():
            if (flows[name] in open_ones) is is_broken and dice.random() < 0.2:
                self.turn(name)
        self._tell()

    def _run(self, repo: str) -> None:
        failed = self.failed.get(repo)
        if failed is not None:
            self.made.world.rerun(failed, at=now(), duration=5, queue=0)
            self.failed[repo] = None
            self.made.happens("CI", "success", repo=repo)
        elif self.dice.random() < 0.2:
            (self.failed[repo],) = self.made.happens("CI", "failure", repo=repo)
        elif self.dice.random() < 0.2:
            self.going_on.append(self.made.world.add_run(repo, "CI", conclusion=None, created_at=now(), jobs=3))
        else:
            self.made.happens("CI", "success", repo=repo)

    def turn(self, name: str) -> None:
        """It breaks, or recovers."""
        self.broken[name] = not self.broken[name]
        self.episodes += self.broken[name]
        self.made.happens(name, *(["failure"] * 3 if self.broken[name] else ["success"]))

    def _tell(self) -> None:
        """Webhooks of most of what happened, in any order, some of them twice; no API may be there to take them."""
        end = now()
        told = [each for each in deliveries(self.made.world, self._told_to, end) if self.dice.random() < 0.8]
        self.dice.shuffle(told)
        self._told_to = end
        if told and self.apis:
            send_hooks([*told, *told[:3]], f"{self.dice.choice(self.apis)}/api/webhooks/github", SECRET, 200)

    # Faults

    def fault(self) -> None:
        name, fault = self.dice.choice(sorted(FAULTS.items()))
        self.report.faults[name] += 1
        fault(self)
        self.report.moments.append(time.monotonic())

    def a_collector(self) -> str:
        return self.dice.choice([name for name in self.running if name.startswith("collector")])

    def for_a_while(self, least: float = 0.5, most: float = 3.0) -> None:
        time.sleep(self.dice.uniform(least, most))


def _kill_collector(day: Day) -> None:
    name = day.a_collector()
    day.running[name].kill()
    day.running[name].wait(10)
    day.for_a_while(0.2, 1.5)
    day.restart(name)


def _kill_api(day: Day) -> None:
    name = day.dice.choice([name for name in day.running if name.startswith("api")])
    day.running[name].kill()
    day.running[name].wait(10)
    day.restart(name)


def _stand_still(day: Day) -> None:
    name = day.a_collector()
    day.running[name].send_signal(signal.SIGSTOP)
    # Longer than a lease, by PostgreSQL's clock, now and then.
    day.for_a_while(1, 40 if day.dice.random() < 0.1 else 4)
    day.running[name].send_signal(signal.SIGCONT)


def _break(wire: Wire, day: Day, *, most: float = 2.5) -> None:
    wire.fault = day.dice.choice([each for each in Fault if each is not Fault.NONE])
    day.for_a_while(0.5, most)
    wire.fault = Fault.NONE


def _hang_redis(day: Day) -> None:
    if day.redis:
        day.redis.signal(signal.SIGSTOP)
        day.for_a_while()
        day.redis.signal(signal.SIGCONT)


def _restart_redis(day: Day) -> None:
    if day.redis:
        day.redis.kill()
        day.for_a_while()
        day.redis.start()


def _cut_connections(day: Day) -> None:
    """Everybody's to the database."""
    with day.made.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database() AND application_name LIKE 'program%%'"
        )


def _lock_database(day: Day) -> None:
    """A long transaction has the busiest table."""
    with day.made.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE")
        day.for_a_while(0.5, 2)


FAULTS: dict[str, Callable[[Day], None]] = {
    "kill -9 of a collector": _kill_collector,
    "kill -9 of an API": _kill_api,
    "standstill of a collector": _stand_still,
    "GitHub's answers broken": lambda day: _break(day.github, day),
    "Slack's answers broken": lambda day: _break(day.slack, day),
    "Redis hangs": _hang_redis,
    "Redis restarts": _restart_redis,
    "connections to the database cut": _cut_connections,
    "table locked": _lock_database,
}


@contextmanager
def prepared(engine: Engine, database_url: str, folder: Path, clock: ShownClock, report: Report) -> Iterator[Day]:
    dice = random.Random(report.seed)
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
        day = Day(made, clock, report, github, slack, redis, dice)
        link = {"REDIS_URL": f"redis://127.0.0.1:{redis.port}/0"} if redis else {}
        for number in (1, 2):
            port = free_port()
            day.start("api", f"api-{number}", API_PORT=str(port), API_RATE_LIMIT="none", PGAPPNAME="program",
                      GITHUB_WEBHOOK_SECRET=SECRET, **link)  # fmt: skip
            day.apis.append(f"http://127.0.0.1:{port}")
            day.start("collector", f"collector-{number}", POLL_INTERVAL_MINUTES="5", PGAPPNAME="program")
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
        day.fault()
        day.ends()
        time.sleep(day.dice.uniform(0.1, 1.0))
        if now() - told > timedelta(hours=2):
            told = now()
            report.say(f"{now():%d %b %H:%M}: {len(day.made.world.runs)} runs, {sum(report.faults.values())} faults, "
                       f"{day.episodes} breakages, {len(day.made.slack.taken)} messages, "
                       f"{len(day.made.differences())} rows behind")  # fmt: skip
    report.say(f"{report.hours:g} hours in {time.monotonic() - begun:.0f} s")


def settle(day: Day) -> None:
    """Everything works again, and the end state is what it must be."""
    made, report = day.made, day.report
    for wire in (day.github, day.slack):
        wire.fault = Fault.NONE
    assert made.world.chaos
    made.world.chaos.stop()
    begun = time.monotonic()
    made.wait_until_equal(300)
    report.say(f"every row equal to GitHub's after {time.monotonic() - begun:.1f} s")
    for name, is_broken in list(day.broken.items()):
        if is_broken:
            day.turn(name)
    made.wait_until_equal(120)
    until(lambda: _settled(made), 300, "every message sent")
    until(lambda: _waiting(made) == 0, 60, "every delivery applied")
    assert_told_once(day)
    for address in day.apis:
        until(lambda address=address: httpx.get(f"{address}/health", timeout=20).json()["status"] == "ok", 120,  # type: ignore[misc]
              f"{address} all well")  # fmt: skip
    slowest = 0.0
    for name, program in day.running.items():
        assert program.poll() is None, name
        code, seconds = made.end(program)
        slowest = max(slowest, seconds)
        assert code in (0, -15), (name, code)
        assert "Traceback" not in made.log(name), made.log(name)[-3_000:]
    report.say(f"all programs answered, and ended within {slowest:.1f} s of SIGTERM")


def _settled(made: Scene) -> bool:
    with Session(made.engine) as session:
        open_ones = session.scalars(select(Alert.id).where(Alert.resolved_at.is_(None))).all()
        waiting = session.scalars(select(Delivery.id).where(Delivery.state == "pending")).all()
    return not open_ones and not waiting


def _waiting(made: Scene) -> int:
    with Session(made.engine) as session:
        return len(session.scalars(select(InboxItem.delivery_id).where(InboxItem.state == "pending")).all())


def assert_told_once(day: Day) -> None:
    """Every breakage has its alert, and every message that is noted as sent was taken; one was taken twice only where a
    fault came between the taking and the noting of it."""
    made, report = day.made, day.report
    with Session(made.engine) as session:
        rows = session.scalars(select(Delivery)).all()
        alerts = session.scalars(select(Alert)).all()
    assert {each.state for each in rows} <= {"sent", "folded"}, Counter(each.state for each in rows)
    due = Counter((each.alert_id or 0, each.reason == "resolved") for each in rows if each.state == "sent")
    taken = made.slack.counts()
    assert due.keys() == taken.keys(), (due - taken, taken - due)
    assert max(due.values(), default=1) == 1
    twice = [key for key, number in taken.items() if number > 1]
    report.say(f"{len(alerts)} alerts of {day.episodes} breakages, {due.total()} messages sent, {taken.total()} taken "
               f"by Slack ({len(twice)} twice), {sum(each.state == 'folded' for each in rows)} folded into later "
               "ones")  # fmt: skip
    assert len(alerts) == day.episodes
    for key in twice:
        moments = [each.at for each in made.slack.taken if (each.alert, each.over) == key]
        assert any(-_LONGEST_FAULT_SECONDS < fault - moments[0] < _LONGEST_FAULT_SECONDS for fault in report.moments)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.day", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--speed", type=float, default=60)
    parser.add_argument("--seed", default="day")
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
    return run(folder, Report(options.seed, options.hours, options.speed), datetime.fromisoformat(options.start))


def run(folder: Path, report: Report, start: datetime) -> int:
    from db.engine import make_engine
    from db.migrate import upgrade
    from tests.chaos.outages.stand import Database

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
        with prepared(engine, database.url, folder, clock, report) as day:
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
