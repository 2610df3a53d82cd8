"""Broken episodes: one value of recovery, whatever the question, and a median that does not leave out open ones."""

import random
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, select

from db.definitions.records import RepositoryRecord, RunRecord, WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope
from db.enums import GroupBy, Interval
from db.models import FailureEpisode
from health.metrics import service
from health.metrics.definitions.aggregates import aggregates_of, median_with_open
from health.metrics.definitions.episodes import DecidedRun, Episode, episodes, with_later_successes
from health.metrics.definitions.percentiles import Recovery
from health.metrics.definitions.table import from_recoveries
from health.retention import prune
from tests.builders import NOON, REPO, WORKFLOW, add_repository, run, store_runs

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW = Window(NOON - 30 * DAY, NOON)


def decided(number: int, outcome: str, ends: float, *, branch: str = "main") -> DecidedRun:
    """Created `number` minutes after noon, over `ends` minutes after noon."""
    created = NOON + number * MINUTE
    return DecidedRun(1, 5, branch, number, "push", "alice", created, NOON + ends * MINUTE, outcome)


def seconds(found: list[Episode]) -> list[tuple[int, float | None]]:
    return [(each.first.id, each.seconds) for each in found]


def test_the_success_that_is_over_first_ends_an_episode() -> None:
    runs = [decided(0, "failure", 1), decided(10, "success", 9_000), decided(20, "success", 31)]
    assert seconds(episodes(runs)) == [(0, 30 * 60.0)]


def test_an_earlier_success_that_is_run_again_ends_nothing() -> None:
    runs = [decided(0, "success", 500), decided(10, "failure", 11), decided(20, "failure", 21)]
    assert seconds(episodes(runs)) == [(10, None)]


def test_a_success_that_was_over_before_the_failure_ends_it_at_once() -> None:
    runs = [decided(0, "failure", 60), decided(10, "success", 20), decided(70, "success", 80)]
    assert seconds(episodes(runs)) == [(0, 0.0)]


def test_a_failure_between_two_successes_begins_an_episode_of_its_own() -> None:
    runs = [
        decided(0, "failure", 1),
        decided(10, "success", 900),
        decided(20, "failure", 21),
        decided(30, "success", 31),
    ]
    assert seconds(episodes(runs)) == [(0, 30 * 60.0), (20, 10 * 60.0)]


def test_later_successes_end_what_began_among_the_runs() -> None:
    found = episodes([decided(0, "failure", 1), decided(5, "failure", 6, branch="x")])
    later = with_later_successes(found, {(1, 5, "main"): NOON + 11 * MINUTE})
    assert seconds(later) == [(0, 600.0), (5, None)]
    assert seconds(with_later_successes(later, {(1, 5, "main"): NOON + 99 * MINUTE})) == seconds(later)


def _by_definition(runs: list[DecidedRun]) -> list[tuple[int, float | None]]:
    found = []
    for place, first in enumerate(runs):
        before = [each for each in runs[:place] if each.branch == first.branch]
        if first.outcome == "success" or (before and before[-1].outcome == "failure"):
            continue
        later = [each for each in runs[place + 1 :] if each.branch == first.branch and each.outcome == "success"]
        ends = [(each.completed_at - first.completed_at).total_seconds() for each in later]  # type: ignore[operator]
        found.append((first.id, max(min(ends), 0.0) if ends else None))
    return found


def test_episodes_are_those_of_the_definition() -> None:
    chance = random.Random("episodes")
    for _ in range(300):
        runs = [
            decided(number, chance.choice(["success", "failure"]), number + chance.choice([0, 1, 3, 9, 200]),
                    branch=chance.choice(["main", "x"]))
            for number in range(chance.randint(0, 14))
        ]  # fmt: skip
        assert seconds(episodes(runs)) == _by_definition(runs)


@pytest.mark.parametrize(
    ("ended", "open_for", "median"),
    [
        ([], [], None),
        ([], [5.0], None),
        ([4.0], [], 4.0),
        # The published example of 6-mercaptopurine (Freireich et al., Blood 21, 1963): median 23 weeks.
        ([6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], 23.0),
        # 1 of 4 ends: 0.75; 1 of 3: 0.5.
        ([1, 2], [3, 3], 2.0),
        ([1], [2, 2], None),
        ([1], [0.5], 1.0),
        # Open as long as another one lasted: it was still at risk. 1 - 1/2 = 0.5.
        ([3], [3], 3.0),
    ],
)  # fmt: skip
def test_the_median_with_open_episodes_by_hand(ended: list[float], open_for: list[float], median: float | None) -> None:
    assert median_with_open(Counter(map(float, ended)), map(float, open_for)) == median


def _redistributed(ended: list[float], open_for: list[float]) -> float | None:
    """Efron's algorithm (1967), which gives the estimate of Kaplan and Meier: the weight of what is still open goes in
    equal parts to all that lasts longer."""
    spans = sorted([(each, 0) for each in ended] + [(each, 1) for each in open_for])
    weights, passed = [1 / len(spans)] * len(spans), 0.0
    for place, (length, is_open) in enumerate(spans):
        rest = len(spans) - place - 1
        if is_open:
            for other in range(place + 1, len(spans)):
                weights[other] += weights[place] / rest
        else:
            passed += weights[place]
            following = spans[place + 1] if rest else None
            if passed >= 0.5 - 1e-9 and following != (length, 0):
                return length
    return None


