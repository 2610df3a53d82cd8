"""The clock of one program jumps by 500 days, ahead and back, while it runs: it goes on by the time before."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.models import SyncState
from demo.world.world import utc_now
from tests.chaos.account import FULL, on
from tests.chaos.clocks import COMPILER, WITHOUT, ShownClock
from tests.chaos.scene import Scene, collector_of, scene

pytestmark = pytest.mark.skipif(not COMPILER, reason=WITHOUT)
JUMPS = (500, -500) if not FULL else (500, 0, -500, 0, -500, 500, 0.2, -0.2, 0)


def latest(made: Scene) -> list[object]:
    with Session(made.engine) as session:
        return [
            moment for row in session.scalars(select(SyncState))
            for moment in (row.covered_to, row.synced_at, row.rescanned_deep_at, row.identity_checked_at) if moment
        ]  # fmt: skip


@on("postgresql")
def test_a_collector_whose_clock_jumps_misses_nothing_and_doubles_nothing(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    clock = ShownClock(tmp_path)
    with scene(engine, database_url, tmp_path) as made, made.api() as api:
        collector = made.execute("collector", "collector", **clock.environment)
        made.wait_until_equal()
        for number, days in enumerate(JUMPS):
            clock.jump(days)
            made.happens(f"Flow {number}", "failure", "failure", "failure")
            if number:
                made.happens(f"Flow {number - 1}", "success")
            made.wait_until_equal(30)
            made.wait_until_sent(number + 1, number, 30)
            seen = collector_of(api)
            assert (seen["status"], seen["state"]) == ("ok", "live"), seen
            assert max(latest(made)) <= utc_now(), days  # type: ignore[type-var]
        code, _ = made.end(collector)
        assert code == 0, made.log("collector")
        made.assert_each_sent_once()
    told = made.log("collector").count("clock jumped")
    assert told == sum(days != 0 for days in JUMPS)
