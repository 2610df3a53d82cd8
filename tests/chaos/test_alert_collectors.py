"""Two processes that look at the same rules and empty the same outbox at the same time tell everything once."""

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.definitions.records import RunRecord, WorkflowRecord
from db.engine import write_scope
from db.models import Alert, Notification
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import upsert_runs
from tests.builders import REPO, add_repository, run
from tests.chaos.account import FULL
from tests.chaos.slack import slack
from tests.programs import Program, start

EPISODES = 200 if FULL else 20


def teller(database_url: str, slack_url: str) -> Program:
    return start("tests.chaos.teller", database_url, slack_url, environment={})


def end(program: Program) -> Counter[str]:
    program.terminate()
    said, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    return Counter(json.loads(said.splitlines()[-1]))


def at(step: int) -> list[RunRecord]:
    """Workflow after workflow fails three times and passes; what is failing overlaps."""
    found = []
    for place in range(max(0, step - 3), min(EPISODES, step + 1)):
        minute = step - place
        found.append(
            run(10 * place + minute, minutes=minute, conclusion="failure" if minute < 3 else "success",
                workflow_id=100 + place, workflow_name=f"Flow {place:03}")
        )  # fmt: skip
    return found


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_that_judge_and_deliver_at_once_tell_everything_once(engine: Engine, database_url: str) -> None:
    workflows = [WorkflowRecord(100 + n, f"Flow {n:03}", f"{n}.yml", "active") for n in range(EPISODES)]
    add_repository(engine, REPO, *workflows)
    with slack() as channel, ExitStack() as stack:
        programs = [teller(database_url, channel.url) for _ in range(2)]
        for program in programs:
            stack.callback(program.kill)
            wait_for(lambda program=program: program.printed() == "ready\n")
        for step in range(EPISODES + 3):
            with write_scope(engine) as session:
                upsert_runs(session, get_repository(session, REPO.id), at(step))
            # What is over before anybody looked is not told.
            opened = min(max(0, step - 1), EPISODES)
            wait_for(lambda opened=opened: alerts(engine) == opened)
        wait_for(lambda: alerts(engine, "resolved") == EPISODES and not unsent(engine))
        done = [end(program) for program in programs]
    with Session(engine) as session:
        rows = session.scalars(select(Alert)).all()
        deliveries = session.scalars(select(Notification)).all()
    assert Counter(each.workflow_id for each in rows) == Counter(range(100, 100 + EPISODES))
    assert {each.state for each in rows} == {"resolved"}
    assert len(deliveries) == len(channel.taken)
    for over, state in ((False, "is failing"), (True, "has recovered")):
        told = "\n".join(each.text for each in channel.taken if each.over is over)
        assert [told.count(f"· Flow {n:03} {state} on main") for n in range(EPISODES)] == [1] * EPISODES
    assert all(each["opened"] and each["sent"] for each in done), "one of them did it all"
    print(
        f"{EPISODES} episodes, {len(channel.taken)} messages, none twice; by process: {[dict(each) for each in done]}"
    )


def alerts(engine: Engine, *states: str) -> int:
    with Session(engine) as session:
        found = session.scalars(select(Alert.state)).all()
    return sum(not states or state in states for state in found)


def unsent(engine: Engine) -> int:
    with Session(engine) as session:
        return len(session.scalars(select(Notification.id).where(Notification.state != "sent")).all())


def wait_for(what: Callable[[], bool]) -> None:
    # On a busy machine up to four attempts can fail, which are retried after 15, 30, 60 and 120 seconds.
    ends = time.monotonic() + 300
    while not what():
        assert time.monotonic() < ends, "it did not happen within five minutes"
        time.sleep(0.01)