def test_the_median_with_open_episodes_is_that_of_another_algorithm() -> None:
    chance = random.Random("survival")
    for _ in range(500):
        ended = [float(chance.randint(1, 9)) for _ in range(chance.randint(1, 9))]
        open_for = [float(chance.randint(1, 9)) for _ in range(chance.randint(0, 9))]
        assert median_with_open(Counter(ended), open_for) == _redistributed(ended, open_for), (ended, open_for)


def ran(run_id: int, created: timedelta, conclusion: str, *, hours: float = 1, **changed: object) -> RunRecord:
    """Created so long before noon."""
    return run(run_id, minutes=-created / MINUTE, seconds=hours * 3600, conclusion=conclusion, **changed)


@pytest.fixture
def broken(engine: Engine) -> Engine:
    """An episode of 3 days; one that began 60 days ago and ended 25 days ago; an open one."""
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", "d.yml", "active"))
    store_runs(
        engine,
        ran(1, 20 * DAY, "failure"), ran(2, 19 * DAY, "failure", event="schedule"),
        # Run again to green weeks later.
        ran(3, 18 * DAY, "success", hours=400), ran(4, 17 * DAY, "success"),
        ran(5, 60 * DAY, "failure", workflow_id=6), ran(6, 29 * DAY, "failure", workflow_id=6),
        ran(7, 25 * DAY, "success", workflow_id=6), ran(8, 2 * DAY, "failure", workflow_id=6, event="schedule"),
    )  # fmt: skip
    return engine


def asked(engine: Engine, scope: Scope, window: Window = WINDOW) -> Recovery:
    with session_scope(engine) as session:
        return service.snapshot(session, scope, window, now=NOON).recovery_seconds


@pytest.mark.parametrize(
    "scope",
    [
        Scope(),
        Scope(branches=("main",)),
        Scope(branches=("main",), statuses=("completed",)),
        Scope(branches=("main", "x")),
        Scope(branches=("main",), conclusions=("failure",)),
        Scope(repos=("acme/web",), workflows=("5", "6")),
        Scope(actors=("alice",)),
        Scope(branches=("main",), actors=("alice", "bob")),
    ],
    ids=str,
)
def test_every_question_about_the_same_runs_has_the_same_recovery(broken: Engine, scope: Scope) -> None:
    """The first episode is over when the success of run 4 is, 3 days later; that of 60 days ago began before."""
    found = asked(broken, scope)
    assert (found.mean, found.p50, found.open, found.episodes) == (
        3 * 86400.0,
        pytest.approx(3 * 86400, rel=0.01),
        1,
        2,
    )
    # One of two lasted 3 days, the other one is open for 2 days less an hour.
    assert found.median_with_open == pytest.approx(3 * 86400, rel=0.01)


def test_an_end_after_the_window_is_that_of_the_whole_sequence(broken: Engine) -> None:
    window = Window(NOON - 30 * DAY, NOON - 18.5 * DAY)
    for scope in (Scope(), Scope(branches=("main",), statuses=("completed",))):
        found = asked(broken, scope, window)
        assert (found.mean, found.open) == (3 * 86400.0, 0)


def test_an_episode_is_as_old_as_its_first_failure(broken: Engine) -> None:
    window = Window(NOON - 61 * DAY, NOON - 28 * DAY)
    for scope in (Scope(workflows=("6",)), Scope(workflows=("6",), branches=("main",), statuses=("completed",))):
        assert asked(broken, scope, window).mean == 35 * 86400.0
        assert asked(broken, scope, Window(NOON - 35 * DAY, NOON - 24 * DAY)).episodes == 0


def test_groups_and_series_have_the_same_episodes(broken: Engine) -> None:
    with session_scope(broken) as session:
        groups = {by: service.groups(session, Scope(), WINDOW, by, now=NOON) for by in GroupBy}
        days = service.series(session, Scope(), WINDOW, Interval.DAY, now=NOON)
        hours = service.series(session, Scope(), WINDOW, Interval.HOUR, now=NOON)
    by = {
        key: sorted(
            (each.key or "", each.metrics.recovery_seconds.episodes, each.metrics.recovery_seconds.open)
            for each in listed
        )
        for key, listed in groups.items()
    }
    assert by[GroupBy.BRANCH] == [("main", 2, 1)]
    assert by[GroupBy.EVENT] == [("push", 1, 0), ("schedule", 1, 1)]
    assert by[GroupBy.WORKFLOW] == [("CI", 1, 0), ("Deploy", 1, 1)]
    assert by[GroupBy.ACTOR] == [("alice", 0, 0)]
    for points in (days, hours):
        assert [point.start.date() for point in points if point.metrics.recovery_seconds.episodes] == [
            (NOON - 20 * DAY).date(), (NOON - 2 * DAY).date()
        ]  # fmt: skip


