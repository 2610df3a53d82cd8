"""A collector stands still (SIGSTOP) wherever it is, another one takes over, and the first one goes on (SIGCONT): it
writes nothing under claims that are no longer its own, keeps nobody waiting, and no alert comes twice."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from db.collection.claims import LEADER_CLAIM, AdvisoryLock
from db.models import Claim
from tests.chaos.account import FULL
from tests.chaos.scene import REPO, Running, Scene, scene, until

SECOND_REPO = "scale/service-01"
# The product's own claims, or such as end ten times sooner.
MODULE, AWAY_SECONDS, SENT_SECONDS = ("collector", 120.0, 200) if FULL else ("tests.chaos.hasty", 4.0, 20)
_TABLES = ("sync_states", "runs", "attempts", "jobs", "alerts")
# Who wrote a row, and who was the holder of its repository then: PGAPPNAME is the name of the program's log.
_WATCH = """
CREATE TABLE chaos_writes (at timestamptz, writer text, place text, holder text);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_writes SELECT clock_timestamp(), current_setting('application_name'), TG_TABLE_NAME,
        (SELECT c.holder FROM claims c WHERE c.expires_at >= clock_timestamp() AND c.name = CASE
            WHEN TG_TABLE_NAME = 'alerts' THEN 'leader'
            ELSE (SELECT r.full_name FROM repositories r WHERE r.id = NEW.repository_id) END);
    RETURN NULL; END $$;
"""


@pytest.fixture
def watched(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text(_WATCH))
        for table in _TABLES:
            connection.execute(text(f"CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE ON {table} "
                                    "FOR EACH ROW EXECUTE FUNCTION chaos_note()"))  # fmt: skip
    return engine


def holders(engine: Engine, *names: str) -> set[str]:
    with Session(engine) as session:
        return set(session.scalars(select(Claim.holder).where(Claim.name.in_(names))))


def is_held_by(engine: Engine, name: str, program: Running) -> bool:
    return {each.endswith(f"/{program.pid}") for each in holders(engine, name)} == {True}


def foreign(engine: Engine, pids: dict[str, int]) -> list[tuple[object, ...]]:
    """Writes of what somebody else held."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT at, writer, place, holder FROM chaos_writes WHERE holder IS NOT NULL"))
        return [tuple(row) for row in rows if row.writer in pids and not row.holder.endswith(f"/{pids[row.writer]}")]


Moment = Callable[[Scene, Running], None]


def in_a_look(made: Scene, first: Running) -> None:
    """GitHub's answer about the newest runs is on its way; what it says is old when it is read."""
    made.door.latency = 0.4
    own = next(name for name in (REPO, SECOND_REPO) if is_held_by(made.engine, name, first))
    arrived = made.door.arrivals
    arrived.clear()
    until(lambda: any(each.endswith(f"/{own}/actions/runs") for each in arrived), 30, "asked for runs", 0.01)
    first.send_signal(signal.SIGSTOP)
    made.door.latency = 0


def in_the_turn_of_all(made: Scene, first: Running) -> None:
    """Its server process has the lock that everybody waits for who renews claims."""
    with made.engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(AdvisoryLock.CLAIMS)})
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' "
                       "AND application_name = 'first'")  # fmt: skip
        with made.engine.connect() as looking:
            until(lambda: bool(looking.scalar(waiting)), 30, "it waits for its turn")
        first.send_signal(signal.SIGSTOP)


def at_any_moment(made: Scene, first: Running) -> None:
    time.sleep(random.Random(f"stop {first.pid}").uniform(0, 3))
    first.send_signal(signal.SIGSTOP)


MOMENTS: list[Moment] = [in_a_look, in_the_turn_of_all, *([at_any_moment] * 8 if FULL else [])]


@contextmanager
def both(made: Scene) -> Iterator[dict[str, Running]]:
    pids = {}
    for name in ("first", "second"):
        pids[name] = made.start(MODULE, name, PGAPPNAME=name)
        until(lambda name=name: holders(made.engine, LEADER_CLAIM) != set(), 30, "a leader")  # type: ignore[misc]
    yield pids
    for program in pids.values():
        code, _ = made.end(program)
        assert code == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_stood_still_writes_nothing_of_what_another_one_took_over(
    watched: Engine, database_url: str, tmp_path: Path
) -> None:
    with scene(watched, database_url, tmp_path, repositories=2) as made:
        with both(made) as programs:
            first, second = programs["first"], programs["second"]
            pids = {name: program.pid for name, program in programs.items()}
            names = REPO, SECOND_REPO, LEADER_CLAIM
            until(lambda: len(holders(watched, REPO, SECOND_REPO)) == 2, 60, "shared")
            made.wait_until_equal()
            told = 0
            for moment in MOMENTS:
                moment(made, first)
                stopped = time.monotonic()
                took = until(
                    lambda: all(each.endswith(f"/{second.pid}") for each in holders(watched, *names)), 60, "taken over"
                )
                if tells := FULL or moment is in_a_look:
                    told += 1
                    made.happens(f"Flow {told}", "failure", "failure", "failure")
                made.happens("CI", "failure", "success", repo=SECOND_REPO)
                made.wait_until_equal()
                made.wait_until_sent(told, told - tells, SENT_SECONDS)
                print(f"{moment.__name__}: taken over {took:.1f} s after the standstill began")
                time.sleep(max(AWAY_SECONDS - (time.monotonic() - stopped), 0))
                first.send_signal(signal.SIGCONT)
                until(lambda: len(holders(watched, REPO, SECOND_REPO)) == 2, 60, "shared again")
                if tells:
                    made.happens(f"Flow {told}", "success")
                made.wait_until_equal()
                made.wait_until_sent(told, told, SENT_SECONDS)
        made.assert_each_sent_once()
        assert foreign(watched, pids) == []
        for name in programs:
            assert "Traceback" not in made.log(name), name
