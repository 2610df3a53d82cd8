"""kill -9 at any moment: nothing is lost, nothing is there twice, and starting again is all there is to do."""

import random
import time

from sqlalchemy import Engine

from tests.chaos.account import FULL, Account, account, on
from tests.chaos.programs import finish, start
from tests.programs import Program

KILLS = 25 if FULL else 2


@on("postgresql")
def test_a_sync_that_is_killed_goes_on_where_it_was(engine: Engine, database_url: str) -> None:
    _kill(engine, database_url, "sync")


@on("sqlite")
def test_a_backfill_that_is_killed_goes_on_where_it_was(engine: Engine, database_url: str) -> None:
    _kill(engine, database_url, "backfill --since 28d")


def _kill(engine: Engine, database_url: str, command: str) -> None:
    moments = random.Random(command)
    with account(4 if FULL else 2, 2500 if FULL else 60, days=24, seed="kill", latency=0.02) as github:
        # With a day of history to look at, everything else is left to the backfill.
        days = "1" if command.startswith("backfill") else "30"
        alive = 0
        for _ in range(KILLS):
            program = start(command, database_url, github.url, BACKFILL_DAYS=days)
            _wait(github, program, moments)
            alive += program.poll() is None
            program.kill()
            program.communicate()
        assert alive, "it was over each time before it was killed"
        code, said = finish(start(command, database_url, github.url, BACKFILL_DAYS=days))
        assert code == 0, said
        assert github.differences(engine) == []
    print(f"killed {alive} times")


def _wait(github: Account, program: Program, moments: random.Random) -> None:
    """In the small version until it asked some questions, of the hundred that it has."""
    if FULL:
        time.sleep(moments.uniform(0.8, 3.0))
        return
    enough = len(github.app.state.requests) + moments.randrange(5, 30)
    while len(github.app.state.requests) < enough and program.poll() is None:
        time.sleep(0.005)