def _kept(engine: Engine) -> dict[int, float | None]:
    with session_scope(engine) as session:
        query = select(FailureEpisode.run_id, FailureEpisode.seconds).order_by(FailureEpisode.run_id)
        return {row[0]: row[1] for row in session.execute(query)}


def test_the_table_follows_a_later_run_that_is_run_again(broken: Engine) -> None:
    assert _kept(broken) == {1: 3 * 86400.0, 5: 35 * 86400.0, 8: None}
    # The success that ended the first episode fails when it is run again: now the one of 400 hours is the earliest.
    again = {"attempt": 2, "updated_at": NOON - 10 * DAY}
    store_runs(broken, ran(4, 17 * DAY, "failure", **again))
    assert _kept(broken)[1] == (2 * DAY + 399 * HOUR).total_seconds()
    # A success far behind the next ones is over before them.
    store_runs(broken, ran(9, 9 * DAY, "success", hours=2))
    assert _kept(broken)[1] == (11 * DAY + HOUR).total_seconds()
    # What failed when it was run again begins an episode of its own.
    for scope in (Scope(), Scope(branches=("main",), statuses=("completed",))):
        assert asked(broken, scope).mean == ((11 * DAY + HOUR) + (DAY + 2 * HOUR)).total_seconds() / 2


def test_an_episode_goes_on_beyond_the_runs_that_are_deleted(broken: Engine) -> None:
    before = NOON - 35 * DAY
    list(prune(broken, before, NOON))
    store_runs(broken, ran(6, 29 * DAY, "failure", workflow_id=6, attempt=2, updated_at=NOON - 28 * DAY))
    window = Window(NOON - 34 * DAY, NOON - 24 * DAY)
    for scope in (Scope(), Scope(branches=("main",), statuses=("completed",))):
        assert asked(broken, scope, window).episodes == 0
    assert _kept(broken)[5] == 35 * 86400.0
    list(prune(broken, NOON - 5 * DAY, NOON))
    assert _kept(broken) == {8: None}


def test_paths_agree_on_any_history(engine: Engine) -> None:
    chance = random.Random("paths")
    add_repository(engine)
    records = [
        ran(number, chance.uniform(0, 50) * DAY, chance.choice(["success", "failure"]),
            hours=chance.choice([0, 0.1, 2, 30, 400]))
        for number in range(1, 120)
    ]  # fmt: skip
    for start in range(0, len(records), 30):
        store_runs(engine, *records[start : start + 30])
    for days in range(3, 50, 6):
        window = Window(NOON - days * DAY, NOON - days * DAY / 3)
        one = asked(engine, Scope(), window)
        other = asked(engine, Scope(branches=("main",), statuses=("completed",)), window)
        assert (one.open, one.episodes, one.mean) == (other.open, other.episodes, pytest.approx(other.mean))


def test_the_median_of_many_groups_is_that_of_each() -> None:
    """Without open episodes all groups are computed at once."""
    chance = random.Random("groups")
    groups = [[chance.choice([60.0, 90.0, 3600.0, chance.uniform(1, 9e5)]) for _ in range(size)] for size in range(9)]
    lengths = [each for group in groups for each in group]
    rows = np.asarray([row for row, group in enumerate(groups) for _ in group], dtype=np.int64)
    table = from_recoveries(lengths, rows, len(groups))
    for ages in ({}, {3: [5.0], 8: [1e6, 2e6]}):
        found = [each.recovery_seconds for each in aggregates_of(table, open_ages=ages)]
        assert [each.median_with_open for each in found] == [
            median_with_open(Counter(group), ages.get(row, ())) if group else None for row, group in enumerate(groups)
        ]
        assert [each.episodes for each in found] == [len(group) for group in groups]


def test_open_episodes_of_another_default_branch_do_not_count(engine: Engine) -> None:
    """The branch main of acme/api, whose default branch is master, has ended episodes of 1 h and 10 h."""
    add_repository(engine)
    add_repository(engine, RepositoryRecord(2, "acme/api", "master", True, False, ""), WORKFLOW)
    hour = 60
    store_runs(engine, run(1, minutes=-50 * hour, conclusion="failure"))
    episodes = [run(2, minutes=-70 * hour, conclusion="failure", branch="master")]
    for number, start, end in ((3, -60, -59), (5, -58, -48)):
        episodes += [
            run(number, minutes=start * hour, conclusion="failure"),
            run(number + 1, minutes=end * hour),
        ]
    store_runs(engine, *episodes, repository_id=2)
    with session_scope(engine) as session:
        window = Window(NOON - timedelta(days=4), NOON)
        groups = service.groups(session, Scope(branches=("main",)), window, GroupBy.REPO, now=NOON)
        alone = service.snapshot(session, Scope(repos=("acme/api",), branches=("main",)), window, now=NOON)
    of_api = next(group.metrics for group in groups if group.key == "acme/api")
    assert of_api.recovery_seconds == alone.recovery_seconds
    assert of_api.recovery_seconds.median_with_open == 3600
