"""Several collectors on one PostgreSQL: each repository has one that looks after it, also after one of them died."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import chain

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.sync.job_fetcher import WORKERS, WRITE_BATCH
from db.models import Claim, SyncState
from tests.chaos.account import Account, account
from tests.chaos.programs import start

# Long enough for a lease (30 s), a renewal (8 s) and a look on a slow machine.
_TAKEOVER_SECONDS = 60


def holders(engine: Engine) -> Counter[str]:
    with Session(engine) as session:
        return Counter(session.scalars(select(Claim.holder).where(Claim.kind == "repository")))


def readers_by_repository(github: Account) -> dict[str, set[str]]:
    """The tokens with which the runs of each repository were requested."""
    readers: dict[str, set[str]] = defaultdict(set)
    for each in list(github.app.state.requests):
        if "/actions/runs" in each.path:
            readers["/".join(each.path.split("/")[2:4])].add(each.headers["authorization"])
    return readers


def until(what: Callable[[], bool], seconds: float) -> float:
    """How long it took; fails when it never came."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.25)
    return time.monotonic() - begun


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_collectors_share_and_the_survivor_takes_over(engine: Engine, database_url: str) -> None:
    with account(4, 60, seed="claims") as github:
        first = start("", database_url, github.url, POLL_INTERVAL_MINUTES="0.2", GITHUB_TOKEN="good")
        second = start("", database_url, github.url, POLL_INTERVAL_MINUTES="0.2", GITHUB_TOKEN="second")
        try:
            until(lambda: sorted(holders(engine).values()) == [2, 2], 60)
            until(lambda: github.differences(engine) == [], 60)
            # A repository that was handed over is read again from where its holder had stored it: only results that
            # were not stored yet, and requests on the way, are repeated.
            lists = Counter(each.path for each in github.app.state.requests if each.path.endswith("/jobs"))
            unfinished = {run.id for run in github.world.runs.values() if run.attempts[-1].ended is None}
            repeated = [
                path for path, times in lists.items() if times > 1 and int(path.split("/")[-2]) not in unfinished
            ]
            assert len(repeated) < WRITE_BATCH + WORKERS
            # From now on neither does the other's work.
            github.app.state.clear()
            until(lambda: len(readers_by_repository(github)) == 4, 60)
            until(lambda: sorted(Counter(chain(*readers_by_repository(github).values())).values()) == [2, 2], 60)
            assert all(len(tokens) == 1 for tokens in readers_by_repository(github).values())
            first.kill()
            died = github.clock()
            survivor = f"/{second.pid}"
            took = until(lambda: all(name.endswith(survivor) for name in holders(engine)), _TAKEOVER_SECONDS)

            def all_looked_at() -> bool:
                with Session(engine) as session:
                    return all(moment and moment > died for moment in session.scalars(select(SyncState.synced_at)))

            until(all_looked_at, _TAKEOVER_SECONDS - took)
        finally:
            for program in (first, second):
                program.terminate()
            for program in (first, second):
                program.communicate(timeout=20)
        assert holders(engine) == Counter()
        print(f"taken over after {took:.0f} s")
