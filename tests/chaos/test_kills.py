"""kill -9 at any moment: nothing is lost, nothing is there twice, and starting again is all there is to do."""

import random
import time

import pytest
from sqlalchemy import Engine

from tests.chaos.account import FULL, account
from tests.chaos.programs import finish, start

KILLS = 25 if FULL else 3


@pytest.mark.parametrize("command", ["sync", "backfill --since 28d"])
def test_a_program_that_is_killed_goes_on_where_it_was(engine: Engine, database_url: str, command: str) -> None:
    moments = random.Random(command)
    with account(4 if FULL else 2, 2500 if FULL else 120, days=24, seed="kill", latency=0.02) as github:
        # With a day of history to look at, everything else is left to the backfill.
        days = "1" if command.startswith("backfill") else "30"
        alive = 0
        for _ in range(KILLS):
            program = start(command, database_url, github.url, BACKFILL_DAYS=days)
            time.sleep(moments.uniform(0.8, 3.0))
            alive += program.poll() is None
            program.kill()
            program.communicate()
        assert alive, "it was over each time before it was killed"
        code, said = finish(start(command, database_url, github.url, BACKFILL_DAYS=days))
        assert code == 0, said
        assert github.differences(engine) == []
    print(f"killed {alive} times")
