"""Everything that goes wrong in that day. Each fault takes as long as it lasts."""

import signal
import time
from collections.abc import Callable

from tests.chaos.day.life import Day
from tests.chaos.wire import Fault, Wire

# Real ones, within which GitHub is asked something.
_POLL_SECONDS = 6.0


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


def _break(wire: Wire, day: Day) -> None:
    before = wire.met
    wire.fault = day.dice.choice([each for each in Fault if each is not Fault.NONE])
    day.for_a_while(0.5, 2.5)
    ends = time.monotonic() + _POLL_SECONDS
    while wire is day.github and wire.met == before and time.monotonic() < ends:
        time.sleep(0.05)
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
