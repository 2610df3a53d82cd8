"""Figures of runs by the team that owns their repository or workflow."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import GroupBy
from health.completeness.service import read_completeness
from health.metrics.definitions.failure_counts import FailureCounts
from health.metrics.definitions.formulas import Metrics, metrics
from health.metrics.definitions.losses import with_losses
from health.metrics.definitions.table import OUTCOMES, take
from health.metrics.queries import executor
from health.metrics.queries.grouping import REST, GroupedTable, Key, MetricsQuery
from health.metrics.queries.infrastructure import InfrastructureFailures, counts_by_key
from health.metrics.queries.plan import plan
from health.metrics.service import Group, LargestGroups
from health.teams.definition import NO_TEAM
from health.teams.owners import UNKNOWN_OWNER, Owners, read_owners
from health.teams.service import visible_teams


def largest_team_groups(
    session: Session,
    scope: Scope,
    window: Window,
    *,
    limit: int,
    teams: Collection[str] = (),
    now: datetime | None = None,
    failures: InfrastructureFailures | None = None,
) -> LargestGroups:
    """As service.largest_groups, by team. The key of a group is the name of the team, NO_TEAM for what no team owns,
    and null where the owner is not known.
    A run counts in each team that owns its repository or workflow, so that the groups together may have more runs than
    the scope; it counts once in the rest. `teams`: keys of the only teams to list; empty for
    all that the session may see."""
    owners, names = read_owners(session), {team.key: team.name for team in visible_teams(session)}
    by = GroupBy.WORKFLOW if owners.has_single_workflows else GroupBy.REPO
    planned = plan(session, MetricsQuery(scope, window, by, now=now))
    grouped = executor.run(session, planned)
    listable: frozenset[str | None] = frozenset({NO_TEAM, UNKNOWN_OWNER, *names})
    listed = listable & frozenset(teams) if teams else listable
    owners_of = {key: _listed_owners(owners, key, listed) for key, _ in grouped.keys}
    ordered = _by_size(grouped, owners_of, names)
    selected = frozenset(ordered[:limit])
    groups_of = {key: list({team if team in selected else REST: None for team in of}) for key, of in owners_of.items()}
    aggregates = executor.aggregates_by_key(planned, _regroup(grouped, groups_of))
    data = with_losses(read_completeness(session, scope, window), planned.losses)
    count, members = counts_by_key(failures, by), defaultdict[Any, list[Any]](list)
    for key, groups in groups_of.items():
        for group in groups:
            members[group].append(key)

    def figures(group: Any) -> Metrics:
        counts = _sum(count((key, None)) for key in members[group])
        return metrics(aggregates[group, None], data, failures=counts)

    items = [Group(names.get(team or "", team), figures(team)) for team in ordered[:limit]]
    return LargestGroups(items, figures(REST) if len(ordered) > limit else None, len(ordered), data)


def _listed_owners(owners: Owners, key: Any, listed: Collection[str | None]) -> Sequence[str | None]:
    """`key`: of a group by repository, or by workflow."""
    of = owners.of(*key) if isinstance(key, tuple) else owners.of(key)
    return [team for team in of if team in listed]


def _by_size(
    grouped: GroupedTable, owners_of: Mapping[Any, Sequence[str | None]], names: Mapping[str, str]
) -> list[str | None]:
    """The keys of the teams with runs, the one with the most runs first."""
    numbers = Counter[str | None]()
    runs = grouped.table.counts[:, : len(OUTCOMES)].sum(axis=1).tolist()
    for (key, _), number in zip(grouped.keys, runs, strict=True):
        for team in owners_of[key]:
            numbers[team] += number
    with_runs = [team for team, number in numbers.items() if number]
    return sorted(with_runs, key=lambda team: (-numbers[team], names.get(team or "", team or "")))


def _regroup(grouped: GroupedTable, groups_of: Mapping[Any, Sequence[Any]]) -> GroupedTable:
    """Adds each row to each of its groups."""
    # A layer has at most one group of each row: the first groups of all rows, then the second ones, and so on.
    depth = max(map(len, groups_of.values()), default=0)
    return executor.merge([_layer(grouped, groups_of, number) for number in range(depth)])


def _layer(grouped: GroupedTable, groups_of: Mapping[Any, Sequence[Any]], number: int) -> GroupedTable:
    def moved(keys: Iterable[Key]) -> Iterator[Key | None]:
        for key, start in keys:
            groups = groups_of.get(key, ())
            yield (groups[number], start) if len(groups) > number else None

    keys = list(moved(grouped.keys))
    episodes = zip(moved(key for key, _ in grouped.open_since), grouped.open_since, strict=True)
    return replace(
        grouped,
        keys=[key for key in keys if key],
        table=take(grouped.table, [row for row, key in enumerate(keys) if key]),
        open_since=tuple((key, failed_at) for key, (_, failed_at) in episodes if key),
    )


def _sum(counts: Iterable[FailureCounts]) -> FailureCounts:
    """A sum is null where one of the counts is."""
    listed = list(counts)

    def total(values: Sequence[int | None]) -> int | None:
        return None if None in values else sum(value or 0 for value in values)

    return FailureCounts(total([item.infrastructure for item in listed]), total([item.with_cause for item in listed]))
