"""How finely roll-ups tell runs apart. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from db.enums import Grain, Part
from health.metrics.definitions.table import Table, fold, pick

PARTS: dict[Grain, frozenset[Part]] = {
    Grain.ALL: frozenset(),
    Grain.ALL_EVENT: frozenset({Part.EVENT}),
    Grain.REPO: frozenset({Part.REPOSITORY}),
    Grain.REPO_EVENT: frozenset({Part.REPOSITORY, Part.EVENT}),
    Grain.REPO_BRANCH: frozenset({Part.REPOSITORY, Part.BRANCH_KIND}),
    Grain.WORKFLOW: frozenset({Part.REPOSITORY, Part.WORKFLOW}),
    Grain.FINEST: frozenset(Part),
}
# Made of all monitored repositories together; repository 0.
OVER_ALL = (Grain.ALL, Grain.ALL_EVENT)
OF_ONE = tuple(grain for grain in Grain if grain not in OVER_ALL)


@dataclass(frozen=True)
class Key:
    """What a roll-up is about."""

    tile: int
    repository_id: int
    workflow_id: int
    branch_kind: int
    event: str

    def at(self, grain: Grain, tile: int) -> "Key":
        """The roll-up of that grain that this one is part of; what the grain does not tell apart is 0 or empty."""
        parts = PARTS[grain]
        return Key(
            tile,
            self.repository_id if Part.REPOSITORY in parts else 0,
            self.workflow_id if Part.WORKFLOW in parts else 0,
            self.branch_kind if Part.BRANCH_KIND in parts else 0,
            self.event if Part.EVENT in parts else "",
        )


@dataclass(frozen=True)
class Rollups:
    """One key a row of the table."""

    keys: list[Key]
    table: Table

    def at(self, grain: Grain, tiles: Sequence[int]) -> "Rollups":
        """Added up to that grain; `tiles` says for each row which tile it goes to."""
        return gather([key.at(grain, tile) for key, tile in zip(self.keys, tiles, strict=True)], self.table)

    def only(self, wanted: Collection[int]) -> "Rollups":
        """Those of these tiles."""
        places = [place for place, key in enumerate(self.keys) if key.tile in wanted]
        return Rollups([self.keys[place] for place in places], pick(self.table, places))


def gather(keys: Sequence[Key], table: Table) -> Rollups:
    """One row a key, where several rows of the table may have the same one."""
    found: dict[Key, int] = {}
    rows = np.fromiter((found.setdefault(key, len(found)) for key in keys), np.int64, len(keys))
    return Rollups(list(found), fold(table, rows, len(found)))


def coarsest(needed: Collection[Part], *, over_all: bool) -> Grain:
    """The grain with the fewest rows that tells these apart. `over_all`: all monitored repositories are meant."""
    return next(
        grain for grain in Grain if set(needed) <= PARTS[grain] and (over_all or Part.REPOSITORY in PARTS[grain])
    )
