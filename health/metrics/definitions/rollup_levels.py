"""Levels of roll-ups: which dimensions each keeps apart. Pure."""

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
# Sums over all monitored repositories, stored under repository 0.
CROSS_REPOSITORY_LEVELS = (RollupLevel.ALL, RollupLevel.ALL_EVENT)
REPOSITORY_LEVELS = tuple(level for level in RollupLevel if level not in CROSS_REPOSITORY_LEVELS)


@dataclass(frozen=True)
class RollupKey:
    """The key of a roll-up. `bucket` is an id of db.definitions.time_buckets."""

    bucket: int
    repository_id: int
    workflow_id: int
    branch_kind: int
    event: str

    def at_level(self, level: RollupLevel, bucket: int) -> "RollupKey":
        """Returns the key of the roll-up of that level that this one is a part of. Dimensions that the level does not
        keep apart are 0 or empty."""
        dimensions = DIMENSIONS[level]
        return RollupKey(
            bucket,
            self.repository_id if Dimension.REPOSITORY in dimensions else 0,
            self.workflow_id if Dimension.WORKFLOW in dimensions else 0,
            self.branch_kind if Dimension.BRANCH_KIND in dimensions else 0,
            self.event if Dimension.EVENT in dimensions else "",
        )


@dataclass(frozen=True)
class KeyedTable:
    """Row k of the table is the roll-up of `keys[k]`."""

    keys: list[RollupKey]
    table: AggregateTable

    def at_level(self, level: RollupLevel, buckets: Sequence[int]) -> "KeyedTable":
        """Adds up the rows to a level; row k goes into the bucket `buckets[k]`."""
        return rollups_by_key(
            [key.at_level(level, bucket) for key, bucket in zip(self.keys, buckets, strict=True)], self.table
        )

    def in_buckets(self, buckets: Collection[int]) -> "KeyedTable":
        """Returns the rows of these buckets."""
        rows = [row for row, key in enumerate(self.keys) if key.bucket in buckets]
        return KeyedTable([self.keys[row] for row in rows], take(self.table, rows))


def rollups_by_key(keys: Sequence[RollupKey], table: AggregateTable) -> KeyedTable:
    """Adds up the rows of each key: row k of the table belongs to `keys[k]`."""
    row_of_key: dict[RollupKey, int] = {}
    rows = np.fromiter((row_of_key.setdefault(key, len(row_of_key)) for key in keys), np.int64, len(keys))
    return KeyedTable(list(row_of_key), sum_rows(table, rows, len(row_of_key)))


def coarsest_level(dimensions: Collection[Dimension], *, all_repositories: bool) -> RollupLevel:
    """Returns the level with the fewest rows that keeps these dimensions apart. `all_repositories`: the scope is all
    monitored repositories, so that their sums can be read."""
    return next(
        level
        for level in RollupLevel
        if set(dimensions) <= DIMENSIONS[level] and (all_repositories or Dimension.REPOSITORY in DIMENSIONS[level])
    )
