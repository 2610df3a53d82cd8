"""How finely roll-ups tell runs apart. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from db.enums import Dimension, RollupLevel
from health.metrics.definitions.table import AggregateTable, sum_rows, take

DIMENSIONS: dict[RollupLevel, frozenset[Dimension]] = {
    RollupLevel.ALL: frozenset(),
    RollupLevel.ALL_EVENT: frozenset({Dimension.EVENT}),
    RollupLevel.REPO: frozenset({Dimension.REPOSITORY}),
    RollupLevel.REPO_EVENT: frozenset({Dimension.REPOSITORY, Dimension.EVENT}),
    RollupLevel.REPO_BRANCH: frozenset({Dimension.REPOSITORY, Dimension.BRANCH_KIND}),
    RollupLevel.WORKFLOW: frozenset({Dimension.REPOSITORY, Dimension.WORKFLOW}),
    RollupLevel.FINEST: frozenset(Dimension),
}
# Made of all monitored repositories together; repository 0.
CROSS_REPOSITORY_LEVELS = (RollupLevel.ALL, RollupLevel.ALL_EVENT)
REPOSITORY_LEVELS = tuple(grain for grain in RollupLevel if grain not in CROSS_REPOSITORY_LEVELS)


@dataclass(frozen=True)
class RollupKey:
    """What a roll-up is about."""

    bucket: int
    repository_id: int
    workflow_id: int
    branch_kind: int
    event: str

    def at_level(self, level: RollupLevel, bucket: int) -> "RollupKey":
        """The roll-up of that grain that this one is part of; what the grain does not tell apart is 0 or empty."""
        parts = DIMENSIONS[level]
        return RollupKey(
            bucket,
            self.repository_id if Dimension.REPOSITORY in parts else 0,
            self.workflow_id if Dimension.WORKFLOW in parts else 0,
            self.branch_kind if Dimension.BRANCH_KIND in parts else 0,
            self.event if Dimension.EVENT in parts else "",
        )


@dataclass(frozen=True)
class KeyedTable:
    """One key a row of the table."""

    keys: list[RollupKey]
    table: AggregateTable

    def at_level(self, level: RollupLevel, buckets: Sequence[int]) -> "KeyedTable":
        """Added up to that grain; `tiles` says for each row which tile it goes to."""
        return rollups_by_key(
            [key.at_level(level, tile) for key, tile in zip(self.keys, buckets, strict=True)], self.table
        )

    def in_buckets(self, buckets: Collection[int]) -> "KeyedTable":
        """Those of these tiles."""
        places = [place for place, key in enumerate(self.keys) if key.bucket in buckets]
        return KeyedTable([self.keys[place] for place in places], take(self.table, places))


def rollups_by_key(keys: Sequence[RollupKey], table: AggregateTable) -> KeyedTable:
    """One row a key, where several rows of the table may have the same one."""
    found: dict[RollupKey, int] = {}
    rows = np.fromiter((found.setdefault(key, len(found)) for key in keys), np.int64, len(keys))
    return KeyedTable(list(found), sum_rows(table, rows, len(found)))


def coarsest_level(dimensions: Collection[Dimension], *, all_repositories: bool) -> RollupLevel:
    """The grain with the fewest rows that tells these apart. `over_all`: all monitored repositories are meant."""
    return next(
        grain
        for grain in RollupLevel
        if set(dimensions) <= DIMENSIONS[grain] and (all_repositories or Dimension.REPOSITORY in DIMENSIONS[grain])
    )
