"""What happened while nobody looked is found with few requests."""

from sqlalchemy import Engine

from tests.chaos.account import FULL, account, on
from tests.simulator.changes import changes


@on("postgresql")
def test_a_sync_three_hours_later_finds_every_change_with_few_requests(engine: Engine) -> None:
    with account(5, 2000 if FULL else 40, unfinished=0.0015) as github:
        assert github.sync(engine).is_complete
        assert github.differences(engine) == []
        github.app.state.requests.clear()
        github.forward(hours=3)
        made = changes(github.world, 3, new=10, reruns=6, rerun_age_days=5)
        assert made.new
        assert made.reruns
        assert github.sync(engine).is_complete
        asked = [each.path for each in github.app.state.requests]
        assert github.differences(engine) == []
    changed = len({*made.new, *made.reruns, *made.finished})
    looks = [path for path in asked if not path.endswith("/jobs")]
    print(f"{len(looks)} requests to look, {len(asked) - len(looks)} for the jobs of {changed} changed runs")
    # One request for the jobs of each run that changed is the least there can be.
    assert len(asked) - len(looks) == changed
    assert len(asked) <= 60


@on("sqlite")
def test_a_day_of_changes_up_to_thirty_days_back_is_found(engine: Engine) -> None:
    with account(2, 1000 if FULL else 60) as github:
        assert github.sync(engine).is_complete
        for day in range(2):
            github.forward(days=1)
            changes(github.world, 24, seed=str(day), new=20, reruns=15, rerun_age_days=28)
            assert github.sync(engine).is_complete
            assert github.differences(engine) == []
