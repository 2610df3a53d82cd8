"""Groups of a bounded number: the largest ones, and all others as one."""

from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from db.definitions.scope import Scope, Window
from db.engine import session_scope
from db.enums import GroupBy
from health.metrics import service
from health.metrics.queries import raw_runs
from health.metrics.queries.failure_episodes import branch_episodes
from tests.builders import NOON, add_repository, run, store_runs
from tests.db.history import LONG, fill, same
from tests.kept import Kept

SCOPES = [
    Scope(),
    Scope(actors=("alice",)),
    Scope(conclusions=("success",)),
    Scope(statuses=("in_progress",)),
    Scope(events=("push", "schedule")),
]
# Both ways to read rows: one by one, and added up by the database.
WAYS = pytest.mark.parametrize("few", [20_000, 1], ids=["rows", "sums"])
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


@pytest.fixture
def history(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


@WAYS
@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_the_largest_groups_are_the_first_of_all(
    history: Engine, scope: Scope, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_runs, "_MAX_ROWS_IN_PYTHON", few)
    for by in GroupBy:
        with session_scope(history) as session:
            every = service.groups(session, scope, LONG, by)
            for limit in (1, 2, 500):
                found = service.largest_groups(session, scope, LONG, by, limit=limit)
                assert found.total == len(every)
                assert [_name(each) for each in found.groups] == [_name(each) for each in every[:limit]]
                for one, other in zip(found.groups, every, strict=False):
                    same(one.metrics, other.metrics, recovery=True)
                assert (found.rest is None) == (len(every) <= limit)
                if found.rest:
                    assert _sums(found.rest) == pytest.approx(_together(every[limit:]))


@WAYS
@pytest.mark.parametrize("limit", [1, 2])
def test_the_rest_has_the_percentiles_of_its_runs(
    history: Engine, few: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_runs, "_MAX_ROWS_IN_PYTHON", few)
    with session_scope(history) as session:
        every = service.groups(session, Scope(), LONG, GroupBy.EVENT)
        rest = service.largest_groups(session, Scope(), LONG, GroupBy.EVENT, limit=limit).rest
        events = tuple(each.key or "" for each in every[limit:])
        assert rest
        same(rest, service.snapshot(session, Scope(events=events), LONG), recovery=True)
        # Branches have episodes of their own, default branch or not.
        every = [each for each in service.groups(session, Scope(), LONG, GroupBy.BRANCH) if each.key]
        named = Scope(branches=tuple(each.key or "" for each in every))
        rest = service.largest_groups(session, named, LONG, GroupBy.BRANCH, limit=limit).rest
        assert rest
        others = Scope(branches=tuple(each.key or "" for each in every[limit:]))
        snapshot = service.snapshot(session, others, LONG)
        same(rest, snapshot, recovery=len(others.branches) > 1)
        assert rest.duration_seconds.p50_interval == pytest.approx(snapshot.duration_seconds.p50_interval, rel=0.02)


def test_runs_without_a_value_are_a_group_that_can_be_the_largest(engine: Engine) -> None:
    add_repository(engine)
    store_runs(
        engine, run(1, branch=None), run(2, minutes=1, branch=None), run(3, minutes=2, branch="b"),
        run(4, minutes=3, branch="a"), run(5, minutes=4, branch="B", conclusion="failure"),
    )  # fmt: skip
    with session_scope(engine) as session:
        found = service.largest_groups(session, Scope(), DAY, GroupBy.BRANCH, limit=3)
        assert [each.key for each in found.groups] == [None, "B", "a"]
        assert (found.total, found.rest and found.rest.runs.total) == (4, 1)
        narrow = service.largest_groups(session, Scope(branches=("a", "b", "B")), DAY, GroupBy.BRANCH, limit=1)
        assert [each.key for each in narrow.groups] == ["B"]
        assert narrow.rest
        assert narrow.rest.runs.success == 2


@pytest.mark.parametrize("few", [20_000, 100], ids=["rows", "sums"])
def test_figures_are_worked_out_for_the_largest_groups_alone(
    engine: Engine, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_runs, "_MAX_ROWS_IN_PYTHON", few)
    add_repository(engine)
    singles = [run(number, minutes=number / 10, branch=f"topic/{number}") for number in range(1, 301)]
    store_runs(engine, *singles, *(run(1000 + number, branch="main") for number in range(5)))
    with session_scope(engine) as session:
        sizes: list[int] = []
        monkeypatch.setattr(service, "metrics", _counted(service.metrics, sizes))
        found = service.largest_groups(session, Scope(), DAY, GroupBy.BRANCH, limit=3)
    assert [each.key for each in found.groups] == ["main", "topic/1", "topic/10"]
    assert found.rest
    assert (found.total, found.rest.runs.total, found.rest.duration_seconds.n) == (301, 298, 298)
    assert len(sizes) == 4


def test_episodes_of_a_branch_begin_and_end_as_the_rules_say(engine: Engine) -> None:
    """Each on a branch of its own: what was before the window, what came after it, an old run that ended late, runs
    without a known end, and two workflows on one branch."""
    add_repository(engine)
    failed = {"conclusion": "failure"}
    store_runs(
        engine,
        run(1, minutes=-60 * 24, branch="before", **failed), run(2, minutes=0, branch="before", **failed),
        run(3, minutes=10, branch="before"), run(4, minutes=20, branch="before", **failed),
        run(5, minutes=0, branch="after", **failed), run(6, minutes=60 * 24, branch="after"),
        run(7, minutes=0, branch="late", **failed), run(8, minutes=1, seconds=7_000, branch="late"),
        run(9, minutes=2, seconds=60, branch="late"),
        run(10, minutes=0, seconds=900, branch="over", **failed), run(11, minutes=5, seconds=60, branch="over"),
        run(12, minutes=0, branch="shared", **failed), run(13, minutes=5, branch="shared", workflow_id=6),
        run(14, minutes=0, branch=None, **failed), run(15, minutes=5, branch=None),
        run(16, minutes=0, branch="green"), run(17, minutes=1, branch="running", status="queued", conclusion=None),
        run(18, minutes=0, branch="twice", **failed), run(19, minutes=0, branch="twice", **failed),
    )  # fmt: skip
    with session_scope(engine) as session:
        found = {each.first.id: each.seconds for each in branch_episodes(session, Scope(), DAY)}
    assert found == {
        4: None, 5: 24 * 3600.0, 7: 2 * 60.0, 10: 0.0, 12: None, 14: 5 * 60.0, 18: None,
    }  # fmt: skip


def _counted(made: Any, calls: list[int]) -> Any:
    def counting(*given: Any, **named: Any) -> Any:
        calls.append(1)
        return made(*given, **named)

    return counting


def _name(group: service.Group) -> tuple[str | None, str | None, int | None]:
    return group.key, group.repo, group.workflow_id


def _sums(metrics: Any) -> dict[str, float]:
    found = asdict(metrics)
    return {
        **found["runs"], "cost": found["cost_usd"], "compute": found["compute_seconds"], "flaky": found["flaky_runs"],
        "waste": found["wasted_seconds"], "open": found["recovery_seconds"]["open"],
        "episodes": found["recovery_seconds"]["episodes"], "n": found["duration_seconds"]["n"],
        "queued": found["queue_seconds"]["n"], "never_started": found["waste"]["never_started_jobs"],
    }  # fmt: skip


def _together(groups: list[service.Group]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for each in groups:
        total.update(_sums(each.metrics))
    return dict(total)
