"""The simulator's webhooks over HTTP into the real API, applied, and compared with what polling alone stores."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.definitions.records import RepositoryRecord
from db.engine import make_engine, write_scope
from db.migrate import upgrade
from db.models import Attempt, Job, Run
from db.repositories.repository_writes import upsert_repository
from demo.webhooks.events import deliveries
from tests.api.test_process import running, wait_for
from tests.api.webhooks import PATH, SECRET
from tests.collector.conftest import REPO, GitHub
from tests.collector.deliveries import apply, values
from tests.collector.syncing import sync
from tests.notify.servers import free_port
from tests.simulator.webhooks import duplicated, forged, is_forged, nulled, send, shuffled


def told_of(github: GitHub) -> None:
    """A morning's runs: of every conclusion, some run again, one for the third time, two not over yet."""
    conclusions = ("success", "success", "failure", "cancelled", "timed_out")
    noon = github.clock.now
    for number in range(20):
        conclusion, begun = conclusions[number % 5], noon - timedelta(minutes=10 * (number + 13))
        run_id = github.world.add_run(REPO, "CI", created_at=begun, conclusion=conclusion, jobs=["lint", "test"])
        if conclusion == "failure":
            github.world.rerun(run_id, at=begun + timedelta(minutes=60))
            if number == 2:
                github.world.rerun(run_id, at=begun + timedelta(minutes=90))
    for seconds in (20, 90):
        github.world.add_run(REPO, "CI", created_at=noon - timedelta(seconds=seconds), duration=600, jobs=["test"])


def everything(engine: Engine) -> list[dict[str, Any]]:
    """What is stored but when it was looked at, and who began an attempt: a delivery in which that was null may have
    been the only one to tell of an attempt that is not asked for again."""
    with Session(engine) as session:
        rows: list[Any] = list(session.scalars(select(Run).order_by(Run.id)))
        rows += session.scalars(select(Job).order_by(Job.id))
        found = [values(row, "details_at", "checked_at", "details_pending") for row in rows]
        attempts = session.scalars(select(Attempt).order_by(Attempt.run_id, Attempt.attempt))
        return found + [values(row, "actor") for row in attempts]


def test_shuffled_doubled_forged_and_nulled_deliveries_and_a_poll_end_in_what_a_poll_alone_stores(
    engine: Engine, github: GitHub, database_url: str, tmp_path: Path
) -> None:
    told_of(github)
    sent = nulled(forged(duplicated(shuffled(deliveries(github.world)), 0.3), 0.3), 0.3)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running("api", DATABASE_URL=database_url, API_PORT=str(port), GITHUB_WEBHOOK_SECRET=SECRET) as process:
        wait_for(f"{url}/health/live", process)
        # The collector has looked at the repository once, when there was nothing in it.
        with write_scope(engine) as session:
            upsert_repository(session, repository_of(github))
        answers = send(sent, url + PATH, SECRET, rate_per_second=300)
        assert {(is_forged(each.delivery), each.status) for each in answers} == {(False, 202), (True, 401)}
    applied = apply(engine, batch=50)
    distinct = {each.id for each in sent if not is_forged(each)}
    assert (applied.applied, applied.failed, applied.ignored) == (len(distinct), 0, 0)
    polled = make_engine(f"sqlite:///{tmp_path / 'polled.db'}")
    upgrade(polled)
    assert sync(polled, github.url, (REPO,), clock=github.clock).is_complete
    assert states(engine) == states(polled)
    assert sync(engine, github.url, (REPO,), clock=github.clock).is_complete
    assert everything(engine) == everything(polled)
    polled.dispose()


def states(engine: Engine) -> dict[tuple[int, int], tuple[str, str | None]]:
    with Session(engine) as session:
        return {(row.id, row.attempt): (row.status, row.conclusion) for row in session.scalars(select(Run))}


def repository_of(github: GitHub) -> RepositoryRecord:
    found = github.world.find(REPO)
    assert found
    return RepositoryRecord(found.id, REPO, "main", True, False, "")
