"""Jobs that GitHub does not show: deleted with their run, or out of the token's sight for a while."""

import itertools
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.context import CollectorContext
from collector.progress import Progress
from collector.sync.job_fetcher import JobFetcher
from db.collection.heartbeat_detail import HeartbeatDetail
from db.collection.sync_state import sync_state
from db.models import Run
from tests.builders import add_repository, run, store_runs
from tests.collector.conftest import Clock
from tests.collector.servers import Asked, Reply, StandIn, as_json
from tests.collector.syncing import make_client

NOT_FOUND = as_json({"message": "Not Found"}, 404)
WEB = {1: "acme/web"}


def job_json(job_id: int, run_id: int) -> dict[str, Any]:
    """A job as GitHub shows it, that ended in time."""
    return {
        "id": job_id, "run_id": run_id, "run_attempt": 1, "name": f"job {job_id}", "status": "completed",
        "conclusion": "success", "created_at": "2026-11-18T12:00:00Z", "started_at": "2026-11-18T12:00:05Z",
        "completed_at": "2026-11-18T12:00:50Z", "labels": ["ubuntu-latest"], "runner_name": "GitHub Actions 3",
    }  # fmt: skip


class Account:
    """What GitHub shows of acme/web: all of it, or nothing. `deleted` and `broken` are ids of runs; of the broken ones
    it shows no jobs. `lists` says what it lists of a run, with its total_count; without that one job."""

    def __init__(self) -> None:
        self.seen, self.identity = True, 1
        self.deleted, self.broken = set[int](), set[int]()
        self.lists: dict[int, tuple[list[int], int]] = {}
        self.server = StandIn(self.respond)

    def respond(self, asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        if not self.seen:
            return NOT_FOUND
        if path == "/repos/acme/web":
            return as_json({"id": self.identity, "full_name": "acme/web", "default_branch": "main"})
        run_id, jobs = int(path.split("/")[6]), path.endswith("/jobs")
        if run_id in self.deleted or (jobs and run_id in self.broken):
            return NOT_FOUND
        listed, count = self.lists.get(run_id, ([run_id * 10], 1))
        return as_json({"total_count": count, "jobs": [job_json(number, run_id) for number in listed]})

    def asked(self) -> list[str]:
        paths = [path.partition("?")[0].removeprefix("/repos/acme/web") for path in self.server.paths]
        self.server.asked.clear()
        return sorted(paths)


@pytest.fixture
def account(engine: Engine) -> Account:
    add_repository(engine)
    store_runs(engine, *(run(100 + number, minutes=number) for number in range(3)))
    return Account()


def filler(engine: Engine, url: str, clock: Clock) -> JobFetcher:
    return JobFetcher(
        CollectorContext(engine, make_client(url, clock), Progress(engine, clock, HeartbeatDetail()), clock)
    )


def pending(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return list(session.scalars(select(Run.id).where(Run.details_pending).order_by(Run.id)))


def gaps(engine: Engine) -> list[Any]:
    with Session(engine) as session:
        return [gap["kind"] for gap in sync_state(session, 1).gaps]


def test_while_the_token_may_not_see_a_repository_none_of_its_runs_is_given_up(
    engine: Engine, clock: Clock, account: Account
) -> None:
    account.seen = False
    with account.server.serve() as url:
        made = filler(engine, url, clock)
        filled = made.run(WEB, use_backoff=True)
        assert list(filled.failures) == ["acme/web"]
        assert "404" in filled.failures["acme/web"]
        assert (pending(engine), gaps(engine)) == ([100, 101, 102], ["jobs"])
        # Once for all of its runs, and not again before a pause.
        assert [path for path in account.asked() if not path.endswith("/jobs")] == [""]
        assert made.run(WEB, use_backoff=True).failures == {}
        assert account.asked() == []
        account.seen = True
        clock.forward(minutes=2)
        assert made.run(WEB, use_backoff=True).failures == {}
    assert (pending(engine), gaps(engine)) == ([], [])


def test_runs_that_were_deleted_are_settled_with_one_look_at_their_repository(
    engine: Engine, clock: Clock, account: Account
) -> None:
    account.deleted = {100, 101}
    with account.server.serve() as url:
        assert filler(engine, url, clock).run(WEB).failures == {}
    runs = ["/actions/runs/100", "/actions/runs/101"]
    assert account.asked() == ["", *sorted([*runs, *(f"{each}/jobs" for each in [*runs, "/actions/runs/102"])])]
    assert pending(engine) == []


def test_a_run_that_is_there_without_its_jobs_is_asked_for_again(
    engine: Engine, clock: Clock, account: Account
) -> None:
    account.broken = {101}
    with account.server.serve() as url:
        made = filler(engine, url, clock)
        assert "jobs of run 101" in made.run(WEB).failures["acme/web"]
        assert pending(engine) == [101]
        account.broken = set()
        assert made.run(WEB).failures == {}
    assert pending(engine) == []


def test_a_name_that_is_another_repositorys_now_says_nothing_about_the_runs(
    engine: Engine, clock: Clock, account: Account
) -> None:
    account.deleted, account.identity = {100, 101, 102}, 2
    with account.server.serve() as url:
        assert "another repository" in filler(engine, url, clock).run(WEB).failures["acme/web"]
    assert pending(engine) == [100, 101, 102]


def test_of_a_lost_repository_not_every_run_is_asked_for(engine: Engine, clock: Clock, account: Account) -> None:
    store_runs(engine, *(run(200 + number, minutes=-number) for number in range(300)))
    account.seen = False
    clock.forward(hours=1)
    with account.server.serve() as url:
        filler(engine, url, clock).run(WEB)
    assert len(account.asked()) < 120


def test_a_short_list_is_read_again_after_growing_pauses_until_it_is_whole(
    engine: Engine, clock: Clock, account: Account
) -> None:
    account.lists[101] = ([1010], 3)
    clock.forward(minutes=2, seconds=5)
    with account.server.serve() as url:
        made = filler(engine, url, clock)
        made.run(WEB, use_backoff=True)
        assert (pending(engine), gaps(engine)) == ([101], ["job_lists", "jobs"])
        account.asked()
        pauses = []
        for _ in range(300):
            clock.forward(seconds=2)
            made.run(WEB, use_backoff=True)
            pauses += [clock.now] if account.asked() else []
        waits = [(later - before).total_seconds() for before, later in itertools.pairwise(pauses)]
        assert waits == [20, 40, 80, 160, 240]
        account.lists[101] = ([1010, 1011, 1012], 3)
        clock.forward(minutes=4)
        made.run(WEB, use_backoff=True)
    assert (pending(engine), gaps(engine)) == ([], [])


def test_a_job_that_one_page_lists_twice_is_not_missing(engine: Engine, clock: Clock, account: Account) -> None:
    account.lists[101] = ([1010, 1011, 1010], 3)
    clock.forward(minutes=3)
    with account.server.serve() as url:
        filler(engine, url, clock).run(WEB)
    assert (pending(engine), gaps(engine)) == ([], [])


def test_a_list_that_stays_short_is_a_gap_and_not_waited_for(engine: Engine, clock: Clock, account: Account) -> None:
    account.lists[101] = ([1010], 3)
    clock.forward(minutes=30)
    with account.server.serve() as url:
        assert filler(engine, url, clock).run(WEB).failures == {}
    assert (pending(engine), gaps(engine)) == ([], ["job_lists"])
