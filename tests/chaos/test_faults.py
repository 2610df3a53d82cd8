"""Everything goes wrong at once; afterwards the database equals the truth, row by row."""

import pytest
from sqlalchemy import Engine

from collector.github import transport
from tests.chaos.account import FULL, account, on
from tests.simulator.changes import changes
from tests.simulator.fault_injection import Chaos, Rates

# One in twenty of each; lists with a filter are stale one time in three.
RATES = Rates(
    bad_gateway=0.05, reset=0.05, cut_short=0.025, cut_off=0.025, html=0.05, html_503=0.02, stall=0.05,
    secondary=0.05, secondary_bare=0.0, stale_list=0.33, new_run=0.2, deleted_run=0.01,
)  # fmt: skip


@on("postgresql")
@pytest.mark.parametrize("seed", ["one", "two", "three"] if FULL else ["one"])
def test_after_all_kinds_of_faults_one_more_sync_makes_it_right(
    engine: Engine, seed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not FULL:
        # A stall is given up after this long instead of 30 s.
        monkeypatch.setattr(transport, "TIMEOUT_SECONDS", (10, 0.4))
    with account(5 if FULL else 2, 200 if FULL else 30, seed=seed) as github:
        chaos = Chaos(seed, rates=RATES, stall_seconds=60 if FULL else 1, retry_after=1)
        github.world.chaos = chaos
        for number in range(3):
            github.sync(engine)
            github.forward(hours=3)
            changes(github.world, 3, seed=f"{seed} {number}", new=20, reruns=5)
        chaos.stop()
        print(f"{sum(chaos.counts.values())} faults: {dict(chaos.counts)}")
        assert len(chaos.counts) >= (8 if FULL else 6)
        assert github.sync(engine).is_complete
        assert github.differences(engine) == []


@on("sqlite")
def test_history_read_from_stale_lists_is_made_right_by_one_more_sync(engine: Engine) -> None:
    """The first look is stopped after a page, so that the rest is read by windows, from an index that lies."""
    with account(2, 300 if FULL else 120, seed="stale") as github:
        github.world.faults.add(r"/actions/runs\?.*[?&]page=([2-9]|\d\d)", status=502, times=10_000)
        assert not github.sync(engine).is_complete
        github.world.faults.clear()
        chaos = Chaos("stale", rates=Rates.only(stale_list=0.8))
        github.world.chaos = chaos
        github.sync(engine)
        assert chaos.counts
        chaos.stop()
        github.forward(minutes=5)
        assert github.sync(engine).is_complete
        assert github.differences(engine) == []
