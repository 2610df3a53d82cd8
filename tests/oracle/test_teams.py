"""Figures by team are those of plain loops over the rows of what the team owns, and are answered from roll-ups."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from db.audit import COMMAND
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.enums import GroupBy, Interval, RollupLevel
from db.replica import ReplicaRouter
from health.metrics import service
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.plan import plan
from health.metrics.team_groups import largest_team_groups
from health.teams.service import narrow, save_team
from tests.oracle.comparing import _Question
from tests.oracle.figures import Filter
from tests.oracle.stored import StoredRun, read
from tests.oracle.world import Account

NOW = datetime(2026, 11, 18, 12, 34, 56, tzinfo=UTC)
PHASES = ("first sync", "re-runs over", "late changes")
WEB = {("acme/web", 5), ("acme/web", 6)}
API, NIGHTLY, LEFT_CI = ("acme/api", 7), ("acme/left", 9), ("acme/left", 8)
DEFINITIONS = {
    "Whole": {"repositories": ["acme/web", "acme/a*"]},
    "Single": {"workflows": ["acme/web: Deploy", "acme/left: Nightly"]},
    "Mixed": {"repositories": ["acme/api"], "workflows": ["acme/left: *ly"]},
}
OWNED = {
    ("whole",): WEB | {API},
    ("single",): {("acme/web", 6), NIGHTLY},
    ("mixed",): {API, NIGHTLY},
    ("none",): {LEFT_CI},
    ("single", "none"): {("acme/web", 6), NIGHTLY, LEFT_CI},
}


@dataclass(frozen=True)
class _Owned(Filter):
    owned: frozenset[tuple[str, int]] = frozenset()

    def is_of_sequence(self, run: StoredRun) -> bool:
        return (run.repo, run.workflow_id) in self.owned and super().is_of_sequence(run)


@pytest.fixture
def reader(database_url: str) -> Iterator[ReplicaRouter]:
    made = ReplicaRouter(database_url)
    yield made
    made.close()


def test_figures_by_team_are_those_of_plain_loops(engine: Engine, reader: ReplicaRouter) -> None:
    chance, account = random.Random("teams"), Account(engine, NOW, "teams", runs=160)
    found: list[str] = []
    for phase in account.phases():
        if phase == PHASES[0]:
            with write_scope(engine) as session:
                for name, fields in DEFINITIONS.items():
                    save_team(session, name, fields, NOW, actor=COMMAND)
        if phase in PHASES:
            runs = read(engine)
            for teams in OWNED:
                since = account.now - timedelta(hours=chance.choice((20, 90 * 24, 140 * 24)))
                branches = chance.choice([(), (), ("main",)])
                lines = _differences(reader, runs, teams, branches, Window(since, account.now), account.now)
                found += [f"{phase}: {teams}: {line}" for line in lines]
        if phase == PHASES[-1]:
            break
    assert not found, "\n".join(found[:20])


def _differences(
    reader: ReplicaRouter, runs: list[StoredRun], teams: tuple[str, ...], branches: tuple[str, ...], window: Window,
    now: datetime,
) -> list[str]:  # fmt: skip
    def question(owned: set[tuple[str, int]]) -> _Question:
        asked = _Owned(branches=branches, owned=frozenset(owned))
        return _Question(runs, asked, window.since, window.until, now, recovery=True)

    with reader.session() as session:
        scope = narrow(session, Scope(branches=branches), teams)
        failures = service.read_failures(session, scope, window)
        whole = service.snapshot(session, scope, window, now=now, failures=failures)
        points = service.series(session, scope, window, Interval.DAY, now=now, failures=failures)
        repos = service.groups(session, scope, window, GroupBy.REPO, now=now, failures=failures)
        every = service.read_failures(session, Scope(branches=branches), window)
        groups = largest_team_groups(session, Scope(branches=branches), window, limit=9, now=now, failures=every)
    asked = question(OWNED[teams])
    found = asked.compare("metrics", whole, None) + asked.compare_points(points, "day")
    found += asked.compare_groups(repos, "repo")
    if sum(group.metrics.runs.total for group in repos) != whole.runs.total:
        found.append("the repositories have other runs than the team")
    listed = {str(group.key).casefold(): group.metrics for group in groups.groups}
    for name in ("whole", "single", "mixed", "none"):
        if name in listed:
            found += question(OWNED[name,]).compare(f"group {name}", listed[name], None)
        elif any(
            _Owned(branches=branches, owned=frozenset(OWNED[name,])).holds(run)
            for run in runs
            if window.since <= run.created < window.until
        ):
            found.append(f"no group {name}")
    return found


def test_teams_are_planned_as_repositories_and_workflows_are(engine: Engine, reader: ReplicaRouter) -> None:
    """The same roll-ups and the same short remainders, which alone are read from runs."""
    next(iter(Account(engine, NOW, "plan", runs=30).phases()))
    with write_scope(engine) as session:
        for name, fields in DEFINITIONS.items():
            save_team(session, name, fields, NOW, actor=COMMAND)
    window, ids = Window(NOW - timedelta(days=120), NOW), {"acme/web": 1, "acme/api": 2, "acme/left": 3}
    of_level = {
        ("whole",): RollupLevel.REPO,
        ("single",): RollupLevel.WORKFLOW,
        ("mixed", "none"): RollupLevel.WORKFLOW,
    }
    for teams, level in of_level.items():
        with reader.session() as session:
            scope = narrow(session, Scope(), teams)
            planned = plan(session, MetricsQuery(scope, window))
            named = plan(session, MetricsQuery(Scope(repos=("acme/web",)), window))
        (scan,) = planned.rollup_scans
        assert scan.level is level
        assert scan.buckets == named.rollup_scans[0].buckets
        assert set(scan.repositories or ()) == {ids[repo] for repo in scope.repos}
        assert [part.windows for part in planned.run_scans] == [part.windows for part in named.run_scans]
        remainders = [part.span for run_scan in planned.run_scans for part in run_scan.windows]
        assert sum(remainders, timedelta()) < timedelta(days=1)
