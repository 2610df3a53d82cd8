"""A storm of webhooks while a sync runs: shuffled, doubled, lost and forged."""

import time
from collections import Counter

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.models import InboxItem, Repository
from demo.webhooks.events import deliveries
from tests.chaos.account import FULL, account, on
from tests.chaos.programs import api, start
from tests.simulator.webhooks import dropped, duplicated, forged, is_forged, send, shuffled

COUNT, RUNS, POLL_MINUTES = (10_000, 400, "0.25") if FULL else (150, 15, "0.1")
SECRET = "a secret of the webhook"


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0


# The API and the collector want the one writer of SQLite at the same time.
@on("sqlite")
def test_a_storm_is_answered_applied_and_made_complete_by_the_next_poll(engine: Engine, database_url: str) -> None:
    with account(5, RUNS, seed="storm", latency=0.05) as github:
        true_ones = dropped(deliveries(github.world)[-COUNT:], 0.05)
        storm = shuffled(forged(duplicated(true_ones, 0.10), 0.01))
        collector = start("", database_url, github.url, POLL_INTERVAL_MINUTES=POLL_MINUTES)
        try:
            with api(DATABASE_URL=database_url, GITHUB_WEBHOOK_SECRET=SECRET) as address:
                _wait_for_repositories(engine, 5)
                sent = send(storm, f"{address}/api/webhooks/github", SECRET, 200)
            statuses = Counter((is_forged(each.delivery), each.status) for each in sent)
            assert set(statuses) == {(False, 202), (True, 401)}, statuses
            left = _wait_until_equal(github, engine)
            _wait_until_applied(engine)
        finally:
            collector.terminate()
            collector.communicate(timeout=20)
        assert left == []
    with Session(engine) as session:
        rows = session.execute(select(InboxItem.state, InboxItem.received_at, InboxItem.applied_at)).all()
    assert {row.state for row in rows} == {"applied"}
    assert len(rows) == len({each.delivery.id for each in sent if not is_forged(each.delivery)})
    delays = [(row.applied_at - row.received_at).total_seconds() for row in rows]
    answers = [each.seconds for each in sent]
    print(f"{len(sent)} deliveries {dict(statuses)}: answered p50 {percentile(answers, 0.5):.3f} "
          f"p99 {percentile(answers, 0.99):.3f} s, applied p50 {percentile(delays, 0.5):.3f} "
          f"p99 {percentile(delays, 0.99):.3f} s")  # fmt: skip


def _wait_until_applied(engine: Engine) -> None:
    """What polling was quicker with waits in the inbox a moment longer."""
    for _ in range(200):
        with Session(engine) as session:
            if session.scalar(select(InboxItem.delivery_id).where(InboxItem.state == "pending").limit(1)) is None:
                return
        time.sleep(0.1)


def _wait_for_repositories(engine: Engine, count: int) -> None:
    for _ in range(300):
        with Session(engine) as session:
            if len(session.scalars(select(Repository.id)).all()) == count:
                return
        time.sleep(0.1)
    raise AssertionError("the collector found no repositories")


def _wait_until_equal(github: object, engine: Engine) -> list[str]:
    left = ["not asked yet"]
    for _ in range(30 if FULL else 120):
        left = github.differences(engine)  # type: ignore[attr-defined]
        if not left:
            break
        time.sleep(3 if FULL else 0.5)
    return left
