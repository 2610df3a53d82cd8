"""Random filters and windows, asked in every phase of an account's life.

ORACLE_PAIRS=300 asks that many pairs of each account on each database; the suite asks fewer."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from db.replica import ReplicaRouter
from tests.oracle.comparing import differences
from tests.oracle.figures import Filter
from tests.oracle.stored import StoredRun, read
from tests.oracle.world import ACTORS, AHEAD_OF_ROLLUPS, BRANCHES, CONCLUSIONS, DAYS, EVENTS, REPOSITORIES, Account

_PAIRS = int(os.environ.get("ORACLE_PAIRS", "10"))
_PHASES = 10
# The second one has a leap day, and the days on which clocks change in America and Europe.
ENDS = {"2026": datetime(2026, 11, 18, 12, 34, 56, tzinfo=UTC), "2024": datetime(2024, 4, 17, 0, 10, tzinfo=UTC)}


@pytest.fixture
def reader(database_url: str) -> Iterator[ReplicaRouter]:
    made = ReplicaRouter(database_url)
    yield made
    made.close()


@pytest.mark.parametrize("end", ENDS)
def test_every_figure_is_that_of_plain_loops_over_the_rows(engine: Engine, reader: ReplicaRouter, end: str) -> None:
    chance, account = random.Random(f"pairs {end}"), Account(engine, ENDS[end], end)
    found: list[str] = []
    known: dict[tuple[int, int], StoredRun] = {}
    compared = phases = 0
    for phase in account.phases():
        phases += 1
        rows = {(run.repository_id, run.id): run for run in read(engine)}
        # What is pruned stays in the figures of whole days.
        pruned = known.keys() - rows.keys() if account.pruned_before else ()
        runs = [*rows.values(), *(replace(known[key], pruned=True) for key in pruned)]
        known = rows
        for _ in range(max(_PAIRS // _PHASES, 1)):
            since, until = _window(chance, account.now)
            interval = chance.choice(["hour", "day", "week"] if until - since < timedelta(days=25) else ["day", "week"])
            by = chance.sample(["repo", "workflow", "branch", "event", "actor", "runner"], 2)
            lines = differences(
                reader, runs, _filter(chance), since, until, interval, by, account.now, account.pruned_before,
                recovery=phase != AHEAD_OF_ROLLUPS,
            )  # fmt: skip
            found += [f"{phase}: {line}" for line in lines]
            compared += 1
    assert phases == _PHASES
    assert not found, "\n".join([f"{len(found)} differences in {compared} pairs", *found[:20]])


def _filter(chance: random.Random) -> Filter:
    def some(values: object, share: float) -> tuple[str, ...]:
        listed = sorted({each for each in values if each is not None})  # type: ignore[attr-defined]
        return tuple(chance.sample(listed, chance.randint(1, min(3, len(listed))))) if chance.random() < share else ()

    return Filter(
        repos=some((name for name, _, _ in REPOSITORIES.values()), 0.3),
        workflows=some(("CI", "Deploy", "6", "9"), 0.25),
        branches=some(BRANCHES, 0.3), events=some(EVENTS, 0.25), actors=some(ACTORS, 0.1),
        conclusions=some(CONCLUSIONS, 0.1), statuses=some(("completed", "in_progress"), 0.1),
    )  # fmt: skip


def _window(chance: random.Random, now: datetime) -> tuple[datetime, datetime]:
    """Of minutes to months, cut anywhere or at midnight, in the past or up to now."""
    length = chance.choice([0.05, 0.9, 1, 2, 7, 20, 30, 60, 120]) * chance.uniform(0.5, 1.2) * timedelta(days=1)
    until = now if chance.random() < 0.3 else now - chance.random() * timedelta(days=DAYS)
    since = until - length
    if chance.random() < 0.3:
        since, until = (each.replace(hour=0, minute=0, second=0, microsecond=0) for each in (since, until))
        until = max(until, since + timedelta(days=1))
    return since, until
